//! Verbs that change tasks and queues.

use std::time::Duration;

use fred::interfaces::ClientLike;
use fred::types::InfoKind;
use rasynq::{Client, Connection, Task};
use serde_json::json;

use crate::common::{Command, DEADLINE, RedisServer, Sample, assert_golden, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_enqueued_with_all_options() {
    let redis = RedisServer::start().await;
    let command = Command::on(&redis);
    let said = command
        .output(&["task", "enqueue", "-t", "x", "-l", "-5", "--id", "a"])
        .await;
    assert_eq!(said, "task a is pending in queue default\n");
    let all = "task enqueue --type_name report --queue low --id r --retry 3 --timeout 100s --deadline 2099-12-14T01:23:45Z \
               --unique 100s --process_at 2099-12-14T01:22:05Z --retention 5h --header tenant=acme --header a=b=c";
    let mut arguments: Vec<&str> = all.split_whitespace().collect();
    arguments.extend(["--payload", r#"{"n": 1.50}"#]);
    let task = command.json(&arguments).await;
    assert_eq!(
        task,
        json!({
            "id": "r", "queue": "low", "task_type": "report", "state": "scheduled", "payload": {"n": 1.50},
            "headers": {"tenant": "acme", "a": "b=c"}, "max_retry": 3, "retried": 0, "last_error": "",
            "last_failed_at": null, "timeout": 100.0, "deadline": "2099-12-14T01:23:45Z", "group": "",
            "next_process_at": "2099-12-14T01:22:05Z", "is_orphaned": false, "is_undecodable": false,
            "retention": 18000.0, "completed_at": null, "result": null
        })
    );
    let task = command
        .json(&["task", "enqueue", "-t", "x", "-l", "", "--process_in", "1h"])
        .await;
    assert_eq!(
        (&task["state"], &task["payload"]),
        (&json!("scheduled"), &json!(""))
    );
    let task = command
        .json(&["task", "enqueue", "-t", "x", "-l", "x", "--group", "g"])
        .await;
    assert_eq!(
        (&task["state"], &task["group"]),
        (&json!("aggregating"), &json!("g"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_comes_from_a_file_or_from_standard_input() {
    let redis = RedisServer::start().await;
    let command = Command::on(&redis);
    let bytes = b"\x00\xff\x1b[31m\n";
    let path = command.home.path().join("payload");
    std::fs::write(&path, bytes).expect("written");
    let path = path.to_str().expect("UTF-8");
    let from_file = command
        .json(&["task", "enqueue", "-t", "x", "--payload-file", path])
        .await;
    let arguments = [
        "task",
        "enqueue",
        "-t",
        "x",
        "--payload-file",
        "-",
        "--id",
        "b",
    ];
    assert_eq!(command.run_with_input(&arguments, bytes).await.code, 0);
    let from_input = command
        .json(&["task", "inspect", "-q", "default", "-i", "b"])
        .await;
    for task in [&from_file, &from_input] {
        assert_eq!(task["payload_base64"], "AP8bWzMxbQo=", "{task}");
    }
    // neither moves a terminal
    for arguments in [
        "task ls -q default -s pending",
        "task inspect -q default -i b",
    ] {
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        let text = command.output(&arguments).await;
        assert!(text.contains("\\u{0}\\xff\\u{1b}[31m\\n"), "{text}");
        assert!(!text.contains('\x1b'), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn single_tasks_are_run_archived_deleted_copied_rescheduled_and_updated() {
    let sample = Sample::new().await;
    let command = &sample.command;
    let on = async |arguments: &str| {
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        command.output(&arguments).await
    };
    assert_eq!(
        on("task run -q default -i report-1").await,
        "task report-1 is now pending\n"
    );
    assert_eq!(
        on("task archive -q default --id mail-1").await,
        "task mail-1 is archived\n"
    );
    assert_eq!(
        on("task rm --queue=default --id=image-2").await,
        "task image-2 is deleted\n"
    );
    let copied = on("task copy -q default -i mail-1").await;
    assert!(
        copied.ends_with(" is pending in queue default\n"),
        "{copied}"
    );
    assert_eq!(
        on("task reschedule -q default -i mail-2 --process_at 2098-01-01T00:00:00Z").await,
        "task mail-2 is rescheduled\n"
    );
    assert_eq!(
        on("task update -q default -i mail-2 -l new").await,
        "task mail-2 has the new payload\n"
    );
    let task = command
        .json(&["task", "inspect", "-q", "default", "-i", "mail-2"])
        .await;
    assert_eq!(
        (&task["state"], &task["payload"], &task["next_process_at"]),
        (
            &json!("scheduled"),
            &json!("new"),
            &json!("2098-01-01T00:00:00Z")
        )
    );
    assert_eq!(on("queue pause default").await, "queue default is paused\n");
    assert_eq!(
        on("queue resume default low").await,
        "queue default is unpaused\nqueue low is unpaused\n"
    );
    assert_eq!(on("queue rm --force low").await, "queue low is removed\n");
    assert_eq!(on("queue ls").await, "default\n");
    sample.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_is_run_now() {
    let sample = Sample::new().await;
    let entries = sample.command.json(&["cron", "ls"]).await;
    let id = entries[0]["id"].as_str().expect("an id").to_owned();
    let task = sample.command.json(&["cron", "run", &id]).await;
    assert_eq!(
        (
            &task["task_type"],
            &task["queue"],
            &task["payload"],
            &task["state"]
        ),
        (
            &json!("report:daily"),
            &json!("low"),
            &json!({}),
            &json!("pending")
        )
    );
    // it was no tick
    let history = sample.command.json(&["cron", "history", &id]).await;
    assert_eq!(history, json!([{"entry_id": id, "events": []}]));
    sample.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_ends_when_the_task_has_ended() {
    let sample = Sample::new().await;
    let command = &sample.command;
    let wait = async |id: &str| {
        command
            .run(&["task", "wait", "-q", "default", "-i", id])
            .await
    };
    let ran = wait("export-1").await;
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "17 pages"), "{ran:?}");
    let ran = wait("image-1").await;
    assert_eq!(ran.code, 7);
    assert_eq!(
        ran.stderr,
        "rasynq: task image-1 is archived: exit status 3\n"
    );
    let delete = async {
        // The command has looked once when it waits.
        tokio::time::sleep(Duration::from_millis(300)).await;
        sample
            .inspector
            .delete_task("default", "mail-1")
            .await
            .expect("deleted");
    };
    let (ran, ()) = tokio::join!(wait("mail-1"), delete);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, "task mail-1 is done, or was deleted: it is not kept\n")
    );
    sample.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_cancelled_and_the_server_confirms() {
    let sample = Sample::new().await;
    let answers = sample
        .command
        .json(&["task", "cancel", "video-1", "mail-1"])
        .await;
    assert_eq!(
        answers,
        json!([{"id": "video-1", "answer": "heard"}, {"id": "mail-1", "answer": "not_known"}])
    );
    sample.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_found_is_said_on_standard_error() {
    let redis = RedisServer::start().await;
    let command = Command::on(&redis);
    for (arguments, text) in [
        ("queue ls", "no queues"),
        ("server ls", "no running servers"),
        ("cron ls", "no scheduler entries"),
    ] {
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        let ran = command.run(&arguments).await;
        assert_eq!(
            (ran.code, ran.stdout, ran.stderr),
            (0, String::new(), format!("{text}\n"))
        );
        assert_eq!(command.json(&arguments).await, json!([]));
    }
    assert_golden("stats-empty.txt", &command.output(&["stats"]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_says_that_redis_is_away_and_at_its_end_that_nobody_knows() {
    let mut redis = RedisServer::builder().tcp().start().await;
    let connection = Connection::from_uri(&redis.uri()).expect("a connection");
    let client = Client::connect(&connection).await.expect("a client");
    let task = Task::new("x", "x").task_id("one");
    client.enqueue(task).await.expect("enqueued");
    client.close().await;
    let command = Command::on(&redis);
    let wait = [
        "task",
        "wait",
        "-q",
        "default",
        "-i",
        "one",
        "--timeout",
        "3s",
    ];
    let child = command.process(&wait).spawn().expect("started");
    let raw = redis.client().await;
    let looks = || async {
        let info: String = raw
            .info(Some(InfoKind::CommandStats))
            .await
            .expect("commands");
        let calls = info
            .lines()
            .find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
        let calls = calls.and_then(|rest| rest.split(',').next()?.parse::<u64>().ok());
        calls.is_some_and(|calls| calls > 5)
    };
    eventually("it looks again", DEADLINE, looks).await;
    redis.stop().await;
    let ended = tokio::task::spawn_blocking(move || child.wait_with_output());
    let ended = ended.await.expect("waited").expect("ended");
    let told = String::from_utf8_lossy(&ended.stderr);
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(ended.status.code(), Some(5), "{told}");
    assert_eq!(lines.len(), 2, "{told}");
    assert!(lines[0].ends_with("; it waits on"), "{told}");
    let unknown = "rasynq: task one: nobody knows whether it has ended: ";
    assert!(lines[1].starts_with(unknown), "{told}");
}
