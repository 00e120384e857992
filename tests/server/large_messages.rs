//! Large messages, and thin links.

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::sync::{Arc, Mutex};
use std::time::Duration;

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

/// The runs of each task id, with the sizes of their payloads.
type Runs = Arc<Mutex<BTreeMap<String, Vec<usize>>>>;

/// A handler that records its runs, and fails for the type `fail`.
fn recorder(
    runs: &Runs,
) -> impl Fn(TaskContext, Task) -> futures_util::future::Ready<Result<(), anyhow::Error>> + Clone + use<>
{
    let runs = Arc::clone(runs);
    move |cx, task| {
        let mut runs = runs.lock().unwrap();
        let sizes = runs.entry(cx.task_id().to_owned()).or_default();
        sizes.push(task.payload().len());
        futures_util::future::ready(match task.task_type() {
            "fail" => Err(anyhow!("boom")),
            _ => Ok(()),
        })
    }
}

#[tokio::test]
async fn more_than_a_thin_link_carries_within_the_command_timeout_is_run_and_acknowledged() {
    let (world, proxy, connection) = World::behind_proxy().await;
    let client = world.client().await;
    let (tasks, size) = (16, 250_000);
    for n in 0..tasks {
        let task_type = if n % 2 == 0 { "fail" } else { "succeed" };
        let task = Task::new(task_type, "x".repeat(size)).task_id(n.to_string());
        client.enqueue(task).await.unwrap();
    }
    proxy.limit_rate(1_000_000);
    let runs = Runs::default();
    let server = World::server_on(&connection.command_timeout(Duration::from_secs(1)))
        .concurrency(tasks)
        .start(recorder(&runs))
        .await
        .unwrap();
    world.counter_reaches("processed", tasks as i64).await;
    server.shutdown().await;
    let runs = runs.lock().unwrap().clone();
    assert_eq!(runs.len(), tasks);
    assert!(runs.values().all(|sizes| sizes[..] == [size]), "{runs:?}");
    assert_eq!(world.scores("retry").await.len(), tasks / 2);
    world.assert_none_active().await;
}

#[tokio::test]
async fn a_task_that_alone_takes_longer_than_the_command_timeout_gets_through() {
    let (world, proxy, connection) = World::behind_proxy().await;
    let client = world.client().await;
    let size = 2_500_000;
    for (id, size) in [("before", 10), ("large", size), ("after", 10)] {
        let task = Task::new("succeed", "x".repeat(size)).task_id(id);
        client.enqueue(task).await.unwrap();
    }
    proxy.limit_rate(700_000);
    let runs = Runs::default();
    let server = World::server_on(&connection.command_timeout(Duration::from_millis(500)))
        .start(recorder(&runs))
        .await
        .unwrap();
    world.counter_reaches("processed", 3).await;
    server.shutdown().await;
    let runs = runs.lock().unwrap().clone();
    let expected = [("after", 10), ("before", 10), ("large", size)];
    assert_eq!(
        runs,
        expected
            .map(|(id, size)| (id.to_owned(), vec![size]))
            .into()
    );
    world.assert_none_active().await;
}

#[tokio::test]
async fn a_part_of_a_large_message_whose_reply_is_lost_is_loaded_again() {
    let (world, proxy, connection) = World::behind_proxy().await;
    let client = world.client().await;
    let payload = format!("{}{}", "x".repeat(2_000_000), "marked ".repeat(3_000));
    let task = Task::new("succeed", payload.clone()).task_id("large");
    client.enqueue(task).await.unwrap();
    proxy.lose_reply_with("marked marked");
    let runs = Runs::default();
    let server = World::server_on(&connection).start(recorder(&runs));
    let server = server.await.unwrap();
    world.counter_reaches("processed", 1).await;
    server.shutdown().await;
    assert_eq!(proxy.lost(), 1);
    assert_eq!(runs.lock().unwrap()["large"], [payload.len()]);
}

#[tokio::test]
async fn a_batch_that_takes_longer_than_the_command_timeout_gets_true_results() {
    let (world, proxy, connection) = World::behind_proxy().await;
    let connection = connection.command_timeout(Duration::from_millis(500));
    let client = Client::connect(&connection).await.unwrap();
    proxy.limit_rate(1_000_000);
    let tasks = (0..4_000).map(|_| Task::new("any", "x".repeat(1_000)));
    let results = client.enqueue_batch(tasks).await;
    let failed = results.iter().filter(|result| result.is_err()).count();
    assert_eq!((results.len(), failed), (4_000, 0));
    let stored: i64 = world.run(&["LLEN", &crate::common::key("pending")]).await;
    assert_eq!(stored, 4_000);
    // A single message may be larger than all that is else in flight.
    let task = Task::new("any", "x".repeat(2_000_000)).task_id("large");
    client.enqueue(task).await.unwrap();
}

#[tokio::test]
async fn waiting_in_line_for_a_call_is_not_silence_of_redis() {
    let (world, proxy, connection) = World::behind_proxy().await;
    let connection = connection.command_timeout(Duration::from_millis(500));
    let client = Client::connect(&connection).await.unwrap();
    proxy.delay_replies(Duration::from_millis(100));
    // In 1.95 s, a call with all its attempts has ended. At 200 tasks in 100 ms, these take 4 s.
    let calls = (0..8_000).map(|_| client.enqueue(Task::new("any", "")).into_future());
    let results = futures_util::future::join_all(calls).await;
    let failed = results.iter().filter(|result| result.is_err()).count();
    assert_eq!(failed, 0);
    let stored: i64 = world.run(&["LLEN", &crate::common::key("pending")]).await;
    assert_eq!(stored, 8_000);
}
