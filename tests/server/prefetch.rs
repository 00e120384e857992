//! Prefetched tasks: fetched before a worker is free.

use std::time::Duration;

use prost::Message;
use rasynq::{CancelPolicy, ErrorKind, RunningServer, Server, Task, blocking};

use crate::common::{BlockingHandler, DEADLINE, Scripted, WorkerInfo, World, eventually};

async fn enqueue(world: &World, ids: &[&str], payload: &str) {
    let tasks = ids
        .iter()
        .map(|id| Task::new("any", payload.to_owned()).task_id(*id));
    for result in world.client().await.enqueue_batch(tasks).await {
        result.unwrap();
    }
}

/// Starts a server with one worker, and waits until it runs one task and has prefetched as many as set.
async fn one_worker(
    world: &World,
    prefetch: usize,
    handler: &Scripted,
    set: impl FnOnce(Server) -> Server,
) -> RunningServer {
    let server = set(world.server().concurrency(1).prefetch(prefetch))
        .start(handler.clone())
        .await
        .unwrap();
    are_active(world, 1 + prefetch).await;
    handler.has_begun(1).await;
    server
}

async fn are_active(world: &World, tasks: usize) {
    eventually("the tasks are active", DEADLINE, || async {
        world.list("active").await.len() == tasks
    })
    .await;
}

/// The ids of the tasks in the workers hashes of all servers.
async fn reported_runs(world: &World) -> Vec<String> {
    let mut ids = Vec::new();
    for set in world.run::<Vec<String>>(&["KEYS", "asynq:workers:*"]).await {
        for entry in world.run::<Vec<Vec<u8>>>(&["HVALS", &set]).await {
            ids.push(WorkerInfo::decode(entry.as_slice()).unwrap().task_id);
        }
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn prefetched_tasks_are_leased_and_begin_in_their_order() {
    let world = World::new().await;
    let handler = Scripted::new();
    enqueue(&world, &["1", "2", "3", "4", "5", "6"], "wait").await;
    let server = world
        .server()
        .concurrency(2)
        .prefetch(3)
        .start(handler.clone())
        .await
        .unwrap();
    are_active(&world, 5).await;
    handler.has_begun(2).await;
    assert_eq!(world.scores("lease").await.len(), 5);
    eventually("the workers hash has two tasks", DEADLINE, || async {
        reported_runs(&world).await.len() == 2
    })
    .await;
    assert_eq!(world.list("pending").await, ["6"]);
    for ended in 1..=4 {
        handler.release(1);
        handler.has_begun(2 + ended).await;
    }
    assert_eq!(handler.most_at_once(), 2);
    // the first two tasks begin at the same time, the others one after another
    assert_eq!(handler.begun()[2..], ["3", "4", "5", "6"]);
    handler.release(2);
    world.counter_reaches("processed", 6).await;
    server.shutdown().await;
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_shutdown_requeues_prefetched_tasks_and_waits_for_running_handlers() {
    let world = World::new().await;
    let handler = Scripted::new();
    enqueue(&world, &["1", "2", "3", "4"], "wait").await;
    let server = one_worker(&world, 2, &handler, |server| {
        server.shutdown_timeout(DEADLINE)
    })
    .await;
    let releasing = async {
        // prefetched tasks are requeued while the running handler still works
        eventually("the prefetched tasks are requeued", DEADLINE, || async {
            world.list("pending").await.len() == 3
        })
        .await;
        assert_eq!(world.list("active").await, ["1"]);
        handler.release(1);
    };
    tokio::join!(server.shutdown(), releasing);
    assert_eq!(handler.begun(), ["1"]);
    assert_eq!(world.counter("processed").await, 1);
    // the last id is the next to be fetched
    assert_eq!(world.list("pending").await, ["4", "3", "2"]);
    for id in ["2", "3"] {
        assert_eq!(world.message(id).await.retried, 0);
        assert_eq!(world.state(id).await, "pending");
    }
    world.assert_consistent().await;
}

#[tokio::test]
async fn prefetched_tasks_still_run_after_a_stop() {
    let world = World::new().await;
    let handler = Scripted::new();
    enqueue(&world, &["1", "2"], "wait").await;
    let server = one_worker(&world, 1, &handler, |server| server).await;
    server.stop();
    handler.release(2);
    world.task_is("2", "").await;
    assert_eq!(handler.begun(), ["1", "2"]);
    server.shutdown().await;
}

#[tokio::test]
async fn a_prefetched_task_that_is_cancelled_never_begins() {
    let world = World::new().await;
    let handler = Scripted::new();
    enqueue(&world, &["1", "2"], "wait").await;
    let server = one_worker(&world, 1, &handler, |server| {
        server.after_cancel(CancelPolicy::Archive)
    })
    .await;
    world.cancel("2").await;
    world.task_is("2", "archived").await;
    handler.release(1);
    world.task_is("1", "").await;
    assert_eq!(handler.begun(), ["1"]);
    server.shutdown().await;
}

#[tokio::test]
async fn the_timeout_of_a_prefetched_task_counts_from_the_start_of_its_run() {
    let world = World::new().await;
    let handler = Scripted::new();
    enqueue(&world, &["1"], "wait").await;
    let short = Task::new("any", "ok")
        .task_id("2")
        .timeout(Duration::from_secs(1))
        .max_retry(0);
    world.client().await.enqueue(short).await.unwrap();
    let server = one_worker(&world, 1, &handler, |server| server).await;
    let fetched_at = world.now().await;
    eventually("more than the timeout has passed", DEADLINE, || async {
        world.now().await > fetched_at + 2
    })
    .await;
    handler.release(1);
    world.task_is("2", "").await;
    assert_eq!(handler.begun(), ["1", "2"]);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocking_handler_keeps_its_permit_until_it_returns() {
    let world = World::new().await;
    let (blocked, handler) = BlockingHandler::new();
    enqueue(&world, &["1", "2"], "any").await;
    let server = world
        .server()
        .concurrency(1)
        .prefetch(1)
        .after_cancel(CancelPolicy::Revoke)
        .cancel_grace(Duration::ZERO)
        .start(blocking(handler))
        .await
        .unwrap();
    are_active(&world, 2).await;
    assert_eq!(blocked.next_to_begin(), "1");
    world.cancel("1").await;
    // acknowledged although its permit is taken and no fetch can carry the acknowledgement
    world.task_is("1", "").await;
    assert!(!blocked.another_has_begun());
    assert_eq!(world.list("active").await, ["2"]);
    blocked.release();
    assert_eq!(blocked.next_to_begin(), "2");
    blocked.release();
    world.task_is("2", "").await;
    server.shutdown().await;
}

#[tokio::test]
async fn a_prefetch_above_the_limit_is_refused() {
    let world = World::new().await;
    let error = world
        .server()
        .prefetch(1 << 30)
        .start(Scripted::new())
        .await
        .err()
        .unwrap();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(
        error.to_string(),
        "prefetch is 1073741824, it must be at most 1048576"
    );
}
