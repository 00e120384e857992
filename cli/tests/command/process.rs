//! The command as a process: pipes, signals, terminals, its start.

use std::process::{Command as Process, Stdio};
use std::time::Duration;

use fred::interfaces::KeysInterface;
use rasynq::{Client, Connection, Inspector, Task, TaskState};

use crate::common::{Command, DEADLINE, RedisServer, eventually};

async fn redis_with(count: usize) -> (RedisServer, Command, Inspector) {
    let redis = RedisServer::start().await;
    let connection = Connection::from_uri(&redis.uri()).expect("a connection");
    let client = Client::connect(&connection).await.expect("a client");
    for start in (0..count).step_by(5000) {
        let tasks = (start..count.min(start + 5000)).map(|n| {
            let task = Task::new("email:send", "x".repeat(100)).task_id(format!("t{n}"));
            task.process_in(Duration::from_secs(3600))
        });
        for result in client.enqueue_batch(tasks).await {
            result.expect("enqueued");
        }
    }
    let command = Command::on(&redis);
    let inspector = Inspector::connect(&connection).await.expect("an inspector");
    (redis, command, inspector)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_leaves_is_no_failure() {
    let (_redis, command, _) = redis_with(20_000).await;
    let mut child = command
        .process(&["task", "ls", "-q", "default", "-s", "scheduled", "--all"])
        .spawn()
        .expect("started");
    let head = Process::new("head")
        .args(["-n", "1"])
        .stdin(Stdio::from(child.stdout.take().expect("a pipe")))
        .output()
        .expect("head");
    assert!(String::from_utf8_lossy(&head.stdout).starts_with("ID"));
    let output = child.wait_with_output().expect("its end");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_bulk_verb_says_what_was_done() {
    let (_redis, command, inspector) = redis_with(200_000).await;
    let child = command
        .process(&["task", "deleteall", "-q", "default", "-s", "scheduled"])
        .spawn()
        .expect("started");
    let begun = async || {
        let info = inspector.queue_info("default").await.expect("the queue");
        info.scheduled < 200_000
    };
    eventually("some tasks are deleted", DEADLINE, begun).await;
    let said = interrupt(child);
    let done = said
        .strip_prefix("rasynq: interrupted: at least ")
        .and_then(|rest| rest.split(' ').next());
    let done: u64 = done.and_then(|number| number.parse().ok()).expect(&said);
    let left = inspector
        .tasks("default", TaskState::Scheduled)
        .count()
        .await
        .expect("a count");
    assert!(
        left > 0 && done + left <= 200_000 && done + left >= 200_000 - 1000,
        "{said}, {left} left"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pipes_get_no_colours_and_no_bars() {
    let (_redis, command, _) = redis_with(10).await;
    for arguments in [["stats", "--memory"], ["queue", "ls"]] {
        let ran = command.run(&arguments).await;
        assert!(
            !ran.stdout.contains('\x1b') && ran.stderr.is_empty(),
            "{ran:?}"
        );
    }
    let ran = command
        .run(&["task", "archiveall", "-q", "default", "-s", "scheduled"])
        .await;
    assert_eq!(
        (ran.stdout.as_str(), ran.stderr.as_str()),
        ("10 tasks archived\n", "")
    );
}

/// Debug builds and busy machines are slower than 20 ms; what is checked is that nothing waits.
#[tokio::test(flavor = "multi_thread")]
async fn it_starts_at_once() {
    let (_redis, command, _) = redis_with(10).await;
    for arguments in [vec!["--version"], vec!["queue", "ls"]] {
        let mut times = Vec::new();
        for _ in 0..10 {
            let started = std::time::Instant::now();
            command.output(&arguments).await;
            times.push(started.elapsed());
        }
        let fastest = times.into_iter().min().unwrap_or_default();
        assert!(
            fastest < Duration::from_millis(150),
            "{arguments:?}: {fastest:?}"
        );
    }
}

/// Waits until a tenth of the 200,000 tasks is deleted: then the command has had the replies to several steps.
async fn many_are_deleted(redis: &RedisServer) {
    let raw = redis.client().await;
    let some: Vec<String> = (0..200_000)
        .step_by(1_000)
        .map(|n| format!("asynq:{{default}}:t:t{n}"))
        .collect();
    let are_deleted = async || {
        let left: u64 = raw.exists(some.clone()).await.expect("a count");
        left < 180
    };
    eventually("many tasks are deleted", DEADLINE, are_deleted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_removal_says_what_was_done_and_begins_no_other() {
    let (redis, command, _) = redis_with(200_000).await;
    let other = ["task", "enqueue", "-t", "x", "-l", "x", "-q", "other"];
    command.output(&other).await;
    let child = command
        .process(&["queue", "rm", "--force", "default", "other"])
        .spawn()
        .expect("started");
    many_are_deleted(&redis).await;
    let said = interrupt(child);
    assert!(said.starts_with("rasynq: interrupted: at least "), "{said}");
    assert!(
        said.contains("of queue default are deleted; `rasynq queue rm --force default`"),
        "{said}"
    );
    // what is left is removed by the same verb
    command.output(&["queue", "rm", "--force", "default"]).await;
    assert_eq!(command.output(&["doctor"]).await, "");
    assert_eq!(command.output(&["queue", "ls"]).await, "other\n");
}

/// Presses Ctrl-C. Returns what was said on standard error; the exit code is 130.
fn interrupt(child: std::process::Child) -> String {
    let pid = child.id().to_string();
    let kill = Process::new("kill").args(["-INT", &pid]).status();
    assert!(kill.expect("kill").success());
    let output = child.wait_with_output().expect("its end");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{said}");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_verb_whose_redis_dies_says_how_much_was_done() {
    let (mut redis, command, inspector) = redis_with(200_000).await;
    let arguments = ["task", "deleteall", "-q", "default", "-s", "scheduled"];
    let child = command.process(&arguments).spawn().expect("started");
    let begun = async || {
        let info = inspector.queue_info("default").await.expect("the queue");
        // Several steps were answered.
        info.scheduled < 190_000
    };
    eventually("some tasks are deleted", DEADLINE, begun).await;
    redis.kill();
    let output = child.wait_with_output().expect("its end");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(5), "{said}");
    let (before, _) = said
        .split_once(" tasks were changed")
        .expect("how much was done");
    let count = before.rsplit(' ').next().expect("a number");
    assert!(count.parse::<u64>().is_ok_and(|count| count > 0), "{said}");
    assert_eq!(said.matches("the connection to Redis").count(), 1, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_whose_redis_dies_says_how_much_was_done() {
    let (mut redis, command, _) = redis_with(200_000).await;
    let arguments = ["queue", "rm", "--force", "default"];
    let child = command.process(&arguments).spawn().expect("started");
    many_are_deleted(&redis).await;
    redis.kill();
    let output = child.wait_with_output().expect("its end");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(
        said.contains("tasks of queue default are deleted; `rasynq queue rm --force default`"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn help_that_cannot_be_printed_is_a_failure() {
    let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else {
        return;
    };
    let command = Command::with_url(None);
    for arguments in [
        vec!["--help"],
        vec!["help", "--json"],
        vec!["--version"],
        vec!["man"],
    ] {
        let mut process = command.process(&arguments);
        process.stdout(full.try_clone().expect("a file"));
        let ran = crate::common::end(process, b"").await;
        assert_eq!(ran.code, 1, "{arguments:?}: {ran:?}");
        assert!(
            ran.stderr.contains("No space left"),
            "{arguments:?}: {ran:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_queues_are_shown() {
    use fred::interfaces::SetsInterface;
    const COUNT: usize = 3_000;
    let redis = RedisServer::start().await;
    let raw = redis.client().await;
    let names: Vec<String> = (0..COUNT).map(|n| format!("tenant-{n:04}")).collect();
    let _: i64 = raw.sadd("asynq:queues", names).await.expect("added");
    let command = Command::on(&redis);
    let listed = command.output(&["queue", "ls"]).await;
    assert_eq!(listed.lines().count(), COUNT);
    let stats = command.json(&["stats"]).await;
    assert_eq!(stats["queues"].as_array().map(Vec::len), Some(COUNT));
    let looked = command.output(&["watch", "--count", "1"]).await;
    assert_eq!(looked.matches("tenant-").count(), COUNT);
}
