//! The outcome of a run: what the handler returns decides the next state of the task.

use std::time::Duration;

use chrono::Utc;
use rasynq::{Mux, RetryDelay, Task, TaskContext, UnknownType};

use crate::common::{DEADLINE, HOUR, Scripted, TaskMessage, World, eventually, key, task_key};

/// The counters of the queue `default`: processed, processed today, failed, failed today.
async fn counted(world: &World) -> [i64; 4] {
    let day = Utc::now().date_naive();
    [
        world.counter("processed").await,
        world.counter(&format!("processed:{day}")).await,
        world.counter("failed").await,
        world.counter(&format!("failed:{day}")).await,
    ]
}

/// Enqueues this task with the id `task`, and runs a server until the task is in `state`.
async fn after_one_run(world: &World, task: Task, state: &str) -> Scripted {
    let handler = Scripted::new();
    let client = world.client().await;
    client.enqueue(task).task_id("task").await.unwrap();
    let server = world.start(handler.clone()).await;
    world.task_is("task", state).await;
    server.shutdown().await;
    world.assert_none_active().await;
    world.assert_consistent().await;
    handler
}

fn task(payload: &str) -> Task {
    Task::new("any", payload.to_owned())
}

#[tokio::test]
async fn a_done_task_is_deleted_and_counted_and_frees_its_lock() {
    let world = World::new().await;
    let handler = after_one_run(&world, task("ok").unique(HOUR), "").await;
    assert_eq!(handler.begun(), ["task"]);
    assert_eq!(counted(&world).await, [1, 1, 0, 0]);
    let day = Utc::now().date_naive();
    let processed = key(&format!("processed:{day}"));
    assert_eq!(
        world.keys().await,
        [
            "asynq:queues".to_owned(),
            key("processed"),
            processed.clone()
        ]
    );
    let ttl: i64 = world.run(&["TTL", &processed]).await;
    let ninety_days = 90 * 24 * 3600;
    assert!((ninety_days - 60..=ninety_days).contains(&ttl), "{ttl}");
    let ttl: i64 = world.run(&["TTL", &key("processed")]).await;
    assert_eq!(ttl, -1, "the total does not expire");
}

#[tokio::test]
async fn a_done_task_leaves_the_lock_of_another_task() {
    let world = World::new().await;
    let handler = Scripted::new();
    let client = world.client().await;
    let info = client
        .enqueue(task("ok").unique(HOUR).task_id("task"))
        .await
        .unwrap();
    let lock = world.message(&info.id).await.unique_key;
    let _: String = world.run(&["SET", &lock, "another"]).await;
    let server = world.start(handler).await;
    world.task_is("task", "").await;
    server.shutdown().await;
    let holder: String = world.run(&["GET", &lock]).await;
    assert_eq!(holder, "another");
}

#[tokio::test]
async fn a_task_with_retention_is_kept_as_completed_with_its_result() {
    let world = World::new().await;
    let before = Utc::now().timestamp();
    let task = task("result 42").retention(HOUR).unique(HOUR);
    after_one_run(&world, task, "completed").await;
    let message = world.message("task").await;
    assert!(message.completed_at >= before);
    assert_eq!(message.retention, 3600);
    assert_eq!(
        world.scores("completed").await["task"] as i64,
        message.completed_at + 3600
    );
    assert_eq!(
        world.fields("task").await,
        ["msg", "result", "state", "unique_key"]
    );
    let result: String = world.run(&["HGET", &task_key("task"), "result"]).await;
    assert_eq!(result, "42");
    let locks: i64 = world.run(&["EXISTS", &message.unique_key]).await;
    assert_eq!(locks, 0, "the lock is released");
    assert_eq!(counted(&world).await, [1, 1, 0, 0]);
    let info = world
        .inspector()
        .await
        .task_info("default", "task")
        .await
        .unwrap();
    assert_eq!(info.result, "42");
    assert_eq!(info.retention, HOUR);
}

#[tokio::test]
async fn a_failed_task_waits_for_its_retry_with_its_error_and_is_counted() {
    let world = World::new().await;
    let before = Utc::now().timestamp();
    after_one_run(&world, task("fail out of luck").unique(HOUR), "retry").await;
    let message = world.message("task").await;
    assert_eq!(message.retried, 1);
    assert_eq!(message.error_msg, "out of luck");
    assert!(message.last_failed_at >= before);
    assert_eq!(
        world.scores("retry").await["task"] as i64,
        message.last_failed_at + 3600
    );
    assert_eq!(world.fields("task").await, ["msg", "state", "unique_key"]);
    assert_eq!(counted(&world).await, [1, 1, 1, 1]);
    let holder: String = world.run(&["GET", &message.unique_key]).await;
    assert_eq!(holder, "task", "the lock is kept");
    let day = Utc::now().date_naive();
    let ttl: i64 = world.run(&["TTL", &key(&format!("failed:{day}"))]).await;
    assert!(ttl > 89 * 24 * 3600, "{ttl}");
}

#[tokio::test]
async fn a_task_is_retried_until_its_limit_and_then_archived() {
    let world = World::new().await;
    let handler = Scripted::new();
    let client = world.client().await;
    client
        .enqueue(task("fail again").task_id("task").max_retry(2))
        .unique(HOUR)
        .await
        .unwrap();
    let server = world
        .server()
        .retry_delay(RetryDelay::constant(Duration::ZERO))
        .start(handler.clone())
        .await
        .unwrap();
    world.task_is("task", "archived").await;
    server.shutdown().await;
    assert_eq!(handler.runs_of("task"), 3);
    let message = world.message("task").await;
    assert_eq!((message.retried, message.retry), (2, 2));
    assert_eq!(message.error_msg, "again");
    let archived = world.scores("archived").await["task"] as i64;
    assert!((world.now().await - archived).abs() < 10);
    assert_eq!(counted(&world).await, [3, 3, 3, 3]);
    let holder: String = world.run(&["GET", &message.unique_key]).await;
    assert_eq!(holder, "task", "the lock is kept until its TTL");
    assert_eq!(world.fields("task").await, ["msg", "state", "unique_key"]);
}

#[tokio::test]
async fn skip_retry_archives_at_once() {
    let world = World::new().await;
    after_one_run(&world, task("skip no such user"), "archived").await;
    let message = world.message("task").await;
    assert_eq!(message.retried, 0);
    assert_eq!(message.error_msg, "no such user");
    assert_eq!(counted(&world).await, [1, 1, 1, 1]);
}

#[tokio::test]
async fn a_revoked_task_is_deleted_and_counted_as_processed() {
    let world = World::new().await;
    after_one_run(&world, task("revoke gone").unique(HOUR).max_retry(0), "").await;
    assert_eq!(counted(&world).await, [1, 1, 0, 0]);
    let locks = world.locks().await;
    assert_eq!(locks.len(), 0);
}

#[tokio::test]
async fn retry_after_sets_the_delay_and_counts_a_retry() {
    let world = World::new().await;
    after_one_run(&world, task("after 77"), "retry").await;
    let message = world.message("task").await;
    assert_eq!(message.retried, 1);
    assert_eq!(
        world.scores("retry").await["task"] as i64,
        message.last_failed_at + 77
    );
    assert_eq!(counted(&world).await, [1, 1, 1, 1]);
}

#[tokio::test]
async fn a_snoozed_task_is_scheduled_again_and_nothing_is_counted() {
    let world = World::new().await;
    let client = world.client().await;
    let task = task("snooze 77").max_retry(0).unique(HOUR);
    client.enqueue(task).task_id("task").await.unwrap();
    let before = world.message("task").await;
    let server = world.start(Scripted::new()).await;
    world.task_is("task", "scheduled").await;
    server.shutdown().await;
    assert_eq!(world.message("task").await, before);
    let at = world.scores("scheduled").await["task"] as i64;
    let wait = at - world.now().await;
    assert!((60..=77).contains(&wait), "{wait}");
    assert_eq!(counted(&world).await, [0; 4]);
    assert_eq!(world.fields("task").await, ["msg", "state", "unique_key"]);
}

#[tokio::test]
async fn an_error_that_is_not_a_failure_is_retried_without_counting() {
    let world = World::new().await;
    let client = world.client().await;
    let limit = task("fail busy").max_retry(1);
    client.enqueue(limit).task_id("task").await.unwrap();
    let spent = task("fail busy").max_retry(0);
    client.enqueue(spent).task_id("spent").await.unwrap();
    let server = world
        .server()
        .is_failure(|error| error.to_string() != "busy")
        .start(Scripted::new())
        .await
        .unwrap();
    world.task_is("task", "retry").await;
    let message = world.message("task").await;
    assert_eq!(message.retried, 0);
    assert_eq!(message.error_msg, "busy");
    assert!(message.last_failed_at > 0);
    // without a retry left the task is archived, as in asynq
    world.task_is("spent", "archived").await;
    assert_eq!(counted(&world).await, [1, 1, 1, 1]);
    server.shutdown().await;
}

#[tokio::test]
async fn a_panic_is_an_error_with_its_location_and_stops_no_other_task() {
    let world = World::new().await;
    let handler = after_one_run(&world, task("panic out of range"), "retry").await;
    let text = world.message("task").await.error_msg;
    assert!(text.starts_with("panic error cause by: panic ["), "{text}");
    assert!(text.contains("scripted.rs:"), "{text}");
    assert!(text.ends_with("]: out of range"), "{text}");
    assert_eq!(handler.running(), 0);
    let client = world.client().await;
    client.enqueue(task("ok").task_id("next")).await.unwrap();
    let server = world.start(handler).await;
    world.task_is("next", "").await;
    server.shutdown().await;
}

async fn ok(_: TaskContext, _: Task) -> anyhow::Result<()> {
    Ok(())
}

/// Runs one task on a server without a handler for its type, until the task is in `state`.
async fn without_a_handler(world: &World, policy: UnknownType, state: &str) -> TaskMessage {
    let client = world.client().await;
    client.enqueue(task("x").task_id("task")).await.unwrap();
    let server = world
        .server()
        .unknown_type(policy)
        .start(Mux::new().route("other", ok))
        .await
        .unwrap();
    world.task_is("task", state).await;
    server.shutdown().await;
    let message = world.message("task").await;
    assert_eq!(message.error_msg, "handler not found for task \"any\"");
    message
}

#[tokio::test]
async fn a_task_without_a_handler_fails_as_in_asynq() {
    let world = World::new().await;
    let message = without_a_handler(&world, UnknownType::default(), "retry").await;
    assert_eq!(message.retried, 1);
    assert_eq!(counted(&world).await, [1, 1, 1, 1]);
}

#[tokio::test]
async fn a_task_without_a_handler_is_archived_if_configured() {
    let world = World::new().await;
    let message = without_a_handler(&world, UnknownType::Archive, "archived").await;
    assert_eq!(message.retried, 0);
}

#[tokio::test]
async fn a_total_at_its_maximum_starts_again_at_one() {
    let world = World::new().await;
    let largest = i64::MAX.to_string();
    for total in ["processed", "failed"] {
        let _: String = world.run(&["SET", &key(total), &largest]).await;
    }
    after_one_run(&world, task("fail x"), "retry").await;
    assert_eq!(counted(&world).await, [1, 1, 1, 1]);
}

#[tokio::test]
async fn tasks_acknowledged_together_leave_the_others_active_in_their_order() {
    const TASKS: usize = 200;
    let world = World::new().await;
    let client = world.client().await;
    let handler = Scripted::new();
    let tasks = (0..TASKS).map(|n| Task::new("any", "wait").task_id(format!("{n:03}")));
    for result in client.enqueue_batch(tasks).await {
        result.unwrap();
    }
    let server = world.start_with_workers(TASKS, handler.clone()).await;
    handler.has_begun(TASKS).await;
    let mut left = TASKS;
    // small and large parts of the batch
    for ended in [1, 3, 40, 100, 50] {
        handler.release(ended);
        left -= ended;
        eventually("the finished runs are acknowledged", DEADLINE, || async {
            world.counter("processed").await == (TASKS - left) as i64
        })
        .await;
        let active = world.list("active").await;
        assert_eq!(active.len(), left);
        assert!(
            active.is_sorted_by(|a, b| a > b),
            "newest first: {active:?}"
        );
        let leased: Vec<String> = world.scores("lease").await.into_keys().collect();
        assert!(active.iter().rev().eq(&leased), "{leased:?}");
        world.assert_consistent().await;
    }
    handler.release(left);
    server.shutdown().await;
    assert_eq!(world.counter("processed").await, TASKS as i64);
}
