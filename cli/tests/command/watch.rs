//! `rasynq watch`: it goes on while Redis is away.

use rasynq::{Client, Connection, Task};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, Lines};
use tokio::time::timeout;

use crate::common::{Command, DEADLINE, RedisServer};

/// Waits for a line with this text.
async fn line_with(lines: &mut Lines<BufReader<impl AsyncRead + Unpin>>, text: &str) {
    let found = async {
        loop {
            let line = lines.next_line().await.expect("a line").expect("a line");
            if line.contains(text) {
                return;
            }
        }
    };
    timeout(DEADLINE, found).await.expect(text);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_while_redis_is_away_at_first_and_later() {
    let mut redis = RedisServer::builder().tcp().start().await;
    let command = Command::on(&redis);
    redis.stop().await;
    let process = command.process(&["watch", "--interval", "100ms", "--json"]);
    let mut child = tokio::process::Command::from(process)
        .kill_on_drop(true)
        .spawn()
        .expect("started");
    let mut shown = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut said = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    line_with(&mut said, "unavailable").await;
    redis.restart().await;
    line_with(&mut shown, "\"queues\":[]").await;
    redis.stop().await;
    line_with(&mut said, "unavailable").await;
    redis.restart().await;
    let connection = Connection::from_uri(&redis.uri()).expect("a connection");
    let client = Client::connect(&connection).await.expect("a client");
    let task = Task::new("x", "x").queue("found");
    client.enqueue(task).await.expect("enqueued");
    line_with(&mut shown, "\"queue\":\"found\"").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn looks_that_failed_are_counted_and_make_the_exit_code() {
    let away = Command::with_url(Some("redis://127.0.0.1:1".to_owned()));
    let ran = away
        .run(&["watch", "--interval", "100ms", "--count", "2"])
        .await;
    assert_eq!((ran.code, ran.stdout.as_str()), (5, ""), "{ran:?}");
    assert_eq!(ran.stderr.lines().count(), 2, "{ran:?}");
    let redis = RedisServer::builder()
        .tcp()
        .password("secret")
        .start()
        .await;
    let uri = redis.uri().replace("secret", "wrong");
    // a wrong password does not become right
    let ran = Command::with_url(Some(uri)).run(&["watch"]).await;
    assert_eq!(ran.code, 5, "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_that_there_are_no_queues_only_if_there_are_none() {
    use fred::interfaces::{KeysInterface, SetsInterface};
    let redis = RedisServer::start().await;
    let command = Command::on(&redis);
    let first_line = async || {
        let ran = command.run(&["watch", "--count", "1"]).await;
        ran.stdout.lines().next().unwrap_or_default().to_owned()
    };
    assert_eq!(first_line().await, "no queues");
    let raw = redis.client().await;
    let _: i64 = raw.sadd("asynq:queues", "broken").await.expect("added");
    let set = raw.set::<(), _, _>("asynq:{broken}:pending", "text", None, None, false);
    set.await.expect("set");
    assert_eq!(first_line().await, "no queue could be read");
}
