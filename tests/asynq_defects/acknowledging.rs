//! Acknowledgements: rows 7, 14 and 18.

use std::time::Duration;

use rasynq::Task;

use crate::common::{DEADLINE, HOUR, Log, Scripted, World, eventually, key, logged, task_key};

// row 7
#[tokio::test]
async fn a_requeued_task_is_pending_since_it_was_requeued() {
    let world = World::new().await;
    let handler = Scripted::new();
    let server = world
        .server()
        .shutdown_timeout(Duration::from_millis(10))
        .start(handler.clone())
        .await
        .unwrap();
    let client = world.client().await;
    let task = Task::new("any", "wait").task_id("task");
    client.enqueue(task).await.unwrap();
    handler.has_begun(1).await;
    let before = world.now().await;
    server.shutdown().await;
    let since: i64 = world
        .run(&["HGET", &task_key("task"), "pending_since"])
        .await;
    assert!(since >= before * 1_000_000_000, "{since}");
}

// row 14
#[tokio::test]
async fn runs_that_finish_while_redis_is_down_are_acknowledged_later_and_not_run_again() {
    let mut world = World::new().await;
    let connection = world
        .connection()
        .command_timeout(Duration::from_millis(500));
    let handler = Scripted::new();
    let client = world.client().await;
    for (id, payload) in [
        ("done", "wait"),
        ("failed", "wait_then_fail x"),
        ("last", "wait_then_fail y"),
    ] {
        let retries = if id == "failed" { 5 } else { 0 };
        let task = Task::new("any", payload).task_id(id).max_retry(retries);
        client.enqueue(task).await.unwrap();
    }
    let server = World::server_on(&connection)
        .start(handler.clone())
        .await
        .unwrap();
    handler.has_begun(3).await;
    let log = Log::capture();
    world.redis.kill();
    handler.release(3);
    log.line_with(&[logged::ACKNOWLEDGEMENT_FAILED]).await;
    world.redis.restart().await;
    eventually("all outcomes are acknowledged", DEADLINE, || async {
        let left = world.try_run(&["LLEN", &key("active")]).await;
        left.is_ok_and(|left| left.as_u64() == Some(0))
    })
    .await;
    assert_eq!(world.state("done").await, "");
    assert_eq!(world.state("failed").await, "retry");
    assert_eq!(world.state("last").await, "archived");
    assert_eq!(world.message("last").await.error_msg, "y");
    assert_eq!(world.counter("processed").await, 3);
    assert_eq!(world.counter("failed").await, 2);
    assert_eq!(handler.begun().len(), 3);
    server.shutdown().await;
}

// row 14
#[tokio::test]
async fn the_lease_of_a_task_that_cannot_be_acknowledged_yet_is_renewed() {
    let world = World::new().await;
    let _: String = world.run(&["SET", &key("completed"), "no set"]).await;
    let handler = Scripted::new();
    let client = world.client().await;
    let task = Task::new("any", "ok").task_id("task").retention(HOUR);
    client.enqueue(task).await.unwrap();
    let server = world.start(handler.clone()).await;
    handler.has_begun(1).await;
    handler.is_idle().await;
    world.shorten_lease("task").await;
    world.lease_is_renewed("task").await;
    let _: i64 = world.run(&["DEL", &key("completed")]).await;
    world.task_is("task", "completed").await;
    assert_eq!(handler.runs_of("task"), 1);
    server.shutdown().await;
}

// row 14
#[tokio::test]
async fn an_acknowledgement_whose_reply_is_lost_is_counted_once() {
    let (world, proxy, connection) = World::behind_proxy().await;
    let handler = Scripted::new();
    let client = world.client().await;
    let server = World::server_on(&connection)
        .start(handler.clone())
        .await
        .unwrap();
    // warm up: afterwards Redis knows the scripts, and one request carries the marked payload
    for (id, payload) in [("warm 1", "ok"), ("warm 2", "fail warm 2")] {
        client
            .enqueue(Task::new("any", payload).task_id(id))
            .await
            .unwrap();
    }
    world.task_is("warm 1", "").await;
    world.task_is("warm 2", "retry").await;
    proxy.lose_reply_to("the error");
    client
        .enqueue(Task::new("any", "fail the error").task_id("task"))
        .await
        .unwrap();
    world.task_is("task", "retry").await;
    assert_eq!(world.message("task").await.retried, 1);
    eventually("the server connects again", DEADLINE, || async {
        proxy.accepted() > 3
    })
    .await;
    client
        .enqueue(Task::new("any", "ok").task_id("next"))
        .await
        .unwrap();
    world.task_is("next", "").await;
    server.shutdown().await;
    assert_eq!(proxy.lost(), 1);
    assert_eq!(handler.runs_of("task"), 1);
    assert_eq!(world.counter("processed").await, 4);
    assert_eq!(world.counter("failed").await, 2);
}

// row 18
#[tokio::test]
async fn the_acknowledgement_of_a_task_claimed_by_another_server_changes_nothing() {
    let world = World::new().await;
    let handler = Scripted::new();
    let client = world.client().await;
    let log = Log::capture();
    let server = world.start(handler.clone()).await;
    for (n, (id, payload)) in [("done", "wait"), ("failed", "wait_then_fail x")]
        .into_iter()
        .enumerate()
    {
        let task = Task::new("any", payload).task_id(id).unique(HOUR);
        client.enqueue(task).await.unwrap();
        handler.has_begun(n + 1).await;
        world.claim_for_another_server(id).await;
        let before = world.hash(id).await;
        handler.release(1);
        log.line_with(&[logged::CLAIM_LOST, id]).await;
        assert_eq!(world.hash(id).await, before);
    }
    assert_eq!(world.list("active").await, ["failed", "done"]);
    assert_eq!(world.scores("lease").await.len(), 2);
    assert_eq!(world.counter("processed").await, 0);
    let locks = world.locks().await;
    assert_eq!(locks.len(), 2);
    server.shutdown().await;
}

// row 18
#[tokio::test]
async fn a_run_that_has_lost_its_lease_is_stopped() {
    let world = World::new().await;
    let handler = Scripted::new();
    let client = world.client().await;
    let log = Log::capture();
    let server = world.start(handler.clone()).await;
    for id in ["taken", "gone", "deleted", "kept"] {
        let task = Task::new("any", "wait").task_id(id);
        client.enqueue(task).await.unwrap();
    }
    handler.has_begun(4).await;
    world.claim_for_another_server("taken").await;
    let _: i64 = world.run(&["ZREM", &key("lease"), "gone"]).await;
    let _: i64 = world.run(&["DEL", &task_key("deleted")]).await;
    eventually("three runs are stopped", DEADLINE, || async {
        handler.running() == 1
    })
    .await;
    for id in ["taken", "gone", "deleted"] {
        log.line_with(&[logged::LEASE_LOST, id]).await;
    }
    assert_eq!(world.state("taken").await, "active");
    assert_eq!(world.state("deleted").await, "");
    assert_eq!(world.counter("processed").await, 0);
    assert_eq!(world.state("kept").await, "active");
    handler.release(1);
    world.task_is("kept", "").await;
    server.shutdown().await;
}

// row 18: a result is written only with the run's own claim, too
#[tokio::test]
async fn a_result_is_not_written_to_a_task_claimed_by_another_server_or_deleted() {
    let world = World::new().await;
    let client = world.client().await;
    let (begins, mut begun) = tokio::sync::mpsc::unbounded_channel();
    let (results, mut written) = tokio::sync::mpsc::unbounded_channel();
    let go_on = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let gate = go_on.clone();
    let server = world
        .server()
        .start(move |cx: rasynq::TaskContext, _: Task| {
            let (begins, results, gate) = (begins.clone(), results.clone(), gate.clone());
            async move {
                begins.send(()).unwrap();
                gate.acquire().await.unwrap().forget();
                let result = cx.write_result("mine").await;
                results.send(result.map_err(|error| error.kind())).unwrap();
                anyhow::Ok(())
            }
        })
        .await
        .unwrap();
    let task = Task::new("any", "").retention(HOUR);
    for id in ["taken", "deleted"] {
        client.enqueue(task.clone()).task_id(id).await.unwrap();
        begun.recv().await.unwrap();
        if id == "taken" {
            world.claim_for_another_server(id).await;
        } else {
            let _: i64 = world.run(&["DEL", &task_key(id)]).await;
        }
        go_on.add_permits(1);
        assert_eq!(
            written.recv().await.unwrap(),
            Err(rasynq::ErrorKind::TaskNotFound)
        );
    }
    assert_eq!(world.state("deleted").await, "");
    assert!(!world.hash("taken").await.contains_key("result"));
    server.shutdown().await;
}
