//! Tasks of servers that have crashed. asynq: `recoverer`.

use rasynq::{LostLease, Task};

use crate::common::{
    DEADLINE, HOUR, Log, Scripted, TaskMessage, World, eventually, key, queue_key, task_key,
};

#[tokio::test]
async fn an_expired_lease_is_a_failure_that_is_retried() {
    let world = World::new().await;
    world.store_expired(&TaskMessage::of("task", "ok")).await;
    let server = world.start(Scripted::new()).await;
    world.task_is("task", "retry").await;
    server.shutdown().await;
    let message = world.message("task").await;
    assert_eq!(message.retried, 1);
    assert_eq!(message.error_msg, "asynq: task lease expired");
    let wait = world.scores("retry").await["task"] as i64 - world.now().await;
    assert!((3590..=3600).contains(&wait), "{wait}");
    world.assert_none_active().await;
    assert_eq!(world.counter("processed").await, 1);
    assert_eq!(world.counter("failed").await, 1);
}

#[tokio::test]
async fn an_active_task_is_orphaned_once_its_lease_has_expired() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    for (id, expired_ago, is_orphaned) in [("held", -20, false), ("orphaned", 2, true)] {
        let message = TaskMessage::of(id, "ok").bytes();
        world.store_lost("default", id, message, expired_ago).await;
        let info = inspector.task_info("default", id).await.unwrap();
        assert_eq!(info.is_orphaned, is_orphaned, "{id}");
    }
    // asynq: without a lease a task is not orphaned, but damaged
    let lease = queue_key("default", "lease");
    let _: i64 = world.run(&["ZREM", &lease, "orphaned"]).await;
    let info = inspector.task_info("default", "orphaned").await.unwrap();
    assert!(!info.is_orphaned);
}

#[tokio::test]
async fn expired_lease_is_archived_when_retries_are_exhausted() {
    let world = World::new().await;
    let message = TaskMessage {
        retry: 2,
        retried: 2,
        ..TaskMessage::of("task", "ok")
    };
    world.store_expired(&message).await;
    let server = world.start(Scripted::new()).await;
    world.task_is("task", "archived").await;
    server.shutdown().await;
    let message = world.message("task").await;
    assert_eq!(message.retried, 2);
    assert_eq!(message.error_msg, "asynq: task lease expired");
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_lease_that_expired_a_moment_ago_is_left_alone() {
    let world = World::new().await;
    let fresh = TaskMessage::of("fresh", "ok").bytes();
    world.store_lost("default", "fresh", fresh, 10).await;
    world.store_expired(&TaskMessage::of("stale", "ok")).await;
    let server = world.start(Scripted::new()).await;
    world.task_is("stale", "retry").await;
    server.shutdown().await;
    assert_eq!(world.state("fresh").await, "active");
    assert_eq!(world.list("active").await, ["fresh"]);
}

#[tokio::test]
async fn more_expired_leases_than_one_call_lists_are_all_recovered() {
    let world = World::new().await;
    for n in 0..250 {
        let message = TaskMessage::of(&n.to_string(), "ok");
        world.store_expired(&message).await;
    }
    let server = world.start(Scripted::new()).await;
    eventually("all tasks wait for their retry", DEADLINE, || async {
        world.scores("retry").await.len() == 250
    })
    .await;
    server.shutdown().await;
    assert_eq!(world.counter("failed").await, 250);
    world.assert_consistent().await;
}

#[tokio::test]
async fn lost_tasks_with_large_messages_are_all_recovered_in_one_pass() {
    let world = World::new().await;
    let payload = "x".repeat(200 << 10);
    for n in 0..8 {
        let message = TaskMessage::of(&format!("task{n}"), &payload);
        world.store_expired(&message).await;
    }
    let server = world.start(Scripted::new()).await;
    eventually("all tasks wait for their retry", DEADLINE, || async {
        world.scores("retry").await.len() == 8
    })
    .await;
    server.shutdown().await;
    let lists = world.calls_of(&["zrangebyscore"]).await;
    assert!(lists >= 4, "two tasks have more bytes than a list: {lists}");
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_task_of_a_dead_server_runs_again_on_the_next() {
    let world = World::new().await;
    let handler = Scripted::new();
    let dead = world.start(handler.clone()).await;
    world
        .client()
        .await
        .enqueue(Task::new("any", "wait").task_id("task").unique(HOUR))
        .await
        .unwrap();
    handler.has_begun(1).await;
    drop(dead);
    handler.is_idle().await;
    world.make_due("lease", "task").await;
    handler.release(1);
    let server = world
        .server()
        .lost_lease(LostLease::Defer)
        .start(handler.clone())
        .await
        .unwrap();
    world.task_is("task", "").await;
    server.shutdown().await;
    assert_eq!(handler.runs_of("task"), 2);
    assert_eq!(world.counter("processed").await, 1);
    assert_eq!(world.counter("failed").await, 0);
}

#[tokio::test]
async fn a_task_whose_runs_are_lost_again_and_again_is_archived_with_a_text_that_says_so() {
    let world = World::new().await;
    for (id, losses) in [("fourth", "3"), ("fifth", "4")] {
        world.store_expired(&TaskMessage::of(id, "ok")).await;
        let losses = ["HSET", &task_key(id), "rasynq_losses", losses];
        let _: i64 = world.run(&losses).await;
    }
    // The bound does not depend on what a lost lease counts for.
    let server = world.server().lost_lease(LostLease::Defer);
    let server = server.start(Scripted::new()).await.unwrap();
    world.task_is("fifth", "archived").await;
    world.task_is("fourth", "").await;
    server.shutdown().await;
    let message = world.message("fifth").await;
    assert_eq!(
        message.error_msg,
        "5 runs in a row were lost with their servers: the task may be what ends them"
    );
    assert_eq!(world.fields("fifth").await, ["msg", "state"]);
    world.assert_consistent().await;
}

#[tokio::test]
async fn lost_runs_are_counted_until_a_run_ends_by_itself() {
    let world = World::new().await;
    let task = TaskMessage::of("task", "fail on purpose");
    world.store_expired(&task).await;
    let server = world.start(Scripted::new()).await;
    world.task_is("task", "retry").await;
    let losses = world.hash("task").await.remove("rasynq_losses");
    assert_eq!(losses.as_deref(), Some(b"1".as_slice()));
    world.make_due("retry", "task").await;
    eventually("the run has failed", DEADLINE, || async {
        world.message("task").await.error_msg == "on purpose"
    })
    .await;
    assert_eq!(world.fields("task").await, ["msg", "state"]);
    server.shutdown().await;
}

#[tokio::test]
async fn the_lease_of_a_task_that_is_not_active_is_removed_and_the_task_runs_once() {
    let world = World::new().await;
    let client = world.client().await;
    client
        .enqueue(Task::new("any", "ok").task_id("later"))
        .process_in(HOUR)
        .await
        .unwrap();
    let expired = (world.now().await - 60).to_string();
    let _: i64 = world.run(&["ZADD", &key("lease"), &expired, "later"]).await;
    let handler = Scripted::new();
    let server = world.start(handler.clone()).await;
    eventually("the lease is removed", DEADLINE, || async {
        world.scores("lease").await.is_empty()
    })
    .await;
    assert_eq!(world.state("later").await, "scheduled");
    world.make_due("scheduled", "later").await;
    world.task_is("later", "").await;
    server.shutdown().await;
    assert_eq!(handler.runs_of("later"), 1);
    assert_eq!(world.counter("failed").await, 0);
}

#[tokio::test]
async fn a_lost_run_is_told_with_its_attempt_its_error_and_what_becomes_of_its_task() {
    let log = Log::capture();
    let world = World::new().await;
    for (id, retry) in [("again", 5), ("last", 0)] {
        let message = TaskMessage {
            retry,
            ..TaskMessage::of(id, "ok")
        };
        world.store_expired(&message).await;
    }
    let server = world.start(Scripted::new()).await;
    let error = "error=\"asynq: task lease expired\"";
    for (id, lines) in [
        (
            "again",
            [
                &["the task's lease has expired", "attempt=1 of 6", "losses=1"][..],
                &[
                    "failed, will be retried",
                    "attempt=1 of 6",
                    "next_in=3600s",
                    error,
                ],
            ],
        ),
        (
            "last",
            [
                &["the task's lease has expired", "attempt=1 of 1", "losses=1"][..],
                &["archived: no retry is left", "attempt=1 of 1", error],
            ],
        ),
    ] {
        let about = format!("task_id={id:?}");
        for words in lines {
            let words = [words, &["WARN", "task_type=", "queue=\"default\"", &about]].concat();
            log.line_with(&words).await;
        }
        assert_eq!(log.lines_with(&["WARN", &about]).len(), 2);
    }
    server.shutdown().await;
}

#[tokio::test]
async fn a_lost_run_that_does_not_count_is_told_as_deferred() {
    let log = Log::capture();
    let world = World::new().await;
    world.store_expired(&TaskMessage::of("task", "ok")).await;
    let server = world.server().lost_lease(LostLease::Defer);
    let server = server.start(Scripted::new()).await.unwrap();
    let words = [
        "WARN",
        "the run was lost",
        "deferred",
        "task_id=\"task\"",
        "next_in=0ns",
    ];
    log.line_with(&words).await;
    server.shutdown().await;
}
