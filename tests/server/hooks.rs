//! The hooks of a server: error handler, exhausted, and retry delay.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rasynq::{
    CancelPolicy, HandlerNotFound, Mux, RetryDelay, Task, UnknownType, find_error, is_panic,
};

use crate::common::{DEADLINE, Scripted, World, eventually};

/// The calls of hooks, one line each.
#[derive(Clone, Default)]
struct HookCalls(Arc<Mutex<Vec<String>>>);

impl HookCalls {
    fn record(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

fn with_hooks(server: rasynq::Server, calls: &HookCalls) -> rasynq::Server {
    let (first, second) = (calls.clone(), calls.clone());
    server
        .error_handler(move |cx, task, error| {
            assert_eq!(task.task_type(), cx.task_type());
            first.record(format!("error {}: {error:#}", cx.task_id()));
        })
        .exhausted(move |cx, task, error| {
            assert_eq!(task.task_type(), cx.task_type());
            second.record(format!("exhausted {}: {error:#}", cx.task_id()));
        })
}

#[tokio::test]
async fn the_hooks_receive_every_error_and_every_task_that_is_archived() {
    let world = World::new().await;
    let client = world.client().await;
    let calls = HookCalls::default();
    let server = with_hooks(world.server(), &calls)
        .concurrency(1)
        .retry_delay(RetryDelay::constant(Duration::ZERO))
        .start(Scripted::new())
        .await
        .unwrap();
    for (id, payload, retries) in [
        ("ok", "ok", 0),
        ("snooze", "snooze 3600", 0),
        ("fail", "fail x", 1),
        ("skip", "skip y", 5),
        ("revoke", "revoke z", 5),
    ] {
        let task = Task::new("any", payload).max_retry(retries).task_id(id);
        client.enqueue(task).await.unwrap();
    }
    world.task_is("fail", "archived").await;
    let mut lines = calls.lines();
    lines.sort();
    assert_eq!(
        lines,
        [
            "error fail: x",
            "error fail: x",
            "error revoke: z",
            "error skip: y",
            "exhausted fail: x",
            "exhausted skip: y",
        ]
    );
    server.shutdown().await;
}

#[tokio::test]
async fn the_error_hook_can_recognize_panics_and_missing_handlers() {
    let world = World::new().await;
    let client = world.client().await;
    let calls = HookCalls::default();
    let hook = calls.clone();
    let server = world
        .server()
        .error_handler(move |_, _, error| {
            let missing = find_error::<HandlerNotFound>(error).is_some();
            hook.record(format!("panic {}, missing {missing}", is_panic(error)));
        })
        .start(Mux::new().route("known", Scripted::new()))
        .await
        .unwrap();
    for (id, task_type) in [("panics", "known"), ("missing", "unknown")] {
        let task = Task::new(task_type, "panic boom").task_id(id);
        client.enqueue(task).await.unwrap();
        world.task_is(id, "retry").await;
    }
    assert_eq!(
        calls.lines(),
        ["panic true, missing false", "panic false, missing true"]
    );
    server.shutdown().await;
}

#[tokio::test]
async fn the_hooks_receive_tasks_that_a_policy_archives() {
    let world = World::new().await;
    let client = world.client().await;
    let calls = HookCalls::default();
    let server = with_hooks(world.server(), &calls)
        .unknown_type(UnknownType::Archive)
        .after_cancel(CancelPolicy::Archive)
        .cancel_grace(Duration::ZERO)
        .start(Mux::new().route("known", Scripted::new()))
        .await
        .unwrap();
    client
        .enqueue(Task::new("unknown", "").task_id("missing"))
        .await
        .unwrap();
    client
        .enqueue(Task::new("known", "wait").task_id("cancelled"))
        .await
        .unwrap();
    world.task_is("missing", "archived").await;
    world.task_is("cancelled", "active").await;
    let inspector = world.inspector().await;
    eventually("the cancelled task is archived", DEADLINE, || async {
        inspector.cancel_processing("cancelled").await.unwrap();
        world.state("cancelled").await == "archived"
    })
    .await;
    let mut lines = calls.lines();
    lines.sort();
    assert_eq!(
        lines,
        [
            "error cancelled: context canceled",
            "error missing: handler not found for task \"unknown\"",
            "exhausted cancelled: context canceled",
            "exhausted missing: handler not found for task \"unknown\"",
        ]
    );
    server.shutdown().await;
}

#[tokio::test]
async fn the_retry_delay_receives_the_count_the_error_and_the_task() {
    let world = World::new().await;
    let client = world.client().await;
    let calls = HookCalls::default();
    let hook = calls.clone();
    let delay = RetryDelay::new(move |retried, error, task| {
        hook.record(format!("{retried} {error} {}", task.task_type()));
        match retried {
            0 => Duration::ZERO,
            _ => Duration::from_secs(3600),
        }
    });
    let server = world
        .server()
        .retry_delay(delay)
        .start(Scripted::new())
        .await
        .unwrap();
    client
        .enqueue(Task::new("email", "fail x").task_id("task"))
        .await
        .unwrap();
    eventually("the task has failed twice", DEADLINE, || async {
        calls.lines().len() == 2
    })
    .await;
    assert_eq!(calls.lines(), ["0 x email", "1 x email"]);
    world.task_is("task", "retry").await;
    server.shutdown().await;
}
