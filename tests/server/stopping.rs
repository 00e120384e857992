//! The handle of a running server: three ways to ask for the end, from anywhere, any number of times.

use std::time::{Duration, Instant};

use rasynq::{ErrorKind, RunningServer, Task};
use tokio::time::timeout;

use crate::common::{DEADLINE, Log, Scripted, World, eventually};

/// Longer than any of these tests takes.
const LONG: Duration = Duration::from_secs(120);

/// A server with two running handlers that do not finish by themselves.
async fn busy_server(world: &World, handler: &Scripted) -> RunningServer {
    let server = world.server().shutdown_timeout(LONG);
    let server = server.start(handler.clone()).await.unwrap();
    let tasks = ["1", "2"].map(|id| Task::new("any", "hold").task_id(id));
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
    eventually("its connections end", DEADLINE, || async {
        let list: String = world.run(&["CLIENT", "LIST"]).await;
        list.lines().count() == 1
    })
    .await;
    assert_requeued(&world).await;
    log.line_with(&["WARN", "a running server was dropped"])
        .await;
}

#[tokio::test]
async fn a_server_that_has_ended_is_dropped_without_a_warning() {
    let log = Log::capture();
    let world = World::new().await;
    let server = world.server().start(Scripted::new()).await.unwrap();
    server.shutdown().await;
    drop(server);
    assert_eq!(log.lines_with(&["was dropped"]), Vec::<String>::new());
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
