//! Verbs for many tasks: filters, dry runs, results.

use std::time::Duration;

use rasynq::{Client, Connection, Task};
use serde_json::json;

use crate::common::{Command, RedisServer};

/// 1,000 scheduled tasks: every tenth is of type `sms`, the others are mails; the user is the number.
async fn redis_with_many() -> (RedisServer, Command) {
    let redis = RedisServer::start().await;
    let connection = Connection::from_uri(&redis.uri()).expect("a connection");
    let client = Client::connect(&connection).await.expect("a client");
    let tasks = (0..1000).map(|n| {
        let task_type = if n % 10 == 0 {
            "sms:send"
        } else {
            "email:send"
        };
        let payload = format!(r#"{{"user":{{"id":{n}}}}}"#);
        let task = Task::new(task_type, payload).task_id(format!("t{n}"));
        let task = task.header("shard", (n % 4).to_string());
        task.process_in(Duration::from_secs(3600))
    });
    for result in client.enqueue_batch(tasks).await {
        result.expect("enqueued");
    }
    let command = Command::on(&redis);
    (redis, command)
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_select_the_tasks_that_are_listed_and_changed() {
    let (_redis, command) = redis_with_many().await;
    let count = async |filters: &[&str]| {
        let mut arguments = vec![
            "task",
            "deleteall",
            "-q",
            "default",
            "-s",
            "scheduled",
            "--dry-run",
        ];
        arguments.extend(filters);
        let counted = command.json(&arguments).await;
        assert_eq!(counted["dry_run"], true);
        counted["matched"].as_u64().expect("a number")
    };
    assert_eq!(count(&[]).await, 1000);
    assert_eq!(count(&["--type", "sms:*"]).await, 100);
    assert_eq!(count(&["--payload", "\"id\":99"]).await, 11);
    assert_eq!(count(&["--payload-json", "user.id=42"]).await, 1);
    assert_eq!(
        count(&["--header", "shard=1", "--type", "email:send"]).await,
        250
    );
    assert_eq!(count(&["--error", "x"]).await, 0);
    assert_eq!(count(&["--group", "g"]).await, 0);
    let list = [
        "task",
        "ls",
        "-q",
        "default",
        "-s",
        "scheduled",
        "--type",
        "sms:*",
        "--page",
        "2",
        "--size",
        "30",
    ];
    let listed = command.json(&list).await;
    assert_eq!(listed.as_array().map(Vec::len), Some(30));
    assert!(
        listed
            .as_array()
            .is_some_and(|tasks| tasks.iter().all(|task| task["task_type"] == "sms:send"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bulk_verbs_say_how_many_tasks_they_have_changed() {
    let (_redis, command) = redis_with_many().await;
    let on = async |arguments: &str| {
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        command.output(&arguments).await
    };
    assert_eq!(
        on("task runall -q default -s scheduled --type sms:* --dry-run").await,
        "100 tasks would be pending\n"
    );
    assert_eq!(
        on("task runall -q default -s scheduled --type sms:*").await,
        "100 tasks are now pending\n"
    );
    assert_eq!(
        on("task archiveall -q default -s scheduled --header shard=1").await,
        "250 tasks archived\n"
    );
    let deleted = command
        .json(&["task", "deleteall", "-q", "default", "-s", "archived"])
        .await;
    assert_eq!(
        deleted,
        json!({"dry_run": false, "examined": 250, "matched": 250, "changed": 250, "trimmed": 0})
    );
    assert_eq!(
        on("task delete-all -q default -s scheduled").await,
        "650 tasks deleted\n"
    );
    assert_eq!(
        on("task run-all -q default -s scheduled").await,
        "0 tasks are now pending\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn archiving_more_than_the_archive_keeps_is_said() {
    let redis = RedisServer::start().await;
    let connection = Connection::from_uri(&redis.uri()).expect("a connection");
    let client = Client::connect(&connection).await.expect("a client");
    let tasks = (0..10_002).map(|_| Task::new("any", ""));
    for result in client.enqueue_batch(tasks).await {
        result.expect("enqueued");
    }
    let output = Command::on(&redis)
        .output(&["task", "archiveall", "-q", "default", "-s", "pending"])
        .await;
    assert_eq!(
        output,
        "10002 tasks archived; 2 tasks deleted, because the archive keeps the newest 10000\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn all_tasks_are_listed_without_pages() {
    let (_redis, command) = redis_with_many().await;
    let table = command
        .output(&["task", "ls", "-q", "default", "-s", "scheduled", "--all"])
        .await;
    assert_eq!(table.lines().count(), 2 + 1000);
    let listed = command
        .json(&["task", "ls", "-q", "default", "-s", "scheduled", "--all"])
        .await;
    assert_eq!(listed.as_array().map(Vec::len), Some(1000));
    let listed = command
        .json(&["task", "ls", "-q", "default", "-s", "pending", "--all"])
        .await;
    assert_eq!(listed, json!([]));
}
