//! Timeouts, deadlines, cancellations, and due tasks.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use rasynq::{CancelPolicy, RetryDelay, Task, TaskContext};
use tokio::sync::mpsc;

use crate::common::{DEADLINE, HOUR, Scripted, TaskMessage, World, eventually, key, queue_key};

fn task(payload: &str) -> Task {
    Task::new("any", payload.to_owned()).task_id("task")
}

#[tokio::test]
async fn a_deadline_that_has_passed_fails_the_task_without_running_it() {
    let world = World::new().await;
    let client = world.client().await;
    let past = Utc::now() - TimeDelta::seconds(1);
    client.enqueue(task("ok").deadline(past)).await.unwrap();
    let handler = Scripted::new();
    let server = world.start(handler.clone()).await;
    world.task_is("task", "retry").await;
    server.shutdown().await;
    assert_eq!(handler.begun().len(), 0);
    let message = world.message("task").await;
    assert_eq!(message.error_msg, "context deadline exceeded");
    assert_eq!(message.retried, 1);
    assert_eq!(world.counter("failed").await, 1);
}

#[tokio::test]
async fn a_timeout_drops_the_handlers_future_and_fails_the_task() {
    let world = World::new().await;
    let client = world.client().await;
    let timeout = Duration::from_secs(1);
    client.enqueue(task("wait").timeout(timeout)).await.unwrap();
    let handler = Scripted::new();
    let server = world.start(handler.clone()).await;
    world.task_is("task", "retry").await;
    assert_eq!(handler.running(), 0);
    let message = world.message("task").await;
    assert_eq!(message.error_msg, "context deadline exceeded");
    server.shutdown().await;
}

#[tokio::test]
async fn the_deadline_of_a_run_is_the_earlier_of_timeout_and_deadline() {
    let world = World::new().await;
    let client = world.client().await;
    let now = Utc::now();
    let at = now + TimeDelta::minutes(5);
    let any = || Task::new("any", "");
    for (id, task) in [
        (
            "timeout",
            any().deadline(at).timeout(Duration::from_secs(60)),
        ),
        ("deadline", any().deadline(at).timeout(HOUR)),
        ("only deadline", any().deadline(at)),
        ("default", any()),
    ] {
        client.enqueue(task).task_id(id).await.unwrap();
    }
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let server = world
        .server()
        .start(move |cx: TaskContext, _: Task| {
            sender
                .send((cx.task_id().to_owned(), cx.deadline().unwrap()))
                .unwrap();
            async { anyhow::Ok(()) }
        })
        .await
        .unwrap();
    for _ in 0..4 {
        let (id, deadline) = receiver.recv().await.unwrap();
        let secs = (deadline - now).num_seconds();
        match id.as_str() {
            "timeout" => assert!((60..80).contains(&secs), "{secs}"),
            "default" => assert!((1800..1820).contains(&secs), "{secs}"),
            _ => assert_eq!(deadline.timestamp(), at.timestamp(), "{id}"),
        }
    }
    server.shutdown().await;
}

/// Starts a server that runs a task `task` with this payload, and cancels the run once it has begun.
async fn cancelled(
    world: &World,
    payload: &str,
    set: impl FnOnce(rasynq::Server) -> rasynq::Server,
) -> (Scripted, rasynq::RunningServer) {
    let client = world.client().await;
    client.enqueue(task(payload).unique(HOUR)).await.unwrap();
    let handler = Scripted::new();
    let server = world.server().retry_delay(RetryDelay::constant(HOUR));
    let server = set(server).start(handler.clone()).await.unwrap();
    handler.has_begun(1).await;
    world.cancel("task").await;
    (handler, server)
}

#[tokio::test]
async fn a_cancelled_task_fails_and_its_future_is_dropped() {
    let world = World::new().await;
    let grace = Duration::from_millis(50);
    let (handler, server) = cancelled(&world, "wait", |server| server.cancel_grace(grace)).await;
    world.task_is("task", "retry").await;
    assert_eq!(handler.running(), 0);
    let message = world.message("task").await;
    assert_eq!(message.error_msg, "context canceled");
    assert_eq!(message.retried, 1);
    server.shutdown().await;
}

#[tokio::test]
async fn a_cancelled_task_is_archived_if_configured() {
    let world = World::new().await;
    let (_, server) = cancelled(&world, "wait", |server| {
        server
            .cancel_grace(Duration::ZERO)
            .after_cancel(CancelPolicy::Archive)
    })
    .await;
    world.task_is("task", "archived").await;
    assert_eq!(world.message("task").await.error_msg, "context canceled");
    server.shutdown().await;
}

#[tokio::test]
async fn a_cancelled_task_is_revoked_if_configured() {
    let world = World::new().await;
    let (_, server) = cancelled(&world, "wait", |server| {
        server
            .cancel_grace(Duration::ZERO)
            .after_cancel(CancelPolicy::Revoke)
    })
    .await;
    world.task_is("task", "").await;
    assert_eq!(world.counter("failed").await, 0);
    let locks = world.locks().await;
    assert_eq!(locks.len(), 0);
    server.shutdown().await;
}

#[tokio::test]
async fn a_cancellation_of_another_task_stops_no_run() {
    let world = World::new().await;
    let client = world.client().await;
    client.enqueue(task("wait")).await.unwrap();
    let handler = Scripted::new();
    let server = world.start(handler.clone()).await;
    handler.has_begun(1).await;
    let inspector = world.inspector().await;
    inspector.cancel_processing("another").await.unwrap();
    inspector.cancel_processing("").await.unwrap();
    client.enqueue(task("ok").task_id("next")).await.unwrap();
    world.task_is("next", "").await;
    assert_eq!(handler.running(), 1);
    handler.release(1);
    world.task_is("task", "").await;
    server.shutdown().await;
}

#[tokio::test]
async fn due_tasks_run_and_later_tasks_wait() {
    let world = World::new().await;
    let client = world.client().await;
    let later = Task::new("any", "ok").process_in(HOUR);
    for id in ["due", "not yet"] {
        client.enqueue(later.clone()).task_id(id).await.unwrap();
    }
    world
        .store(
            "default",
            "retried",
            "retry",
            TaskMessage::of("retried", "ok").bytes(),
        )
        .await;
    world.make_due("retry", "retried").await;
    world.make_due("scheduled", "due").await;
    let handler = Scripted::new();
    let server = world.start(handler.clone()).await;
    world.task_is("due", "").await;
    world.task_is("retried", "").await;
    assert_eq!(world.state("not yet").await, "scheduled");
    assert_eq!(handler.begun().len(), 2);
    server.shutdown().await;
}

#[tokio::test]
async fn many_due_tasks_are_forwarded_together_oldest_first() {
    let world = World::new().await;
    let client = world.client().await;
    let tasks = (0..250).map(|n| {
        Task::new("any", "ok")
            .task_id(format!("{n:03}"))
            .process_in(HOUR)
    });
    client.enqueue_batch(tasks).await;
    for n in 0..250 {
        let (score, id) = ((1000 + n).to_string(), format!("{n:03}"));
        let _: i64 = world.run(&["ZADD", &key("scheduled"), &score, &id]).await;
    }
    world
        .inspector()
        .await
        .pause_queue("default")
        .await
        .unwrap();
    let server = world.start(Scripted::new()).await;
    eventually("all are pending", DEADLINE, || async {
        world.list("pending").await.len() == 250
    })
    .await;
    let first = world.list("pending").await.pop().unwrap();
    assert_eq!(first, "000");
    assert_eq!(world.fields("000").await, ["msg", "pending_since", "state"]);
    world.assert_consistent().await;
    server.shutdown().await;
}

/// Stores many tasks of a queue in one of its sorted sets. Their scores are in the past.
async fn store_many(world: &World, queue: &str, set: &str, tasks: usize) {
    const STORE: &str = "for n = 1, tonumber(ARGV[2]) do
        redis.call('HSET', KEYS[2] .. n, 'msg', '', 'state', ARGV[1])
        redis.call('ZADD', KEYS[1], n, n) end";
    let keys = [queue_key(queue, set), queue_key(queue, "t:")];
    let words = [
        "EVAL",
        STORE,
        "2",
        &keys[0],
        &keys[1],
        set,
        &tasks.to_string(),
    ];
    let _: Option<String> = world.run(&words).await;
}

async fn paused(world: &World, queue: &str) {
    world.inspector().await.pause_queue(queue).await.unwrap();
}

#[tokio::test]
async fn many_due_tasks_of_one_queue_do_not_make_another_queues_due_task_late() {
    let world = World::new().await;
    store_many(&world, "many", "scheduled", 50_000).await;
    paused(&world, "many").await;
    let due = Task::new("any", "ok").task_id("due").process_in(HOUR);
    world.client().await.enqueue(due).await.unwrap();
    world.make_due("scheduled", "due").await;
    let handler = Scripted::new();
    let server = world.server().queue("many", 9).queue("default", 1);
    let server = server.start(handler.clone()).await.unwrap();
    handler.has_begun(1).await;
    let left: usize = world.run(&["ZCARD", &queue_key("many", "scheduled")]).await;
    assert!(left > 25_000, "{left}");
    server.shutdown().await;
}

#[tokio::test]
async fn many_due_scheduled_tasks_do_not_make_a_due_retry_late() {
    let world = World::new().await;
    store_many(&world, "default", "scheduled", 50_000).await;
    store_many(&world, "default", "retry", 1).await;
    paused(&world, "default").await;
    let server = world.start(Scripted::new()).await;
    eventually("the retry is pending", DEADLINE, || async {
        world.scores("retry").await.is_empty()
    })
    .await;
    let left: usize = world.run(&["ZCARD", &key("scheduled")]).await;
    assert!(left > 25_000, "{left}");
    server.shutdown().await;
}

#[tokio::test]
async fn many_expired_results_of_one_queue_do_not_keep_those_of_another() {
    let world = World::new().await;
    store_many(&world, "many", "completed", 50_000).await;
    store_many(&world, "default", "completed", 1).await;
    let server = world.server().queue("many", 9).queue("default", 1);
    let server = server.start(Scripted::new()).await.unwrap();
    eventually("the other queue's is deleted", DEADLINE, || async {
        world.scores("completed").await.is_empty()
    })
    .await;
    let left: usize = world.run(&["ZCARD", &queue_key("many", "completed")]).await;
    assert!(left > 25_000, "{left}");
    server.shutdown().await;
}

#[tokio::test]
async fn completed_tasks_are_deleted_when_their_retention_has_passed() {
    let world = World::new().await;
    let client = world.client().await;
    let handler = Scripted::new();
    // the eight expired tasks take more than one call
    let server = world
        .server()
        .janitor_batch_size(3)
        .start(handler.clone())
        .await
        .unwrap();
    for n in 0..10 {
        client
            .enqueue(Task::new("any", "ok").retention(HOUR))
            .task_id(n.to_string())
            .await
            .unwrap();
    }
    eventually("all are completed", DEADLINE, || async {
        world.scores("completed").await.len() == 10
    })
    .await;
    for n in 0..8 {
        let id = n.to_string();
        world.make_due("completed", &id).await;
    }
    eventually("the eight expired tasks are deleted", DEADLINE, || async {
        world.scores("completed").await.len() == 2
    })
    .await;
    let hashes = world.task_hashes().await;
    assert_eq!(hashes.len(), 2);
    server.shutdown().await;
}

#[tokio::test]
async fn a_task_without_limits_gets_asynqs_default_timeout() {
    let world = World::new().await;
    let message = TaskMessage {
        timeout: 0,
        ..TaskMessage::of("task", "wait")
    };
    world
        .store_pending("default", "task", message.bytes())
        .await;
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let server = world
        .server()
        .start(move |cx: TaskContext, _: Task| {
            sender.send(cx.deadline()).unwrap();
            async { anyhow::Ok(()) }
        })
        .await
        .unwrap();
    let deadline = receiver.recv().await.unwrap().unwrap();
    let secs = (deadline - Utc::now()).num_seconds();
    assert!((1700..=1800).contains(&secs), "{secs}");
    server.shutdown().await;
}
