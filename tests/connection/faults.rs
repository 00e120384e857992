//! Redis servers that stop and come back.

use std::time::{Duration, Instant};

use rasynq::{Client, Connection, ErrorKind, Task};

use super::connect;
use super::support::{DEADLINE, RedisServer, eventually};

const PATIENCE: Duration = Duration::from_millis(500);

/// A client with a `command_timeout` of [`PATIENCE`].
async fn impatient(server: &RedisServer) -> Client {
    let connection = Connection::from_uri(&server.uri())
        .expect("a good URI")
        .command_timeout(PATIENCE);
    Client::connect(&connection).await.expect("connected")
}

async fn fails_in_bounded_time(client: &Client) {
    for _ in 0..3 {
        let started = Instant::now();
        let task = Task::new("connection:test", "{}");
        let error = client.enqueue(task).await.expect_err("no Redis");
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(started.elapsed() < PATIENCE * 4, "{:?}", started.elapsed());
    }
}

async fn works_again(client: &Client) {
    eventually("commands work again", DEADLINE, || async {
        client.ping().await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_client_works_again_after_a_restart() {
    let mut server = RedisServer::builder()
        .tcp()
        .password("secret")
        .start()
        .await;
    let client = connect(&server.uri()).await;
    server.stop().await;
    server.restart().await;
    works_again(&client).await;
    server.kill();
    server.restart().await;
    works_again(&client).await;
}

#[tokio::test]
async fn a_call_fails_in_bounded_time_while_redis_is_down() {
    let mut server = RedisServer::start().await;
    let client = impatient(&server).await;
    server.stop().await;
    fails_in_bounded_time(&client).await;
    server.restart().await;
    works_again(&client).await;
}

#[tokio::test]
async fn a_call_fails_in_bounded_time_while_redis_is_silent() {
    let server = RedisServer::start().await;
    let client = impatient(&server).await;
    server.pause();
    fails_in_bounded_time(&client).await;
    server.resume();
    works_again(&client).await;
}
