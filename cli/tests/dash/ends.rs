//! However it ends, the terminal is as it was.

use std::process::{Command, Stdio};

use super::world::{SIZE, World, dash};
use crate::common::{Command as Rasynq, DEADLINE, Terminal, eventually};

/// After the end: the screen of before, and a terminal that echoes and reads lines.
async fn is_restored(terminal: &Terminal, code: &str) {
    let screen = terminal.shows(&["before", code, "all told"]).await;
    let has = |setting: &str| screen.split_whitespace().any(|word| word == setting);
    assert!(has("echo") && has("icanon") && has("isig"), "{screen}");
    assert!(!screen.contains("1 Queues"), "{screen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn q_and_control_c_end_it() {
    for keys in [&["q"][..], &["C-c"], &["d", "C-c"], &["/", "C-c"]] {
        let Some((_world, terminal)) = World::with_a_task().await else {
            return;
        };
        terminal.press(keys);
        is_restored(&terminal, "code=0").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_end_it() {
    for signal in ["TERM", "HUP", "INT"] {
        let Some((_world, terminal)) = World::with_a_task().await else {
            return;
        };
        terminal.signal(signal);
        is_restored(&terminal, "code=0").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_without_a_failure_if_the_terminal_is_gone() {
    let world = World::new().await;
    let dir = tempfile::tempdir().unwrap();
    let code = dir.path().join("code");
    // The shell outlives its terminal. So nobody tells the dashboard: it has to notice.
    let script = format!(
        "trap '' HUP; '{}' dash --uri '{}'; echo $? >'{}'",
        Rasynq::binary(),
        world.redis.uri(),
        code.display()
    );
    let Some(terminal) = Terminal::start(SIZE, &script, &[]) else {
        return;
    };
    terminal.shows(&["Queues", "live"]).await;
    terminal.close();
    let is_written = || async { std::fs::read_to_string(&code).is_ok_and(|code| code == "0\n") };
    eventually("the dashboard has ended with 0", DEADLINE, is_written).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_at_once_while_redis_does_not_answer() {
    let Some((world, terminal)) = World::with_a_task().await else {
        return;
    };
    world.redis.pause();
    terminal.shows(&["last read "]).await;
    terminal.press(&["q"]);
    is_restored(&terminal, "code=0").await;
    world.redis.resume();
}

#[test]
fn without_a_terminal_it_says_so() {
    let output = Command::new(env!("CARGO_BIN_EXE_rasynq"))
        .args(["dash", "--uri", "redis://127.0.0.1:1"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("dash needs a terminal"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_it_does_not_begin() {
    let arguments = ["--uri", "redis://127.0.0.1:1"];
    let Some(terminal) = dash(&arguments, &[]) else {
        return;
    };
    let screen = terminal.shows(&["rasynq: ", "code=5"]).await;
    assert!(!screen.contains("1 Queues"), "{screen}");
}
