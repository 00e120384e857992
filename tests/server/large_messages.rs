//! Large messages, and thin links.

use std::sync::Arc;

use anyhow::anyhow;
use rasynq::{Client, ErrorKind, Progress, Task, TaskContext};
use tokio::sync::Semaphore;

use crate::common::{HOUR, RedisServer, Scripted, World};

/// A payload of one MB.
fn megabyte() -> String {
    "x".repeat(1_000_000)
}

/// How many bytes Redis has received from all clients.
async fn received(world: &World) -> u64 {
    let stats: String = world.run(&["INFO", "stats"]).await;
    let bytes = stats
        .lines()
        .find_map(|line| line.strip_prefix("total_net_input_bytes:"));
    bytes.expect("a number").trim().parse().expect("a number")
}

#[tokio::test]
async fn an_acknowledgement_does_not_send_the_payload_again() {
    let world = World::new().await;
    let client = world.client().await;
    let task = |task_type: &str| Task::new(task_type, megabyte());
    for (id, task) in [
        ("retry", task("fail")),
        ("archived", task("fail").max_retry(0)),
        ("completed", task("succeed").retention(HOUR)),
    ] {
        client.enqueue(task).task_id(id).await.unwrap();
        let (begun, may_end) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let gates = (Arc::clone(&begun), Arc::clone(&may_end));
        let server = world
            .start(move |_: TaskContext, task: Task| {
                let (begun, may_end) = gates.clone();
                async move {
                    begun.add_permits(1);
                    may_end.acquire().await?.forget();
                    match task.task_type() {
                        "fail" => Err(anyhow!("boom")),
                        _ => Ok(()),
                    }
                }
            })
            .await;
        begun.acquire().await.unwrap().forget();
        let before = received(&world).await;
        may_end.add_permits(1);
        world.task_is(id, id).await;
        server.shutdown().await;
        let sent = received(&world).await - before;
        assert!(sent < 200_000, "{id}: {sent} bytes");
        let message = world.message(id).await;
        assert_eq!(message.payload, megabyte().into_bytes(), "{id}");
        assert_eq!(message.error_msg.is_empty(), id == "completed");
        world.assert_consistent().await;
    }
}

/// Sets how many bytes of one argument Redis takes.
async fn limit_arguments(world: &World, bytes: &str) {
    let words = ["CONFIG", "SET", "proto-max-bulk-len", bytes];
    let _: String = world.run(&words).await;
}

// The headers are the last part of a message, behind what a run changes.
#[tokio::test]
async fn a_task_with_large_headers_is_acknowledged_whatever_redis_takes_at_once() {
    let world = World::new().await;
    let client = world.client().await;
    let headers = ["a", "b"].map(|name| (name.to_owned(), "x".repeat(700_000)));
    for (id, payload) in [
        ("retry", "fail boom"),
        ("archived", "skip boom"),
        ("completed", "ok"),
    ] {
        limit_arguments(&world, "512mb").await;
        let mut task = Task::new("any", payload).retention(HOUR).task_id(id);
        for (name, value) in headers.clone() {
            task = task.header(name, value);
        }
        client.enqueue(task).await.unwrap();
        limit_arguments(&world, "1mb").await;
        let server = world.start(Scripted::new()).await;
        world.task_is(id, id).await;
        server.shutdown().await;
        let message = world.message(id).await;
        assert_eq!(message.headers, headers.clone().into());
        assert_eq!(message.error_msg.is_empty(), id == "completed", "{id}");
        assert_eq!(message.retried, i32::from(id == "retry"), "{id}");
    }
}

#[tokio::test]
async fn an_error_text_of_any_size_is_stored_up_to_its_bound() {
    let world = World::new().await;
    limit_arguments(&world, "1mb").await;
    let handler = async |_: TaskContext, _: Task| Err::<(), _>(anyhow!("🦀".repeat(1_000_000)));
    let server = world.start(handler).await;
    let client = world.client().await;
    for n in 0..20 {
        let task = Task::new("any", "").task_id(n.to_string());
        client.enqueue(task).await.unwrap();
    }
    for n in 0..20 {
        let id = n.to_string();
        world.task_is(&id, "retry").await;
        let text = world.message(&id).await.error_msg;
        assert!(text.len() <= rasynq::MAX_ERROR_TEXT && text.len() > 60_000);
        assert!(text.starts_with("🦀🦀") && text.ends_with("🦀… [cut]"));
    }
    server.shutdown().await;
}

#[tokio::test]
async fn what_redis_does_not_take_is_refused_before_it_is_sent() {
    let world = World::new().await;
    limit_arguments(&world, "1mb").await;
    let client = world.client().await;
    let payload = "x".repeat(1 << 20);
    let error = client.enqueue(Task::new("any", payload)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        error.to_string().contains("Redis takes at most 917504"),
        "{error}"
    );
    let header = Task::new("any", "").header("name", "x".repeat(1 << 20));
    let stored = client
        .enqueue_batch([header, Task::new("any", "").task_id("task")])
        .await;
    assert_eq!(stored[0].as_ref().unwrap_err().kind(), ErrorKind::Invalid);
    assert!(stored[1].is_ok());
    let handler = async |cx: TaskContext, _: Task| {
        let result = cx.write_result(vec![b'x'; (1 << 20) + 1]).await;
        let progress = Progress::new(1, 2).message("x".repeat(1 << 20));
        for refused in [result, cx.progress(progress).await] {
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid);
        }
        cx.write_result(vec![b'x'; 1 << 20]).await
    };
    let server = world.start(handler).await;
    world.task_is("task", "").await;
    server.shutdown().await;
}

#[tokio::test]
async fn without_the_permission_to_read_settings_the_default_limit_counts() {
    let rules = "on >secret ~* &* +@all -config";
    let world = World::on(RedisServer::builder().user_with_rules("bob", rules)).await;
    let connection = world.connection().username("bob").password("secret");
    let client = Client::connect(&connection).await.unwrap();
    let payload = "x".repeat(2 << 20);
    client.enqueue(Task::new("any", payload)).await.unwrap();
}
