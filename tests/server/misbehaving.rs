//! The caller's code panics where the server runs it: in the texts, the sources and the end of errors, in
//! the end of panics and of futures, and in the subscriber of the log.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use rasynq::{
    Answer, ErrorKind, HandlerService, IntoHandler, Mux, RetryDelay, Revoke, Run, SkipRetry, Task,
    TaskContext, TaskKind, blocking,
};
use tokio::time::timeout;
use tracing::span::{Attributes, Id};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{self, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use crate::common::{DEADLINE, Scripted, World, eventually};

/// Panics while it is dropped.
#[derive(Debug)]
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the bomb");
    }
}

/// An error that does what its word says.
#[derive(Debug)]
struct Odd(
    &'static str,
    #[expect(dead_code, reason = "it is only dropped")] Option<Bomb>,
);

fn odd(word: &'static str) -> Odd {
    Odd(word, (word == "drop").then(|| Bomb))
}

impl fmt::Display for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            "display" => f.write_str(&"🦀"[..1]),
            "no text" => Err(fmt::Error),
            word => f.write_str(word),
        }
    }
}

impl std::error::Error for Odd {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.0 {
            "source" => panic!("the source"),
            "endless" => Some(self),
            _ => None,
        }
    }
}

/// Is ready at once, and panics while it is dropped.
struct ReadyBomb(Bomb);

impl Future for ReadyBomb {
    type Output = anyhow::Result<()>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(()))
    }
}

async fn misbehave(_: TaskContext, task: Task) -> anyhow::Result<()> {
    match task.payload() {
        b"panic" => std::panic::panic_any(Bomb),
        b"future" => ReadyBomb(Bomb).await,
        b"skip" => Err(SkipRetry::from_error(odd("display")).into()),
        b"revoke" => Err(Revoke::from_error(odd("source")).into()),
        b"skip source" => Err(SkipRetry::from_error(odd("source")).into()),
        b"context" => Err(anyhow::Error::new(odd("display")).context("sending")),
        word => {
            let words = ["display", "no text", "source", "endless", "drop"];
            let word = words.into_iter().find(|known| known.as_bytes() == word);
            word.map_or(Ok(()), |word| Err(odd(word).into()))
        }
    }
}

/// More of each kind than a server of two workers may hold: what is left in one run would stop it.
const EACH: usize = 5;

async fn assert_settled(world: &World, words: &[(&str, &str, &str)]) {
    let tasks = words.iter().flat_map(|(word, ..)| {
        (0..EACH).map(move |n| Task::new("any", word.to_string()).task_id(format!("{word} {n}")))
    });
    for result in world.client().await.enqueue_batch(tasks).await {
        result.unwrap();
    }
    for (word, state, text) in words {
        for n in 0..EACH {
            let id = format!("{word} {n}");
            world.task_is(&id, state).await;
            let stored = world.message(&id).await.error_msg;
            assert!(stored.contains(text), "{id}: {stored}");
        }
    }
    assert_eq!(world.list("active").await, [""; 0]);
    assert!(world.scores("lease").await.is_empty());
}

#[tokio::test]
async fn an_error_that_misbehaves_ends_its_run_like_any_other() {
    let world = World::new().await;
    let server = world.start_with_workers(2, misbehave).await;
    let unmade = "[the error's text could not be made: ";
    let words = [
        ("display", "retry", unmade),
        ("no text", "retry", unmade),
        ("source", "retry", "the source"),
        ("endless", "retry", "endless: endless: endless"),
        ("drop", "retry", "drop"),
        ("panic", "retry", "a value that is no text"),
        ("future", "retry", "the bomb"),
        ("skip", "archived", unmade),
        ("skip source", "archived", "the source"),
        ("context", "retry", "sending: [the error's text"),
    ];
    assert_settled(&world, &words).await;
    let revoked = Task::new("any", "revoke").task_id("revoked");
    world.client().await.enqueue(revoked).await.unwrap();
    world.task_is("revoked", "").await;
    assert_eq!(
        world.counter("failed").await,
        words.len() as i64 * EACH as i64
    );
    timeout(DEADLINE, server.shutdown()).await.unwrap();
}

#[tokio::test]
async fn a_blocking_handler_may_misbehave_as_well() {
    let world = World::new().await;
    let handler = blocking(|_: TaskContext, task: Task| match task.payload() {
        b"panic" => std::panic::panic_any(Bomb),
        b"drop" => Err::<(), _>(odd("drop")),
        _ => Err(odd("display")),
    });
    let server = world.start_with_workers(2, handler).await;
    let words = [
        ("display", "retry", "the error's text could not be made"),
        ("drop", "retry", "drop"),
        ("panic", "retry", "a value that is no text"),
    ];
    assert_settled(&world, &words).await;
    timeout(DEADLINE, server.shutdown()).await.unwrap();
}

#[tokio::test]
async fn hooks_that_misbehave_change_nothing() {
    let world = World::new().await;
    let [first, second, third, fourth, fifth] = [(); 5].map(|()| Bomb);
    let handler = move |_: TaskContext, _: Task| {
        let _ = &fifth;
        async { Err::<(), _>(odd("display")) }
    };
    let server = world
        .server()
        .concurrency(2)
        .retry_delay(RetryDelay::new(move |_, error, _| {
            let _ = &first;
            // Not `panic!("{error}")`: a panic while a panic is printed ends the process.
            let text = error.to_string();
            panic!("{text}")
        }))
        .is_failure(move |error| {
            let _ = &second;
            !error.to_string().is_empty()
        })
        .error_handler(move |_, _, _| {
            let _ = &third;
            std::panic::panic_any(Bomb)
        })
        .health_check_interval(Duration::from_millis(10))
        .health_check(move |_| {
            let _ = &fourth;
            std::panic::panic_any(Bomb)
        })
        .start(Mux::new().route("any", handler))
        .await
        .unwrap();
    let words = [("x", "retry", "the error's text could not be made")];
    assert_settled(&world, &words).await;
    timeout(DEADLINE, server.shutdown()).await.unwrap();
}

/// A payload that panics while it is decoded.
struct Undecodable;

impl TaskKind for Undecodable {
    const TYPE: &'static str = "decode";
}

impl<'de> serde::Deserialize<'de> for Undecodable {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("decoding")
    }
}

/// A tower service that panics in one of its methods, or while it is cloned.
struct OddService(&'static str);

impl Clone for OddService {
    fn clone(&self) -> Self {
        assert_ne!(self.0, "clone", "the service");
        Self(self.0)
    }
}

impl tower::Service<Run> for OddService {
    type Response = Answer;
    type Error = anyhow::Error;
    type Future = std::future::Pending<Result<Answer, anyhow::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), anyhow::Error>> {
        assert_ne!(self.0, "ready", "the service");
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Run) -> Self::Future {
        panic!("the service")
    }
}

#[tokio::test]
async fn codecs_and_services_may_misbehave_as_well() {
    let world = World::new().await;
    let decode = async |_: TaskContext, _: Undecodable| anyhow::Ok(());
    let server = Mux::new()
        .handle(decode)
        .route("clone", HandlerService::from_tower(OddService("clone")))
        .route("ready", HandlerService::from_tower(OddService("ready")))
        .route("call", HandlerService::from_tower(OddService("call")));
    let server = world.start_with_workers(2, server).await;
    let client = world.client().await;
    for (task_type, text) in [
        ("decode", "decoding"),
        ("clone", "the service"),
        ("ready", "the service"),
        ("call", "the service"),
    ] {
        for n in 0..EACH {
            let id = format!("{task_type} {n}");
            client
                .enqueue(Task::new(task_type, "{}").task_id(&id))
                .await
                .unwrap();
            world.task_is(&id, "retry").await;
            let stored = world.message(&id).await.error_msg;
            assert!(stored.contains(text), "{id}: {stored}");
        }
    }
    timeout(DEADLINE, server.shutdown()).await.unwrap();
}

#[tokio::test]
async fn a_future_that_panics_when_its_run_is_ended_changes_nothing() {
    let world = World::new().await;
    let begun = Scripted::new();
    let handler = begun.clone();
    let handler = move |cx: TaskContext, task: Task| {
        let handler = handler.clone();
        async move {
            let _bomb = Bomb;
            rasynq::Handler::run(&handler, cx, task).await
        }
    };
    let server = world.server().concurrency(2).cancel_grace(Duration::ZERO);
    let server = server.start(handler).await.unwrap();
    let client = world.client().await;
    for n in 0..EACH {
        let id = format!("{n}");
        client
            .enqueue(Task::new("any", "wait").task_id(&id))
            .await
            .unwrap();
        begun.has_begun(n + 1).await;
        world.cancel(&id).await;
        world.task_is(&id, "retry").await;
        assert_eq!(world.message(&id).await.error_msg, "context canceled");
    }
    client
        .enqueue(Task::new("any", "wait").task_id("last"))
        .await
        .unwrap();
    begun.has_begun(EACH + 1).await;
    timeout(DEADLINE, server.shutdown_now()).await.unwrap();
    assert_eq!(world.list("pending").await, ["last"]);
}

/// Panics at each event with this message, or in this callback for the span of a run.
struct PanicsAt {
    place: &'static str,
    panics: Arc<AtomicUsize>,
}

impl PanicsAt {
    /// It is the subscriber of this thread until the guard is dropped.
    fn install(place: &'static str) -> (Arc<AtomicUsize>, DefaultGuard) {
        let panics = Arc::default();
        let layer = Self {
            place,
            panics: Arc::clone(&panics),
        };
        let subscriber = tracing_subscriber::registry().with(layer);
        (panics, tracing::subscriber::set_default(subscriber))
    }

    fn is_at(&self, place: &str) {
        if self.place == place {
            self.panics.fetch_add(1, Ordering::Relaxed);
            panic!("the subscriber");
        }
    }

    fn is_in<S>(&self, callback: &str, id: &Id, context: &layer::Context<'_, S>)
    where
        S: Subscriber + for<'l> LookupSpan<'l>,
    {
        if context.span(id).is_some_and(|span| span.name() == "run") {
            self.is_at(callback);
        }
    }
}

impl<S: Subscriber + for<'l> LookupSpan<'l>> Layer<S> for PanicsAt {
    fn on_new_span(&self, _: &Attributes<'_>, id: &Id, context: layer::Context<'_, S>) {
        self.is_in("on_new_span", id, &context);
    }

    fn on_enter(&self, id: &Id, context: layer::Context<'_, S>) {
        self.is_in("on_enter", id, &context);
    }

    fn on_exit(&self, id: &Id, context: layer::Context<'_, S>) {
        self.is_in("on_exit", id, &context);
    }

    fn on_close(&self, id: Id, context: layer::Context<'_, S>) {
        self.is_in("on_close", &id, &context);
    }

    fn on_event(&self, event: &Event<'_>, _: layer::Context<'_, S>) {
        struct Message(String);
        impl tracing::field::Visit for Message {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        self.is_at(&message.0);
    }
}

#[tokio::test]
async fn a_subscriber_that_panics_about_a_run_changes_no_outcome() {
    const UNDECODABLE: &str = "a message does not decode, archiving its task unchanged";
    let world = World::new().await;
    let client = world.client().await;
    let words = [
        ("ok", "ok", ""),
        ("fail", "fail x", "retry"),
        ("skip", "skip x", "archived"),
        ("revoke", "revoke x", ""),
        ("snooze", "snooze 90", "scheduled"),
        ("thread", "", ""),
    ];
    for (round, place) in [
        "done",
        "failed, will be retried",
        "archived: no retry is left, or the error forbids it",
        "revoked",
        "snoozed",
        UNDECODABLE,
        "on_new_span",
        "on_enter",
        "on_exit",
        "on_close",
    ]
    .into_iter()
    .enumerate()
    {
        let (panics, _guard) = PanicsAt::install(place);
        let on_thread = blocking(|_: TaskContext, _: Task| anyhow::Ok(()));
        let mux = Mux::new()
            .route("any", Scripted::new())
            .route("thread", on_thread.into_service().unwrap());
        let server = world.start_with_workers(2, mux).await;
        let undecodable = format!("undecodable {round}");
        world.store_pending("default", &undecodable, "\u{1}x").await;
        let tasks = words.iter().flat_map(|(word, payload, _)| {
            let task_type = if *word == "thread" { "thread" } else { "any" };
            (0..EACH)
                .map(move |n| Task::new(task_type, *payload).task_id(format!("{word} {round} {n}")))
        });
        for result in client.enqueue_batch(tasks).await {
            result.unwrap();
        }
        for (word, _, state) in &words {
            for n in 0..EACH {
                let id = format!("{word} {round} {n}");
                eventually(&format!("{place}: {id} is {state:?}"), DEADLINE, || async {
                    world.state(&id).await == *state
                })
                .await;
            }
        }
        world.task_is(&undecodable, "archived").await;
        timeout(DEADLINE, server.shutdown()).await.unwrap();
        assert_eq!(world.list("active").await, [""; 0]);
        assert!(panics.load(Ordering::Relaxed) > 0, "{place}");
    }
    let rounds = 10 * EACH as i64;
    assert_eq!(world.counter("failed").await, 2 * rounds);
}

#[tokio::test]
async fn a_subscriber_that_panics_about_an_aborted_run_changes_nothing() {
    let world = World::new().await;
    let (panics, _guard) = PanicsAt::install("aborted the run, its task is requeued");
    let handler = Scripted::new();
    let server = world.start_with_workers(2, handler.clone()).await;
    let client = world.client().await;
    client
        .enqueue(Task::new("any", "wait").task_id("task"))
        .await
        .unwrap();
    handler.has_begun(1).await;
    timeout(DEADLINE, server.shutdown_now()).await.unwrap();
    assert_eq!(world.list("pending").await, ["task"]);
    assert_eq!(panics.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_part_of_the_server_that_panics_ends_the_server_in_order() {
    let world = World::new().await;
    let (_panics, _guard) = PanicsAt::install("cancelled");
    let handler = Scripted::new();
    let server = world
        .server()
        .serve_until(handler.clone(), std::future::pending());
    let client = world.client().await;
    let inspector = world.inspector().await;
    let task = Task::new("any", "wait").task_id("task");
    client.enqueue(task).await.unwrap();
    let cancel = async {
        handler.has_begun(1).await;
        // The server subscribes to cancellations while the task may run already.
        eventually("the server ends", DEADLINE, || async {
            inspector.cancel_processing("task").await.unwrap();
            let servers: i64 = world.run(&["ZCARD", "asynq:servers"]).await;
            servers == 0
        })
        .await;
    };
    let (ended, ()) = timeout(DEADLINE, async { tokio::join!(server, cancel) })
        .await
        .unwrap();
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Internal);
    assert_eq!(world.list("active").await, [""; 0]);
    world.assert_consistent().await;
}
