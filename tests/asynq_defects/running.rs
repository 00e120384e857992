//! Running handlers: rows 24, 25 and 28.
//!
//! Row 26 (the size of payloads in the workers hash) is tested in `tests/server/heartbeat.rs`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use rasynq::{CancelPolicy, Mux, Task, TaskContext, UnknownType, blocking};

use crate::common::{DEADLINE, Scripted, World, eventually, key};

// row 24
#[tokio::test]
async fn a_blocking_handler_keeps_its_slot_after_its_timeout() {
    let world = World::new().await;
    let client = world.client().await;
    let (running, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let (go_on, may_go_on) = mpsc::channel();
    let (may_go_on, at_most) = (Mutex::new(may_go_on), most.clone());
    let handler = blocking(move |_: TaskContext, _: Task| {
        let now = running.fetch_add(1, Ordering::SeqCst) + 1;
        at_most.fetch_max(now, Ordering::SeqCst);
        let waited = may_go_on.lock().unwrap().recv();
        running.fetch_sub(1, Ordering::SeqCst);
        waited.map_err(anyhow::Error::from)
    });
    let ticks = Arc::new(AtomicUsize::new(0));
    let clock = ticks.clone();
    let server = world
        .server()
        .concurrency(1)
        .health_check(move |_| {
            clock.fetch_add(1, Ordering::SeqCst);
        })
        .health_check_interval(Duration::from_millis(20))
        .start(handler)
        .await
        .unwrap();
    let task = Task::new("any", "").timeout(Duration::from_secs(1));
    for id in ["first", "second"] {
        client.enqueue(task.clone()).task_id(id).await.unwrap();
    }
    world.task_is("first", "retry").await;
    // The first task is acknowledged, and its thread still runs. Ten health checks later another
    // fetch would have happened.
    let then = ticks.load(Ordering::SeqCst);
    eventually("ten health checks", DEADLINE, || async {
        ticks.load(Ordering::SeqCst) >= then + 10
    })
    .await;
    assert_eq!(world.state("second").await, "pending");
    go_on.send(()).unwrap();
    world.task_is("second", "active").await;
    go_on.send(()).unwrap();
    world.task_is("second", "").await;
    assert_eq!(most.load(Ordering::SeqCst), 1);
    server.shutdown().await;
}

// row 24
#[tokio::test]
async fn a_run_past_its_timeout_is_dropped_before_the_next_begins() {
    let world = World::new().await;
    let client = world.client().await;
    let handler = Scripted::new();
    let task = Task::new("any", "wait").timeout(Duration::from_secs(1));
    for id in ["first", "second"] {
        client.enqueue(task.clone()).task_id(id).await.unwrap();
    }
    let server = world.start_with_workers(1, handler.clone()).await;
    for id in ["first", "second"] {
        world.task_is(id, "retry").await;
    }
    assert_eq!(handler.most_at_once(), 1);
    server.shutdown().await;
}

/// Runs a task `task` with this payload, and cancels it.
async fn cancel(world: &World, payload: &str, policy: CancelPolicy) -> rasynq::RunningServer {
    let client = world.client().await;
    let inspector = world.inspector().await;
    let handler = Scripted::new();
    let server = world
        .server()
        .after_cancel(policy)
        .cancel_grace(DEADLINE)
        .start(handler.clone())
        .await
        .unwrap();
    let task = Task::new("any", payload.to_owned()).task_id("task");
    client.enqueue(task).await.unwrap();
    handler.has_begun(1).await;
    eventually("the handler sees its cancellation", DEADLINE, || async {
        inspector.cancel_processing("task").await.unwrap();
        handler.running() == 0
    })
    .await;
    server
}

// row 25
#[tokio::test]
async fn a_cancelled_handler_that_succeeds_within_the_grace_period_is_done() {
    let world = World::new().await;
    let server = cancel(&world, "until_cancelled", CancelPolicy::Archive).await;
    world.task_is("task", "").await;
    assert_eq!(world.counter("failed").await, 0);
    server.shutdown().await;
}

// row 25
#[tokio::test]
async fn a_cancelled_handler_that_fails_within_the_grace_period_fails_with_its_own_error() {
    let world = World::new().await;
    let server = cancel(&world, "until_cancelled half-way", CancelPolicy::Archive).await;
    world.task_is("task", "retry").await;
    assert_eq!(world.message("task").await.error_msg, "half-way");
    server.shutdown().await;
}

// row 28
#[tokio::test]
async fn a_task_of_an_unknown_type_is_deferred_without_counting_if_configured() {
    let world = World::new().await;
    let client = world.client().await;
    let task = Task::new("unknown", "ok").task_id("task").max_retry(0);
    client.enqueue(task).await.unwrap();
    let before = world.message("task").await;
    let after = Duration::from_secs(60);
    let server = world
        .server()
        .unknown_type(UnknownType::Defer { after })
        .start(Mux::new().route("known", Scripted::new()))
        .await
        .unwrap();
    world.task_is("task", "scheduled").await;
    server.shutdown().await;
    assert_eq!(world.message("task").await, before);
    let wait = world.scores("scheduled").await["task"] as i64 - world.now().await;
    assert!((50..=60).contains(&wait), "{wait}");
    assert_eq!(world.counter("processed").await, 0);
    let server = world.start(Scripted::new()).await;
    let due = key("scheduled");
    let _: i64 = world.run(&["ZADD", &due, "1", "task"]).await;
    world.task_is("task", "").await;
    server.shutdown().await;
}
