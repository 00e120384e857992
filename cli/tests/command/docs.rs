//! The examples of `docs/command.md` are real: each was printed by the command on the sample.

use std::fs;
use std::path::Path;

use crate::common::{Command, Sample, masked, without_pids};

/// Runs the `console` examples of the page in their order. `RASYNQ_WRITE_OUTPUT=1` writes their outputs anew.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_what_the_command_prints() {
    let sample = Sample::new().await;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/command.md");
    let page = fs::read_to_string(&path).expect("the page");
    let mut written = String::new();
    let mut rest = page.as_str();
    let mut count = 0;
    while let Some((before, after)) = rest.split_once("```console\n") {
        let (block, after) = after.split_once("```\n").expect("the end of a block");
        written.push_str(before);
        written.push_str("```console\n");
        let fresh = run_block(&sample.command, block).await;
        if std::env::var_os("RASYNQ_WRITE_OUTPUT").is_none() {
            assert_eq!(
                masked(block),
                masked(&fresh),
                "the page differs; the output is:\n{fresh}"
            );
        }
        written.push_str(&fresh);
        written.push_str("```\n");
        rest = after;
        count += 1;
    }
    written.push_str(rest);
    assert!(count > 20, "{count} examples");
    if std::env::var_os("RASYNQ_WRITE_OUTPUT").is_some() {
        fs::write(&path, written).expect("written");
    }
    sample.end().await;
}

/// Runs the lines that begin with `$ rasynq`, and gives them with their outputs.
async fn run_block(command: &Command, block: &str) -> String {
    let mut fresh = String::new();
    for line in block.lines().filter(|line| line.starts_with("$ ")) {
        fresh.push_str(line);
        fresh.push('\n');
        let line = line
            .strip_prefix("$ rasynq ")
            .expect("an example of rasynq");
        let mut process = std::process::Command::new("sh");
        process.args(["-c", &format!("exec \"$0\" {line}"), Command::binary()]);
        process.env_clear().env("HOME", command.home.path());
        process.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        for (name, value) in command.process(&[]).get_envs() {
            if let Some(value) = value {
                process.env(name, value);
            }
        }
        process.stdin(std::process::Stdio::null());
        process
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        let ran = crate::common::end(process, b"").await;
        fresh.push_str(&without_pids(&ran.stdout));
        if !fresh.ends_with('\n') {
            fresh.push('\n');
        }
        fresh.push_str(&ran.stderr);
    }
    fresh
}
