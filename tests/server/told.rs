//! What the log says of runs, and the span in which their handlers log.

use std::time::Duration;

use rasynq::{IntoHandler, Mux, RetryDelay, Task, TaskContext, blocking};

use crate::common::{DEADLINE, Log, Scripted, World, eventually, logged, queue_key};

#[tokio::test]
async fn each_failed_attempt_is_told_with_its_number_and_when_the_next_one_comes() {
    let log = Log::capture();
    let world = World::new().await;
    let server = world
        .server()
        .retry_delay(RetryDelay::new(|retried, _, _| match retried {
            0 => Duration::ZERO,
            _ => Duration::from_secs(90),
        }))
        .start(Mux::new().route("known", Scripted::new()))
        .await
        .unwrap();
    let client = world.client().await;
    for (id, task_type, payload, retries) in [
        ("fails", "known", "fail no luck", 2),
        ("dies", "known", "fail no luck", 1),
        ("panics", "known", "panic boom", 5),
        ("missing", "unknown", "", 5),
    ] {
        let task = Task::new(task_type, payload).task_id(id).max_retry(retries);
        client.enqueue(task).await.unwrap();
    }
    let of = |id: &str| format!("task_id={id:?}");
    let failed = "failed, will be retried";
    for (id, words) in [
        (
            "fails",
            [failed, "attempt=1 of 3 ", "next_in=0ns", "no luck"],
        ),
        (
            "fails",
            [failed, "attempt=2 of 3 ", "next_in=90s", "no luck"],
        ),
        (
            "dies",
            [failed, "attempt=1 of 2 ", "next_in=0ns", "no luck"],
        ),
        (
            "dies",
            ["archived: ", "attempt=2 of 2 ", "no luck", "known"],
        ),
        ("panics", [failed, "attempt=1 of 6 ", "boom", "scripted.rs"]),
        (
            "missing",
            [failed, "attempt=1 of 6 ", "unknown", "handler not found"],
        ),
    ] {
        let about = of(id);
        let mut words = words.to_vec();
        words.extend(["WARN", "queue=\"default\"", "task_type=", &about]);
        log.line_with(&words).await;
        assert_eq!(log.lines_with(&words).len(), 1, "{words:?}");
    }
    server.shutdown().await;
}

#[tokio::test]
async fn a_success_is_told_at_level_debug_with_its_duration() {
    let log = Log::capture();
    let world = World::new().await;
    let server = world.start(Scripted::new()).await;
    let client = world.client().await;
    for (id, payload, line) in [("a", "ok", " done "), ("b", "snooze 90", " snoozed ")] {
        let task = Task::new("any", payload).task_id(id);
        client.enqueue(task).await.unwrap();
        let about = format!("task_id={id:?}");
        let words = ["DEBUG", line, &about, "attempt=1 of 26", "duration="];
        log.line_with(&words).await;
    }
    server.shutdown().await;
}

#[tokio::test]
async fn a_long_error_is_told_by_its_beginning() {
    let log = Log::capture();
    let world = World::new().await;
    let handler =
        async |_: TaskContext, _: Task| Err::<(), _>(anyhow::anyhow!("🦀".repeat(100_000)));
    let server = world.start(handler).await;
    let client = world.client().await;
    client.enqueue(Task::new("any", "")).await.unwrap();
    log.line_with(&["WARN", "failed, will be retried"]).await;
    let [line] = &log.lines_with(&["failed, will be retried"])[..] else {
        panic!("one line");
    };
    assert!(line.contains("🦀🦀🦀") && line.len() < 4_000, "{line}");
    server.shutdown().await;
}

#[tokio::test]
async fn a_long_panic_of_a_hook_is_told_by_its_beginning() {
    let log = Log::capture();
    let world = World::new().await;
    let server = world
        .server()
        .error_handler(|_, _, _| panic!("{}", "🦀".repeat(100_000)))
        .start(Scripted::new())
        .await
        .unwrap();
    let client = world.client().await;
    client.enqueue(Task::new("any", "fail x")).await.unwrap();
    log.line_with(&["WARN", "failed, will be retried"]).await;
    let [line] = &log.lines_with(&["a hook panicked"])[..] else {
        panic!("one line");
    };
    assert!(line.contains("🦀🦀🦀") && line.len() < 4_000, "{line}");
    server.shutdown().await;
}

#[tokio::test]
async fn what_a_handler_logs_is_in_the_span_of_its_run() {
    fn says(text: &str) {
        // `Log` shows only what rasynq logs.
        tracing::info!(target: "rasynq::handler_of_a_test", "{text}");
    }
    let log = Log::capture();
    let world = World::new().await;
    let in_future = async |_: TaskContext, _: Task| {
        tokio::task::yield_now().await;
        says("in a future");
        anyhow::Ok(())
    };
    let on_thread = blocking(|_: TaskContext, _: Task| {
        says("on a thread");
        anyhow::Ok(())
    });
    let server = world
        .server()
        .error_handler(|_, _, _| says("in a hook"))
        .start(
            Mux::new()
                .route("future", in_future)
                .route("thread", on_thread.into_service().unwrap())
                .route("hook", Scripted::new()),
        )
        .await
        .unwrap();
    let client = world.client().await;
    for (task_type, text) in [
        ("future", "in a future"),
        ("thread", "on a thread"),
        ("hook", "in a hook"),
    ] {
        let task = Task::new(task_type, "fail x")
            .task_id("task-7")
            .max_retry(3);
        client.enqueue(task).await.unwrap();
        let about = format!(
            "run{{task_id=\"task-7\" task_type={task_type:?} queue=\"default\" attempt=1 of 4}}"
        );
        log.line_with(&[text, &about]).await;
        let state = if task_type == "hook" { "retry" } else { "" };
        world.task_is("task-7", state).await;
    }
    server.shutdown().await;
}

#[tokio::test]
async fn an_error_that_redis_answers_for_many_queues_is_warned_of_once() {
    let log = Log::capture();
    let world = World::new().await;
    let names: Vec<String> = (0..20).map(|n| format!("queue-{n}")).collect();
    let mut server = world.server();
    for name in &names {
        server = server.queue(name, 1);
    }
    let server = server.start(Scripted::new()).await.unwrap();
    let _: String = world
        .run(&["ACL", "SETUSER", "default", "-evalsha", "-eval"])
        .await;
    for name in &names {
        let _: i64 = world
            .run(&["LPUSH", &queue_key(name, "pending"), "1"])
            .await;
        let _: i64 = world
            .run(&["ZADD", &queue_key(name, "scheduled"), "1", "2"])
            .await;
    }
    let failures = [logged::FETCH_FAILED, logged::FORWARD_FAILED];
    for name in &names {
        let queue = format!("queue=\"{name}\"");
        eventually("the queue fails several times", DEADLINE, || async {
            let count = |failure| log.lines_with(&[failure, &queue, "NOPERM"]).len();
            failures.iter().all(|failure| count(failure) >= 3)
        })
        .await;
    }
    for failure in failures {
        assert_eq!(log.lines_with(&["WARN", failure]).len(), 1, "{failure}");
    }
    let _: String = world
        .run(&["ACL", "SETUSER", "default", "+evalsha", "+eval"])
        .await;
    server.shutdown().await;
}
