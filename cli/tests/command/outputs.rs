//! What each verb prints, as a table and as JSON.

use crate::common::{Sample, assert_golden, masked, without_pids};

/// Runs all verbs that only read. They share one sample, which takes a moment to build.
#[tokio::test(flavor = "multi_thread")]
async fn verbs_that_read_print_tables_and_json() {
    let sample = Sample::new().await;
    for (name, arguments) in [
        ("stats", "stats"),
        ("queue-ls", "queue ls"),
        ("queue-inspect", "queue inspect default low"),
        ("queue-history", "queue history default low --days 2"),
        ("task-ls-active", "task ls -q default -s active"),
        ("task-ls-pending", "task ls -q default -s pending"),
        (
            "task-ls-aggregating",
            "task ls -q default -s aggregating -g digests",
        ),
        ("task-ls-scheduled", "task ls -q default -s scheduled"),
        ("task-ls-retry", "task ls -q default -s retry"),
        ("task-ls-archived", "task ls -q default -s archived"),
        ("task-ls-completed", "task ls -q default -s completed"),
        ("task-ls-all", "task ls -q default -s pending --all"),
        ("task-inspect-active", "task inspect -q default -i video-1"),
        ("task-inspect-pending", "task inspect -q default -i mail-1"),
        ("task-inspect-unique", "task inspect -q default -i mail-2"),
        ("task-inspect-retry", "task inspect -q default -i image-2"),
        (
            "task-inspect-completed",
            "task inspect -q default -i export-1",
        ),
        ("group-ls", "group ls -q default"),
        ("server-ls", "server ls"),
        ("server-ls-workers", "server ls --workers"),
        ("cron-ls", "cron ls"),
        (
            "cron-next",
            "cron next 30 9 * * 1-5 --after 2026-01-01T00:00:00Z --count 2 --zone Europe/Berlin",
        ),
        ("doctor", "doctor"),
        ("watch", "watch --count 1"),
    ] {
        prints(&sample, &format!("{name}.txt"), arguments).await;
        prints(&sample, &format!("{name}.json"), arguments).await;
    }
    sample.end().await;
}

/// Runs all verbs that change something, each once for its text and once for its JSON.
#[tokio::test(flavor = "multi_thread")]
async fn verbs_that_change_print_texts_and_json() {
    let sample = Sample::new().await;
    let entry = "e3581a31-24c3-570e-8b4b-6c4de5ea3450";
    for (name, arguments) in [
        ("queue-pause.txt", "queue pause default"),
        ("queue-unpause.txt", "queue unpause default low"),
        ("queue-pause.json", "queue pause default low"),
        ("queue-unpause.json", "queue unpause default"),
        ("cron-run.txt", &format!("cron run {entry}")),
        ("cron-run.json", &format!("cron run {entry}")),
        ("cron-history.txt", &format!("cron history {entry}")),
        ("cron-history.json", &format!("cron history {entry}")),
        (
            "task-enqueue.txt",
            "task enqueue -t mail -l {} -q new -i new-1",
        ),
        (
            "task-enqueue.json",
            "task enqueue -t mail -l {} -q new -i new-2",
        ),
        (
            "task-reschedule.txt",
            "task reschedule -q new -i new-1 --process_in 48h",
        ),
        (
            "task-reschedule.json",
            "task reschedule -q new -i new-2 --process_in 48h",
        ),
        (
            "task-update.txt",
            "task update -q new -i new-1 --payload [1]",
        ),
        (
            "task-update.json",
            "task update -q new -i new-2 --payload [2]",
        ),
        ("task-run.txt", "task run -q new -i new-1"),
        ("task-run.json", "task run -q new -i new-2"),
        ("task-archive.txt", "task archive -q new -i new-1"),
        ("task-archive.json", "task archive -q new -i new-2"),
        (
            "task-runall-dry-run.txt",
            "task runall -q new -s archived --dry-run",
        ),
        (
            "task-runall-dry-run.json",
            "task runall -q new -s archived --dry-run",
        ),
        ("task-runall.txt", "task runall -q new -s archived"),
        ("task-runall.json", "task runall -q new -s archived"),
        ("task-archiveall.txt", "task archiveall -q new -s pending"),
        ("task-archiveall.json", "task archiveall -q new -s pending"),
        ("task-delete.txt", "task delete -q new -i new-1"),
        ("task-deleteall.json", "task deleteall -q new -s archived"),
        ("task-deleteall.txt", "task deleteall -q default -s pending"),
        ("task-delete.json", "task delete -q default -i digest-1"),
        ("task-copy.txt", "task copy -q default -i export-1"),
        ("task-copy.json", "task copy -q default -i export-1"),
        ("task-wait.txt", "task wait -q default -i export-1"),
        ("task-wait.json", "task wait -q default -i export-1"),
        ("task-cancel.json", "task cancel video-1"),
        ("queue-rm.txt", "queue rm new"),
        ("queue-rm.json", "queue rm low --force"),
    ] {
        prints(&sample, name, arguments).await;
    }
    sample.end().await;
}

/// Runs a command line, and compares what it prints with the file of this name. The JSON of a `.json` file is asked for.
async fn prints(sample: &Sample, file: &str, line: &str) {
    let mut arguments = words(line);
    let is_json = file.ends_with(".json");
    if is_json {
        arguments.push("--json");
    }
    let ran = sample.command.run(&arguments).await;
    assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
    if is_json {
        let _: serde_json::Value = serde_json::from_str(&ran.stdout).expect("one JSON document");
    }
    assert_golden(file, &without_pids(&ran.stdout));
}

/// The words of a command line. A cron spec is one word.
fn words(line: &str) -> Vec<&str> {
    let spec = "30 9 * * 1-5";
    match line.split_once(spec) {
        Some((before, after)) => {
            let mut words: Vec<&str> = before.split_whitespace().collect();
            words.push(spec);
            words.extend(after.split_whitespace());
            words
        }
        None => line.split_whitespace().collect(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn help_and_version_need_no_redis() {
    let command = crate::common::Command::with_url(Some("redis://127.0.0.1:1".to_owned()));
    for arguments in [["--help"], ["help"], ["--version"], ["version"], ["man"]] {
        let ran = command.run(&arguments).await;
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{arguments:?}");
        assert!(ran.stdout.contains("rasynq"), "{arguments:?}: {ran:?}");
    }
    let version = command.output(&["--version"]).await;
    assert_eq!(version, format!("rasynq {}\n", env!("CARGO_PKG_VERSION")));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = command.output(&["completions", shell]).await;
        assert!(script.contains("deleteall"), "{shell}");
        assert!(
            !script.contains("insecure"),
            "{shell}: it is always refused"
        );
        assert!(!script.contains("version"), "{shell}: it is hidden");
        let json = command.json(&["completions", shell]).await;
        assert_eq!(json["shell"], shell);
        let json = json["script"].as_str().expect("a script");
        assert_eq!(json.trim_end(), script.trim_end());
    }
    let fish = command.output(&["completions", "fish"]).await;
    for state in rasynq::TaskState::ALL {
        assert!(fish.contains(&format!("{state}\\t''")), "{state}");
    }
    let version = serde_json::json!({"version": env!("CARGO_PKG_VERSION")});
    assert_eq!(command.json(&["version"]).await, version);
    assert_eq!(command.json(&["--version"]).await, version);
    let page = command.output(&["man", "stats"]).await;
    let json = command.json(&["man", "stats"]).await;
    assert_eq!(
        json["page"].as_str().map(str::trim_end),
        Some(page.trim_end())
    );
    for arguments in [["help", "stats"], ["stats", "--help"]] {
        let help = command.output(&arguments).await;
        let json = command.json(&arguments).await;
        assert_eq!(
            json["help"].as_str(),
            Some(help.trim_end()),
            "{arguments:?}"
        );
    }
}

/// The formatters of manual pages find no fault. Where there is none, nothing is checked.
#[tokio::test(flavor = "multi_thread")]
async fn manual_pages_are_right() {
    let command = crate::common::Command::with_url(None);
    let folder = command.home.path().join("man");
    let pages = command
        .json(&["man", "--out", folder.to_str().expect("UTF-8")])
        .await;
    let pages = pages["files"].as_array().expect("files").iter();
    let pages: Vec<&str> = pages.filter_map(|page| page.as_str()).collect();
    assert!(pages.len() > 30, "{pages:?}");
    for formatter in [
        ["mandoc", "-T", "lint", "-W", "warning"],
        ["groff", "-man", "-Tascii", "-ww", "-z"],
    ] {
        let [program, flags @ ..] = formatter;
        let checked = std::process::Command::new(program)
            .args(flags)
            .args(&pages)
            .output();
        let Ok(checked) = checked else { continue };
        let said = [checked.stdout, checked.stderr].concat();
        assert_eq!(String::from_utf8_lossy(&said), "", "{program}");
    }
}

/// The exit codes of the manual are those of `docs/command.md`.
#[tokio::test(flavor = "multi_thread")]
async fn the_manual_has_the_exit_codes_of_the_page() {
    let command = crate::common::Command::with_url(None);
    let manual = command.output(&["man"]).await;
    let (_, codes) = manual
        .split_once(".SH \"EXIT STATUS\"\n")
        .expect("the section");
    let (codes, _) = codes.split_once(".SH ").expect("the next section");
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/command.md");
    let page = std::fs::read_to_string(path).expect("the page");
    let (_, table) = page.split_once("## Exit codes\n").expect("the table");
    let (table, _) = table
        .split_once("\n\nA verb")
        .expect("the end of the table");
    let mut expected = String::new();
    for row in table.lines().filter(|row| row.starts_with("| ")).skip(1) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, code, meaning, ..] = cells[..] else {
            panic!("{row}");
        };
        let meaning = meaning.replace('`', "").replace('-', "\\-");
        expected.push_str(&format!(".TP\n\\fB{code}\\fR\n{meaning}\n"));
    }
    assert_eq!(codes, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_verb_has_a_manual_page() {
    let command = crate::common::Command::with_url(None);
    let folder = command.home.path().join("man");
    let folder = folder.to_str().expect("UTF-8");
    command.output(&["man", "--out", folder]).await;
    let mut pages: Vec<String> = std::fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .collect();
    pages.sort();
    for page in [
        "rasynq.1",
        "rasynq-task-ls.1",
        "rasynq-queue-rm.1",
        "rasynq-doctor.1",
    ] {
        assert!(pages.iter().any(|found| found == page), "{page}: {pages:?}");
    }
    let page = command.output(&["man", "task", "ls"]).await;
    let written = std::fs::read_to_string(format!("{folder}/rasynq-task-ls.1")).expect("the page");
    assert_eq!(masked(&page), masked(&written));
    assert_eq!(command.run(&["man", "nothing"]).await.code, 2);
}
