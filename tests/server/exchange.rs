//! Acknowledgements that share a call with the next fetch.

use std::time::Duration;

use rasynq::{CancelPolicy, RunningServer, Task, blocking};

use crate::common::{BlockingHandler, Log, Scripted, World, key, logged};

/// Enqueues tasks in this order; their handlers wait.
async fn enqueue(world: &World, ids: &[&str]) {
    let client = world.client().await;
    for id in ids {
        let task = Task::new("any", "wait").task_id(*id);
        client.enqueue(task).await.unwrap();
    }
}

/// Starts a server with one worker, and waits until the first task runs.
async fn one_worker(world: &World, handler: &Scripted) -> RunningServer {
    let server = world.start_with_workers(1, handler.clone()).await;
    handler.has_begun(1).await;
    server
}

#[tokio::test]
async fn a_finished_run_is_acknowledged_by_the_fetch_that_fills_its_slot() {
    let world = World::new().await;
    let handler = Scripted::new();
    let ids: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    enqueue(&world, &ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let server = one_worker(&world, &handler).await;
    let before = world.calls_of(&["evalsha", "eval"]).await;
    for n in 1..40 {
        handler.release(1);
        handler.has_begun(n + 1).await;
        assert_eq!(
            world.state(&ids[n - 1]).await,
            "",
            "acknowledged before the next run begins"
        );
    }
    // 39 exchanges. A few more calls are possible: heartbeats, and the first call of a script, which is
    // made again with its source.
    let calls = world.calls_of(&["evalsha", "eval"]).await - before;
    assert!((39..60).contains(&calls), "{calls}");
    handler.release(1);
    world.counter_reaches("processed", 40).await;
    assert_eq!(handler.begun(), ids);
    server.shutdown().await;
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_finished_run_is_acknowledged_at_once_when_the_next_fetch_is_from_another_queue() {
    let world = World::new().await;
    let handler = Scripted::new();
    let client = world.client().await;
    client
        .enqueue(Task::new("any", "wait").task_id("other"))
        .await
        .unwrap();
    let server = world
        .server()
        .concurrency(2)
        .queue("default", 1)
        .queue("busy", 1)
        .start(handler.clone())
        .await
        .unwrap();
    handler.has_begun(1).await;
    for n in 1..=6 {
        let task = Task::new("any", "wait")
            .queue("busy")
            .task_id(n.to_string());
        client.enqueue(task).await.unwrap();
    }
    handler.has_begun(2).await;
    // The run that waited first ends first. Its slot goes to the other queue.
    handler.release(1);
    handler.has_begun(3).await;
    world.task_is("other", "").await;
    assert_eq!(handler.running(), 2);
    handler.release(6);
    handler.has_begun(7).await;
    handler.is_idle().await;
    server.shutdown().await;
    world.assert_consistent().await;
}

#[tokio::test]
async fn acknowledgements_succeed_and_fetches_fail_while_redis_is_out_of_memory() {
    let world = World::new().await;
    let log = Log::capture();
    let handler = Scripted::new();
    enqueue(&world, &["1", "2"]).await;
    let server = one_worker(&world, &handler).await;
    world.set_out_of_memory(true).await;
    handler.release(2);
    log.line_with(&[logged::FETCH_FAILED, "OOM"]).await;
    world.task_is("1", "").await;
    assert_eq!(world.state("2").await, "pending");
    world.set_out_of_memory(false).await;
    world.task_is("2", "").await;
    assert_eq!(handler.begun(), ["1", "2"]);
    server.shutdown().await;
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_refused_fetch_does_not_undo_the_acknowledgements_it_carried() {
    let world = World::new().await;
    let log = Log::capture();
    let handler = Scripted::new();
    enqueue(&world, &["1", "2", "3"]).await;
    let server = one_worker(&world, &handler).await;
    let _: () = world.run(&["RENAME", &key("pending"), "kept"]).await;
    let _: () = world.run(&["SET", &key("pending"), "not a list"]).await;
    handler.release(1);
    log.line_with(&[logged::FETCH_FAILED, "WRONGTYPE"]).await;
    assert_eq!(world.state("1").await, "");
    assert_eq!(world.counter("processed").await, 1);
    let _: () = world.run(&["RENAME", "kept", &key("pending")]).await;
    handler.release(2);
    world.task_is("3", "").await;
    assert_eq!(handler.begun(), ["1", "2", "3"]);
    assert_eq!(world.counter("processed").await, 3);
    assert_eq!(log.lines_with(&[logged::CLAIM_LOST]), Vec::<String>::new());
    assert_eq!(
        log.lines_with(&[logged::ACKNOWLEDGEMENT_FAILED]),
        Vec::<String>::new()
    );
    server.shutdown().await;
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_lost_reply_runs_no_task_twice_and_loses_none() {
    let (world, proxy, connection) = World::behind_proxy().await;
    let handler = Scripted::new();
    enqueue(&world, &["warm 1", "warm 2", "first", "second"]).await;
    let server = World::server_on(&connection)
        .concurrency(1)
        .start(handler.clone())
        .await
        .unwrap();
    // warm up: afterwards Redis knows the scripts, and one request carries the marked id
    handler.release(2);
    handler.has_begun(3).await;
    proxy.lose_reply_to("first");
    handler.release(2);
    world.task_is("second", "").await;
    server.shutdown().await;
    assert_eq!(proxy.lost(), 1);
    assert_eq!(handler.begun(), ["warm 1", "warm 2", "first", "second"]);
    assert_eq!(world.counter("processed").await, 4);
    assert_eq!(world.counter("failed").await, 0);
    world.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_slot_is_still_taken_is_acknowledged_without_a_fetch() {
    let world = World::new().await;
    let (blocked, handler) = BlockingHandler::new();
    enqueue(&world, &["1", "2", "3"]).await;
    let server = world
        .server()
        .concurrency(1)
        .after_cancel(CancelPolicy::Revoke)
        .cancel_grace(Duration::ZERO)
        .start(blocking(handler))
        .await
        .unwrap();
    assert_eq!(blocked.next_to_begin(), "1");
    world.cancel("1").await;
    world.task_is("1", "").await;
    assert!(!blocked.another_has_begun());
    for next in ["2", "3"] {
        blocked.release();
        assert_eq!(blocked.next_to_begin(), next);
    }
    blocked.release();
    world.task_is("3", "").await;
    server.shutdown().await;
}
