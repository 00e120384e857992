//! Each kind of failure: its text on standard error, as JSON too, and its exit code.

use std::time::Duration;

use fred::interfaces::ClientLike;
use fred::types::{ClusterHash, CustomCommand, Value};
use rasynq::{Client, Connection, Inspector, Task};
use serde_json::json;

use crate::common::{Command, RedisServer};

/// Redis with the queue `default`: the tasks `one` and `two` (a second time unique) are pending.
async fn redis_with_tasks() -> (RedisServer, Command) {
    let redis = RedisServer::start().await;
    let connection = Connection::from_uri(&redis.uri()).expect("a connection");
    let client = Client::connect(&connection).await.expect("a client");
    for id in ["one", "two"] {
        let task = Task::new("email:welcome", id)
            .task_id(id)
            .unique(Duration::from_secs(600));
        client.enqueue(task).await.expect("enqueued");
    }
    let command = Command::on(&redis);
    (redis, command)
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_have_a_text_a_kind_and_an_exit_code() {
    let (_redis, command) = redis_with_tasks().await;
    for (arguments, code, kind, text) in [
        (
            "queue inspect nothing",
            3,
            "queue_not_found",
            "no queue \"nothing\"",
        ),
        (
            "task ls -q nothing -s pending",
            3,
            "queue_not_found",
            "no queue \"nothing\"",
        ),
        (
            "task inspect -q default -i none",
            3,
            "task_not_found",
            "no task \"none\" in queue \"default\"",
        ),
        (
            "task run -q default -i none",
            3,
            "task_not_found",
            "no task \"none\" in queue \"default\"",
        ),
        (
            "cron run nothing",
            3,
            "entry_not_found",
            "no scheduler has an entry \"nothing\"",
        ),
        (
            "queue unpause default",
            4,
            "wrong_state",
            "queue \"default\" is not paused",
        ),
        ("task run -q default -i one", 4, "wrong_state", "pending"),
        ("queue rm default", 4, "queue_not_empty", "--force"),
        (
            "task enqueue -t x -l x -i one",
            4,
            "task_id_conflict",
            "one",
        ),
        (
            "task enqueue -t email:welcome -l two --unique 1m",
            4,
            "duplicate_task",
            "two",
        ),
        ("queue pause  ", 2, "usage", "required"),
        (
            "task enqueue -t x -l x --unique 1ms",
            2,
            "invalid",
            "unique",
        ),
        ("task enqueue -t x", 2, "usage", "payload"),
        (
            "task ls -q default -s running",
            2,
            "usage",
            "possible values: active, pending",
        ),
        ("task ls -q default -s pending --page 0", 2, "usage", "0"),
        (
            "task ls -q default -s pending --payload-json x",
            2,
            "invalid",
            "path=value",
        ),
        (
            "task ls -q default -s pending --older-than 5",
            2,
            "usage",
            "duration",
        ),
        ("queue history default --days 0", 2, "invalid", "days"),
        ("cron next * * *", 2, "usage", "unexpected"),
        ("cron next @never", 2, "invalid", "@never"),
        ("nothing", 2, "usage", "unrecognized subcommand"),
        (
            "task wait -q default -i one --timeout 10ms",
            8,
            "not_in_time",
            "one",
        ),
        ("task wait -q default -i none", 3, "task_not_found", "none"),
        ("task cancel one", 3, "nobody_listens", "no server listens"),
        (
            "task enqueue -t x --payload-file /no/such/file",
            2,
            "usage",
            "/no/such/file",
        ),
        ("--uri nowhere:0 stats", 2, "usage", "nowhere:0"),
        ("--uri ftp://x stats", 2, "invalid", "unknown scheme"),
        ("--uri unix:///s stats", 2, "invalid", "redis-socket://"),
        ("--uri /s stats", 2, "usage", "redis-socket:///s"),
        ("--insecure stats", 2, "usage", "insecure"),
        (
            "cron history nothing",
            3,
            "entry_not_found",
            "no scheduler has an entry \"nothing\"",
        ),
        ("man nothing", 2, "usage", "there is no verb \"nothing\""),
        ("completions nosh", 2, "usage", "possible values"),
    ] {
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        let ran = command.run(&arguments).await;
        assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
        assert_eq!(ran.stdout, "", "{arguments:?}");
        assert!(ran.stderr.contains(text), "{arguments:?}: {ran:?}");
        let mut with_json = arguments.clone();
        with_json.push("--json=true");
        let ran = command.run(&with_json).await;
        assert_eq!(ran.code, code, "{with_json:?}: {ran:?}");
        let failure: serde_json::Value = serde_json::from_str(&ran.stderr).expect("JSON on stderr");
        let error = &failure["error"];
        assert_eq!(
            (&error["kind"], &error["exit_code"]),
            (&json!(kind), &json!(code)),
            "{arguments:?}"
        );
        assert!(
            error["message"]
                .as_str()
                .is_some_and(|found| found.contains(text)),
            "{failure}"
        );
        assert!(!ran.stderr.contains("\\n"), "one line: {failure}");
    }
}

/// Why the command cannot connect to the server at this URI. The exit code is 5.
async fn refused(uri: &str, flags: &[&str]) -> String {
    let command = Command::with_url(None);
    let mut arguments = vec!["queue", "ls", "--uri", uri];
    arguments.extend(flags);
    let ran = command.run(&arguments).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (5, ""), "{ran:?}");
    let (_, reason) = ran.stderr.split_once("/0: ").expect("an address");
    reason.trim_end().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_to_connect_says_where_and_why() {
    let plain = RedisServer::builder().tcp().start().await;
    let locked = RedisServer::builder().tcp().password("secret");
    let locked = locked.start().await;
    let port = locked.port();
    assert_eq!(
        refused(&format!("redis://127.0.0.1:{port}"), &[]).await,
        "Redis asks for a password, and none is set (NOAUTH)"
    );
    assert_eq!(
        refused(&format!("redis://:wrong@127.0.0.1:{port}"), &[]).await,
        "Redis refuses the password, or has no such user, or it is disabled (WRONGPASS)"
    );
    assert_eq!(
        refused("redis://127.0.0.1:1", &[]).await,
        "the connection to Redis failed: connection refused"
    );
    let unknown = refused("redis://nowhere.invalid", &[]).await;
    assert!(
        unknown.starts_with("the connection to Redis failed: failed to lookup address information"),
        "{unknown}"
    );
    if !RedisServer::supports_tls() {
        return;
    }
    let secure = RedisServer::builder().tls();
    let secure = secure.config("tls-auth-clients", "yes").start().await;
    let ca = secure.certificates().ca_path();
    let ca = ca.to_str().expect("UTF-8");
    assert_eq!(
        refused(
            &format!("rediss://127.0.0.1:{}", plain.port()),
            &["--tls_ca", ca]
        )
        .await,
        "Redis does not answer in time; perhaps it does not speak TLS at this port"
    );
    let hint = refused(&format!("redis://127.0.0.1:{}", secure.port()), &[]).await;
    assert!(
        hint.ends_with("; perhaps it expects TLS at this port"),
        "{hint}"
    );
    assert_eq!(
        refused(
            &format!("rediss://localhost:{}", secure.port()),
            &["--tls_ca", ca]
        )
        .await,
        "TLS to Redis failed: Redis asks for a certificate"
    );
    assert_eq!(
        refused(
            &format!("rediss://localhost:{}", secure.port()),
            &["--tls_ca", ca, "--tls_server", "another.example"]
        )
        .await,
        "TLS to Redis failed: the certificate of Redis is for another name"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_away_or_refuses_is_exit_code_5() {
    let away = Command::with_url(Some("redis://127.0.0.1:1".to_owned()));
    let ran = away.run(&["queue", "ls"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (5, ""), "{ran:?}");
    let ran = away.run(&["queue", "ls", "--json"]).await;
    let failure: serde_json::Value = serde_json::from_str(&ran.stderr).expect("JSON");
    assert_eq!(failure["error"]["kind"], "unavailable");
    let redis = RedisServer::builder().password("secret").start().await;
    let uri = redis.uri().replace("secret", "wrong");
    let ran = Command::with_url(Some(uri)).run(&["queue", "ls"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (5, ""), "{ran:?}");
    assert!(!ran.stderr.contains("wrong:"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verb_for_several_goes_on_after_a_failure() {
    let (redis, command) = redis_with_tasks().await;
    let ran = command
        .run(&[
            "task", "archive", "-q", "default", "-i", "none", "-i", "one", "-i", "two",
        ])
        .await;
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_eq!(ran.stdout, "task one is archived\ntask two is archived\n");
    assert_eq!(
        ran.stderr,
        "rasynq: no task \"none\" in queue \"default\"\n"
    );
    let ran = command
        .run(&[
            "task", "delete", "-q", "default", "-i", "one", "-i", "none", "--json",
        ])
        .await;
    assert_eq!(ran.code, 3);
    let changed: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(
        changed,
        json!([{"queue": "default", "id": "one", "result": "deleted"}])
    );
    let connection = Connection::from_uri(&redis.uri()).expect("a connection");
    let inspector = Inspector::connect(&connection).await.expect("an inspector");
    assert!(inspector.task_info("default", "one").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_was_told_counts_also_if_the_reader_of_the_output_leaves() {
    use fred::interfaces::{KeysInterface, SetsInterface};
    let (redis, command) = redis_with_tasks().await;
    let raw = redis.client().await;
    let _: i64 = raw.sadd("asynq:queues", "broken").await.expect("added");
    let set = raw.set::<(), _, _>("asynq:{broken}:pending", "text", None, None, false);
    set.await.expect("set");
    for (verb, code) in [
        ("stats", 5),
        ("stats --json", 5),
        ("watch --count 1", 5),
        ("doctor nothing --json", 3),
        ("queue inspect nothing default --json", 3),
        ("task run -q nothing -i one --json", 3),
        ("task ls -q default -s pending", 0),
    ] {
        let arguments: Vec<&str> = verb.split_whitespace().collect();
        let mut child = command.process(&arguments).spawn().expect("started");
        drop(child.stdout.take());
        let wait = move || child.wait_with_output().expect("ended");
        let ended = tokio::task::spawn_blocking(wait).await.expect("waited");
        let told = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(code), "{verb}: {told}");
        assert_eq!(told.is_empty(), code == 0, "{verb}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_cannot_be_read_hides_no_other() {
    use fred::interfaces::{KeysInterface, SetsInterface};
    let (redis, command) = redis_with_tasks().await;
    let raw = redis.client().await;
    let _: i64 = raw.sadd("asynq:queues", "broken").await.expect("added");
    let set = raw.set::<(), _, _>("asynq:{broken}:pending", "text", None, None, false);
    set.await.expect("set");
    for (verb, shown) in [
        ("stats", "default  2"),
        ("stats --memory", "default  2"),
        ("queue inspect default broken", "Name:    default"),
        ("watch --count 1", "default  0"),
    ] {
        let arguments: Vec<&str> = verb.split_whitespace().collect();
        let ran = command.run(&arguments).await;
        assert!(ran.stdout.contains(shown), "{verb}: {ran:?}");
        assert!(ran.stderr.contains("broken"), "{verb}: {ran:?}");
        assert_eq!(ran.code, 5, "{verb}: {ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pausing_a_queue_that_does_not_exist_yet_is_said() {
    let (_redis, command) = redis_with_tasks().await;
    let ran = command.run(&["queue", "pause", "defualt"]).await;
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, "queue defualt is paused\n")
    );
    assert_eq!(ran.stderr, "there is no queue defualt yet\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_replica_it_is_said_that_nothing_is_done_and_why() {
    let (redis, command) = redis_with_tasks().await;
    let raw = redis.client().await;
    let replicaof = CustomCommand::new_static("REPLICAOF", ClusterHash::FirstKey, false);
    // A master that is not there.
    let of = vec!["127.0.0.1", "1"];
    let _: Value = raw.custom(replicaof, of).await.expect("a replica");
    let ran = command.run(&["task", "cancel", "one"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (5, ""), "{ran:?}");
    assert_eq!(
        ran.stderr,
        "rasynq: task one: publish a cancellation: this Redis is a replica, and servers listen at its master\n"
    );
    let ran = command.run(&["queue", "rm", "--force", "default"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (5, ""), "{ran:?}");
    let parts = [
        "rasynq: queue \"default\": ",
        "this Redis is a read-only replica",
    ];
    for part in parts {
        assert!(ran.stderr.contains(part), "{ran:?}");
    }
    let told = "; no task of queue default is known to be deleted; \
                `rasynq queue rm --force default` tries again\n";
    assert!(ran.stderr.ends_with(told), "{ran:?}");
    assert!(!ran.stderr.contains("script"), "{ran:?}");
}
