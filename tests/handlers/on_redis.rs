//! Handlers in a server: which handler runs, with which input, and what it writes to Redis.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use rasynq::{
    Answer, ErrorKind, Handler, IntoHandler, Mux, Progress, Protobuf, RetryDelay, Run, Task,
    TaskContext, TaskKind, UndecodablePayload, blocking,
};
use tokio::sync::{Semaphore, mpsc};
use tower::limit::ConcurrencyLimitLayer;
use tower::util::MapRequestLayer;

use crate::Welcome;
use crate::common::{DEADLINE, HOUR, Scripted, World, eventually, task_key};

#[derive(Clone, PartialEq, prost::Message)]
struct Resize {
    #[prost(uint32, tag = "1")]
    width: u32,
}

impl TaskKind<Protobuf> for Resize {
    const TYPE: &'static str = "image:resize";
}

async fn welcome(cx: TaskContext, mail: Welcome) -> anyhow::Result<()> {
    cx.write_json(&mail.user_id).await?;
    Ok(())
}

async fn resize(cx: TaskContext, image: Resize) -> Result<Answer, rasynq::Error> {
    cx.write_result(image.width.to_string()).await?;
    Ok(Answer::Done)
}

/// Enqueues a task with a retention, waits until it is completed, and reads its result.
async fn result_of(world: &World, task: Task) -> String {
    let client = world.client().await;
    let info = client.enqueue(task.retention(HOUR)).await.unwrap();
    world.task_is(&info.id, "completed").await;
    world.run(&["HGET", &task_key(&info.id), "result"]).await
}

#[tokio::test]
async fn typed_payloads_arrive_by_json_and_by_protobuf() {
    let world = World::new().await;
    let server = world.start(Mux::new().handle(welcome).handle(resize)).await;
    let mail = Task::typed(&Welcome { user_id: 42 }).unwrap();
    assert_eq!(result_of(&world, mail).await, "42");
    let image = Task::typed(&Resize { width: 640 }).unwrap();
    assert_eq!(result_of(&world, image).await, "640");
    server.shutdown().await;
}

#[tokio::test]
async fn a_payload_that_does_not_decode_is_retried_with_a_clear_error() {
    let world = World::new().await;
    let client = world.client().await;
    let task = Task::new("email:welcome", r#"{"user_id":"secret"}"#);
    client.enqueue(task).task_id("task").await.unwrap();
    let server = world.start(Mux::new().handle(welcome)).await;
    world.task_is("task", "retry").await;
    server.shutdown().await;
    let text = world.message("task").await.error_msg;
    assert!(text.contains("email:welcome"), "{text}");
    assert!(text.contains("Welcome"), "{text}");
    assert!(text.contains("column"), "{text}");
    assert!(!text.contains("secret"), "{text}");
    assert_eq!(world.message("task").await.retried, 1);
}

#[tokio::test]
async fn a_payload_that_does_not_decode_is_archived_without_a_retry_if_configured() {
    let world = World::new().await;
    let client = world.client().await;
    let task = Task::new("email:welcome", "{").task_id("task");
    client.enqueue(task).await.unwrap();
    let mux = Mux::new()
        .on_undecodable(UndecodablePayload::Archive)
        .handle(welcome);
    let server = world.start(mux).await;
    world.task_is("task", "archived").await;
    server.shutdown().await;
    assert_eq!(world.message("task").await.retried, 0);
}

#[tokio::test]
async fn the_exact_type_comes_before_the_longest_prefix() {
    let world = World::new().await;
    let writes = |text: &'static str| {
        move |cx: TaskContext, _: Task| async move { cx.write_result(text).await }
    };
    let mux = Mux::new()
        .route("a", writes("short"))
        .route("a:b", writes("long"))
        .route("a:b:c", writes("exact"));
    let server = world.start(mux).await;
    for (task_type, handler) in [
        ("a", "short"),
        ("a:x", "short"),
        ("a:b:", "long"),
        ("a:b:c", "exact"),
        ("a:b:cc", "exact"),
    ] {
        let result = result_of(&world, Task::new(task_type, "")).await;
        assert_eq!(result, handler, "{task_type}");
    }
    server.shutdown().await;
}

#[tokio::test]
async fn a_handler_can_read_everything_about_its_run() {
    let world = World::new().await;
    let client = world.client().await;
    let deadline = Utc::now() + TimeDelta::minutes(3);
    client
        .enqueue(Task::new("any", "payload"))
        .task_id("task")
        .queue("other")
        .max_retry(1)
        .deadline(deadline)
        .header("trace", "abc")
        .await
        .unwrap();
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let server = world
        .server()
        .queue("other", 1)
        .retry_delay(RetryDelay::constant(Duration::ZERO))
        .start(move |cx: TaskContext, task: Task| {
            assert_eq!(cx.task_id(), "task");
            assert_eq!(cx.queue(), "other");
            assert_eq!(cx.task_type(), "any");
            assert_eq!(cx.headers()["trace"], "abc");
            assert_eq!(task.headers(), cx.headers());
            assert_eq!(task.payload(), b"payload");
            assert_eq!(cx.max_retry(), 1);
            assert!(!cx.cancellation().is_cancelled());
            sender
                .send((cx.retried(), cx.is_last_try(), cx.deadline().unwrap()))
                .unwrap();
            async { Err::<(), _>(anyhow::anyhow!("again")) }
        })
        .await
        .unwrap();
    for (retried, last) in [(0, false), (1, true)] {
        let (was, was_last, ends) = receiver.recv().await.unwrap();
        assert_eq!((was, was_last), (retried, last));
        assert_eq!(ends.timestamp(), deadline.timestamp());
    }
    server.shutdown().await;
}

#[tokio::test]
async fn progress_is_visible_during_the_run_and_the_result_after_it() {
    let world = World::new().await;
    let client = world.client().await;
    let go_on = Arc::new(Semaphore::new(0));
    let gate = go_on.clone();
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let server = world
        .start(move |cx: TaskContext, _: Task| {
            let (gate, sender) = (gate.clone(), sender.clone());
            async move {
                cx.progress(Progress::new(3, 10).message("cutting")).await?;
                gate.acquire().await?.forget();
                cx.write_result("cut").await?;
                let late = cx.progress(Progress::new(10, 10)).await;
                sender.send(late.unwrap_err().kind())?;
                anyhow::Ok(())
            }
        })
        .await;
    let task = Task::new("any", "").task_id("task").retention(HOUR);
    client.enqueue(task).await.unwrap();
    let inspector = world.inspector().await;
    eventually("the progress is visible", DEADLINE, || async {
        let info = inspector.task_info("default", "task").await.unwrap();
        info.result == r#"{"progress":{"done":3,"total":10,"percent":30,"message":"cutting"}}"#
    })
    .await;
    go_on.add_permits(1);
    assert_eq!(receiver.recv().await.unwrap(), ErrorKind::WrongState);
    world.task_is("task", "completed").await;
    let info = inspector.task_info("default", "task").await.unwrap();
    assert_eq!(info.result, "cut");
    server.shutdown().await;
}

#[tokio::test]
async fn a_context_that_outlives_its_run_writes_nothing() {
    let world = World::new().await;
    let client = world.client().await;
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let server = world
        .start(move |cx: TaskContext, _: Task| {
            sender.send(cx).unwrap();
            async { anyhow::Ok(()) }
        })
        .await;
    let task = Task::new("any", "").task_id("task").retention(HOUR);
    client.enqueue(task).await.unwrap();
    let cx = receiver.recv().await.unwrap();
    world.task_is("task", "completed").await;
    let error = cx.write_result("late").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert_eq!(error.task_id(), Some("task"));
    assert!(cx.progress(Progress::new(1, 1)).await.is_err());
    assert!(!world.hash("task").await.contains_key("result"));
    server.shutdown().await;
}

#[tokio::test]
async fn a_result_survives_a_retry_until_it_is_overwritten() {
    let world = World::new().await;
    let client = world.client().await;
    let server = world
        .server()
        .retry_delay(RetryDelay::constant(Duration::ZERO))
        .start(|cx: TaskContext, _: Task| async move {
            match cx.retried() {
                0 => {
                    cx.write_result("half").await?;
                    anyhow::bail!("stopped half-way")
                }
                _ => anyhow::Ok(()),
            }
        })
        .await
        .unwrap();
    let task = Task::new("any", "").task_id("task").retention(HOUR);
    client.enqueue(task).await.unwrap();
    world.task_is("task", "completed").await;
    assert_eq!(world.hash("task").await["result"], "half");
    server.shutdown().await;
}

struct Counter(AtomicUsize);

#[tokio::test]
async fn handlers_share_state_and_run_within_the_layers_in_order() {
    let world = World::new().await;
    let mark = |mark: char| {
        MapRequestLayer::new(move |mut run: Run| {
            let marks = run.context.state::<String>().unwrap_or_default();
            let marks = format!("{marks}{mark}");
            run.context = run.context.with_state(Arc::new(marks));
            run
        })
    };
    let mux = Mux::new()
        .state(Arc::new(Counter(AtomicUsize::new(0))))
        .layer(mark('1'))
        .layer(mark('2'))
        .route(
            "any",
            (|cx: TaskContext, _: Task| async move {
                let marks = cx.state::<String>().unwrap();
                let n = cx
                    .state::<Counter>()
                    .unwrap()
                    .0
                    .fetch_add(1, Ordering::SeqCst);
                cx.write_result(format!("{marks} {n}")).await
            })
            .layered(mark('3')),
        );
    let server = world.start(mux).await;
    assert_eq!(result_of(&world, Task::new("any", "")).await, "123 0");
    assert_eq!(result_of(&world, Task::new("any", "")).await, "123 1");
    server.shutdown().await;
}

#[tokio::test]
async fn a_layer_limits_one_pattern_below_the_concurrency_of_the_server() {
    let world = World::new().await;
    let client = world.client().await;
    let handler = Scripted::new();
    let mux = Mux::new().route(
        "any",
        handler.clone().layered(ConcurrencyLimitLayer::new(2)),
    );
    let server = world.start(mux).await;
    let tasks = (0..6).map(|n| Task::new("any", "wait").task_id(n.to_string()));
    client.enqueue_batch(tasks).await;
    eventually("four are active", DEADLINE, || async {
        world.list("active").await.len() == 4
    })
    .await;
    handler.has_begun(2).await;
    handler.release(6);
    world.counter_reaches("processed", 6).await;
    assert_eq!(handler.most_at_once(), 2);
    server.shutdown().await;
}

#[tokio::test]
async fn a_blocking_handler_runs_and_its_panic_is_a_failure_with_its_location() {
    let world = World::new().await;
    let client = world.client().await;
    let mux = Mux::new()
        .route(
            "good",
            blocking(|cx: TaskContext, task: Task| {
                let length = task.payload().len().to_string();
                let runtime = tokio::runtime::Handle::current();
                runtime.block_on(cx.write_result(length))
            }),
        )
        .route(
            "bad",
            blocking(|_: TaskContext, _: Task| -> anyhow::Result<()> { panic!("no luck") }),
        );
    let server = world.start(mux).await;
    assert_eq!(result_of(&world, Task::new("good", "12345")).await, "5");
    client
        .enqueue(Task::new("bad", "").task_id("task"))
        .await
        .unwrap();
    world.task_is("task", "retry").await;
    let text = world.message("task").await.error_msg;
    assert!(text.starts_with("panic error cause by: panic ["), "{text}");
    assert!(text.contains("on_redis.rs:"), "{text}");
    assert!(text.ends_with("no luck"), "{text}");
    server.shutdown().await;
}

struct Mailer {
    from: &'static str,
}

impl Handler<Welcome> for Mailer {
    async fn run(&self, cx: TaskContext, mail: Welcome) -> anyhow::Result<Answer> {
        cx.write_result(format!("{} to {}", self.from, mail.user_id))
            .await?;
        Ok(Answer::Done)
    }
}

#[tokio::test]
async fn a_struct_handles_typed_payloads() {
    let world = World::new().await;
    let server = world.start(Mux::new().handle(Mailer { from: "us" })).await;
    let mail = Task::typed(&Welcome { user_id: 7 }).unwrap();
    assert_eq!(result_of(&world, mail).await, "us to 7");
    server.shutdown().await;
}

#[tokio::test]
async fn an_error_is_stored_with_its_whole_chain() {
    use anyhow::Context as _;
    let world = World::new().await;
    let client = world.client().await;
    let server = world
        .start(|_: TaskContext, _: Task| async {
            let parsed: Result<u32, _> = "x".parse::<u32>();
            parsed.context("width").context("resizing").map(drop)
        })
        .await;
    client
        .enqueue(Task::new("any", "").task_id("task"))
        .await
        .unwrap();
    world.task_is("task", "retry").await;
    assert_eq!(
        world.message("task").await.error_msg,
        "resizing: width: invalid digit found in string"
    );
    server.shutdown().await;
}

#[tokio::test]
async fn a_run_goes_on_after_its_handler_has_cancelled_its_own_token() {
    let world = World::new().await;
    let handler = async |cx: TaskContext, _: Task| {
        // Ends work that the handler has started elsewhere.
        drop(cx.cancellation().clone().drop_guard());
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert_eq!(cx.ended(), None);
        cx.write_result("whole").await?;
        anyhow::Ok(())
    };
    let server = world.server().cancel_grace(Duration::ZERO);
    let server = server.start(handler).await.unwrap();
    assert_eq!(result_of(&world, Task::new("any", "")).await, "whole");
    server.shutdown().await;
}
