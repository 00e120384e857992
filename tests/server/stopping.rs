//! The handle of a running server: three ways to ask for the end, from anywhere, any number of times.

use std::time::{Duration, Instant};

use rasynq::{ErrorKind, RunningServer, Task, TaskContext};
use tokio::time::timeout;

use crate::common::{BlockingHandler, DEADLINE, Log, Scripted, World, eventually, logged};

/// Longer than any of these tests takes.
const LONG: Duration = Duration::from_secs(120);

/// A server with two running handlers that do not finish by themselves.
async fn busy_server(world: &World, handler: &Scripted) -> RunningServer {
    let server = world.server().shutdown_timeout(LONG);
    let server = server.start(handler.clone()).await.unwrap();
    let tasks = ["1", "2"].map(|id| Task::new("any", "wait").task_id(id));
    for result in world.client().await.enqueue_batch(tasks).await {
        result.unwrap();
    }
    handler.has_begun(2).await;
    server
}

/// Both tasks are pending again, the older one next in line, and the server has left nothing behind.
async fn assert_requeued(world: &World) {
    assert_eq!(world.list("pending").await, ["2", "1"]);
    assert_eq!(world.list("active").await, [""; 0]);
    assert!(world.scores("lease").await.is_empty());
    let servers: i64 = world.run(&["ZCARD", "asynq:servers"]).await;
    assert_eq!(servers, 0);
    world.assert_consistent().await;
}

/// Waits until only the test's own connection is left.
async fn is_disconnected(world: &World) {
    eventually("the server's connections are closed", DEADLINE, || async {
        world.connected_clients().await == 1
    })
    .await;
}

#[tokio::test]
async fn a_shutdown_goes_on_when_nobody_waits_for_it_any_more() {
    let world = World::new().await;
    let handler = Scripted::new();
    let server = busy_server(&world, &handler).await;
    let waited = timeout(Duration::from_millis(100), server.shutdown()).await;
    assert!(waited.is_err(), "its handlers still run");
    assert_eq!(handler.running(), 2);
    handler.release(2);
    timeout(DEADLINE, server.shutdown()).await.unwrap();
    timeout(DEADLINE, server.wait()).await.unwrap();
    assert_eq!(world.list("pending").await, [""; 0]);
    let error = server.ping().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn shutdown_now_cuts_a_waiting_shutdown_short_and_requeues_the_tasks() {
    let world = World::new().await;
    let handler = Scripted::new();
    let server = busy_server(&world, &handler).await;
    let started = Instant::now();
    let waiting = server.shutdown();
    let cut_short = async {
        assert_eq!(handler.running(), 2);
        server.shutdown_now().await;
    };
    timeout(DEADLINE, async { tokio::join!(waiting, cut_short) })
        .await
        .unwrap();
    assert!(started.elapsed() < LONG);
    assert_eq!(handler.running(), 0);
    assert_requeued(&world).await;
}

#[tokio::test]
async fn a_stopper_asks_from_anywhere_and_does_not_keep_the_server_running() {
    let world = World::new().await;
    let handler = Scripted::new();
    let server = busy_server(&world, &handler).await;
    let stopper = server.stopper();
    let clone = stopper.clone();
    std::thread::spawn(move || {
        clone.stop();
        clone.shutdown();
        clone.shutdown_now();
        clone.shutdown();
    })
    .join()
    .unwrap();
    timeout(DEADLINE, server.wait()).await.unwrap();
    assert_requeued(&world).await;
    assert_eq!(stopper.server_id(), server.server_id());
    // The server has ended: asking again has no effect.
    stopper.shutdown_now();
}

#[tokio::test]
async fn a_dropped_server_acts_as_after_shutdown_now_and_warns() {
    let log = Log::capture();
    let world = World::new().await;
    let handler = Scripted::new();
    let server = busy_server(&world, &handler).await;
    drop(server);
    handler.is_idle().await;
    is_disconnected(&world).await;
    assert_requeued(&world).await;
    log.line_with(&["WARN", logged::DROPPED_WHILE_RUNNING])
        .await;
}

#[tokio::test]
async fn a_server_that_has_ended_is_dropped_without_a_warning() {
    let log = Log::capture();
    let world = World::new().await;
    let server = world.server().start(Scripted::new()).await.unwrap();
    server.shutdown().await;
    drop(server);
    assert_eq!(
        log.lines_with(&[logged::DROPPED_WHILE_RUNNING]),
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn several_callers_wait_for_the_same_end() {
    let world = World::new().await;
    let handler = Scripted::new();
    let server = busy_server(&world, &handler).await;
    let all = async {
        tokio::join!(server.wait(), server.shutdown(), server.shutdown(), async {
            handler.release(2);
        })
    };
    timeout(DEADLINE, all).await.unwrap();
}

/// How often the stress test below starts a server.
const ROUNDS: u32 = 24;
/// How many tasks it enqueues for each server.
const TASKS: u32 = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_start_and_end_in_every_way_run_each_task_to_its_end_once() {
    let world = World::new().await;
    let handler = Scripted::new();
    let client = world.client().await;
    for round in 0..ROUNDS {
        let tasks = (0..TASKS).map(|n| Task::new("any", "ok").task_id(format!("{round}-{n}")));
        let server = world.server().concurrency(4).prefetch(2);
        let server = server.start(handler.clone()).await.unwrap();
        for result in client.enqueue_batch(tasks).await {
            result.unwrap();
        }
        // Each way ends some servers before their first fetch, and others in the middle of their work.
        if round % 4 < 2 {
            handler.has_begun(1).await;
        }
        match round % 6 {
            0 => server.shutdown().await,
            1 => server.shutdown_now().await,
            2 => drop(server),
            3 => {
                let _ = timeout(Duration::ZERO, server.shutdown()).await;
                server.shutdown_now().await;
            }
            4 => {
                server.stopper().shutdown();
                server.wait().await;
            }
            _ => {
                server.stop();
                server.shutdown().await;
            }
        }
    }
    let all = i64::from(ROUNDS * TASKS);
    let server = world.start(handler.clone()).await;
    world.counter_reaches("processed", all).await;
    server.shutdown().await;
    client.close().await;
    is_disconnected(&world).await;
    assert_eq!(world.counter("processed").await, all);
    assert_eq!(world.list("pending").await, [""; 0]);
    assert_eq!(world.task_hashes().await, [""; 0]);
    world.assert_none_active().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_handler_that_blocks_its_thread_does_not_hold_up_a_shutdown() {
    let world = World::new().await;
    let (control, block) = BlockingHandler::new();
    let block = std::sync::Arc::new(block);
    // Not in `rasynq::blocking`: the handler blocks a thread of the runtime.
    let handler = move |cx: TaskContext, task: Task| {
        let block = std::sync::Arc::clone(&block);
        async move { block(cx, task) }
    };
    let server = world.server().shutdown_timeout(Duration::from_millis(1));
    let server = server.start(handler).await.unwrap();
    let task = Task::new("any", "").task_id("task");
    world.client().await.enqueue(task).await.unwrap();
    let control = tokio::task::spawn_blocking(move || {
        assert_eq!(control.next_to_begin(), "task");
        control
    });
    let control = control.await.unwrap();
    timeout(DEADLINE, server.shutdown()).await.unwrap();
    assert_eq!(world.list("pending").await, ["task"]);
    world.assert_consistent().await;
    // Its answer comes too late to change anything.
    control.release();
    is_disconnected(&world).await;
    assert_eq!(world.list("pending").await, ["task"]);
}
