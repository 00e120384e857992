//! Handlers without a server: what can be one, what it answers, how a mux chooses it.

#![expect(clippy::unwrap_used, reason = "what a test expects")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use rasynq::{
    Answer, Codec, ErrorKind, Handler, HandlerNotFound, HandlerService, IntoHandler, IntoTask, Mux,
    Panic, PayloadError, Progress, Protobuf, RetryAfter, Revoke, Run, RunEnded, SkipRetry, Task,
    TaskContext, TaskKind, TestRun, UndecodablePayload, blocking, find_error, is_panic,
};
use serde::{Deserialize, Serialize};
use tower::limit::ConcurrencyLimitLayer;
use tower::timeout::TimeoutLayer;
use tower::util::{MapRequestLayer, MapResponseLayer};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Welcome {
    user_id: u64,
}

impl TaskKind for Welcome {
    const TYPE: &'static str = "email:welcome";
}

async fn welcome(cx: TaskContext, mail: Welcome) -> anyhow::Result<()> {
    cx.write_result(format!("welcome {}", mail.user_id)).await?;
    Ok(())
}

async fn untyped(cx: TaskContext, task: Task) -> anyhow::Result<()> {
    cx.write_result(format!("{} {}", task.task_type(), task.payload().len()))
        .await?;
    Ok(())
}

/// A handler that writes its name as the result.
fn named(name: &'static str) -> HandlerService {
    HandlerService::from_tower(tower::service_fn(move |run: Run| async move {
        run.context.write_result(name).await?;
        Ok::<_, anyhow::Error>(Answer::Done)
    }))
}

/// The result that the mux writes for this type.
async fn result_of<M>(handler: impl IntoHandler<M>, task_type: &str) -> anyhow::Result<String> {
    let run = TestRun::new(task_type);
    run.call(handler, "{}").await?;
    let result = run.result().context("no result")?;
    Ok(String::from_utf8(result.to_vec())?)
}

fn text(error: &anyhow::Error) -> String {
    format!("{error:#}")
}

#[tokio::test]
async fn functions_closures_and_structs_are_handlers_typed_or_not() {
    struct Mailer {
        from: &'static str,
    }
    impl Handler<Welcome> for Mailer {
        async fn run(&self, cx: TaskContext, mail: Welcome) -> anyhow::Result<Answer> {
            let text = format!("{} to {}", self.from, mail.user_id);
            cx.write_result(text).await?;
            Ok(Answer::Done)
        }
    }
    struct Counter(AtomicUsize);
    impl Handler for Counter {
        async fn run(&self, cx: TaskContext, task: Task) -> anyhow::Result<Answer> {
            self.0.fetch_add(task.payload().len(), Ordering::Relaxed);
            cx.write_json(&self.0.load(Ordering::Relaxed)).await?;
            Ok(Answer::Done)
        }
    }
    let payload = r#"{"user_id":42}"#;
    let run = TestRun::new("email:welcome");

    run.call(welcome, payload).await.unwrap();
    assert_eq!(run.result().unwrap(), "welcome 42");
    run.call(untyped, payload).await.unwrap();
    assert_eq!(run.result().unwrap(), "email:welcome 14");
    run.call(Mailer { from: "us" }, payload).await.unwrap();
    assert_eq!(run.result().unwrap(), "us to 42");
    run.call(Counter(AtomicUsize::new(1)), payload)
        .await
        .unwrap();
    assert_eq!(run.result().unwrap(), "15");

    let greeting = Arc::new("hello".to_owned());
    let shared = Arc::clone(&greeting);
    let closure = move |cx: TaskContext, mail: Welcome| {
        let greeting = Arc::clone(&shared);
        async move {
            cx.write_result(format!("{greeting} {}", mail.user_id))
                .await
        }
    };
    run.call(closure, payload).await.unwrap();
    assert_eq!(run.result().unwrap(), "hello 42");

    run.call(
        blocking(|_cx: TaskContext, mail: Welcome| {
            anyhow::ensure!(mail.user_id == 42);
            Ok(())
        }),
        payload,
    )
    .await
    .unwrap();
    let mux = Mux::new()
        .handle(welcome)
        .route("a", untyped)
        .route("b", Mailer { from: "us" })
        .route(
            "c",
            blocking(|_: TaskContext, _: Task| Ok::<_, std::fmt::Error>(Answer::Done)),
        );
    run.call(mux, payload).await.unwrap();
    assert_eq!(run.result().unwrap(), "welcome 42");
}

#[tokio::test]
async fn a_handler_answers_done_or_snooze() {
    let run = TestRun::new("any");
    let snooze = |_: TaskContext, _: Task| async {
        Ok::<_, std::io::Error>(Answer::Snooze(Duration::from_secs(5)))
    };
    assert_eq!(run.call(untyped, "").await.unwrap(), Answer::Done);
    assert_eq!(
        run.call(snooze, "").await.unwrap(),
        Answer::Snooze(Duration::from_secs(5))
    );
}

#[tokio::test]
async fn typed_values_become_tasks_by_value_and_by_reference() {
    fn task<M>(value: impl IntoTask<M>) -> Task {
        value.into_task().unwrap()
    }
    let mail = Welcome { user_id: 42 };
    let expected = Task::new("email:welcome", r#"{"user_id":42}"#);
    assert_eq!(task(&mail), expected);
    assert_eq!(task(mail.clone()), expected);
    assert_eq!(task(expected.clone()), expected);
    assert_eq!(Task::typed(&mail).unwrap(), expected);
    let back: Welcome = expected.decode().unwrap();
    assert_eq!(back, mail);
}

#[tokio::test]
async fn a_protobuf_payload_is_written_and_read() {
    #[derive(Clone, PartialEq, prost::Message)]
    struct Resize {
        #[prost(string, tag = "1")]
        image: String,
    }
    impl TaskKind<Protobuf> for Resize {
        const TYPE: &'static str = "image:resize";
    }
    async fn resize(cx: TaskContext, it: Resize) -> Result<(), rasynq::Error> {
        cx.write_result(it.image).await
    }
    let task = Task::typed(&Resize {
        image: "a.png".into(),
    })
    .unwrap();
    assert_eq!(task.task_type(), "image:resize");
    assert_eq!(task.payload(), b"\x0a\x05a.png");
    let run = TestRun::new("image:resize");
    run.call(Mux::new().handle(resize), task.payload_bytes())
        .await
        .unwrap();
    assert_eq!(run.result().unwrap(), "a.png");

    let error = run.call(resize, "\u{a}\u{20}secret").await.unwrap_err();
    assert!(find_error::<PayloadError>(&error).is_some());
    assert!(!text(&error).contains("secret"), "{error:#}");
}

#[tokio::test]
async fn a_value_that_does_not_encode_is_a_clear_error() {
    struct Broken;
    struct Never;
    impl Codec<Broken> for Never {
        fn encode(_: &Broken) -> anyhow::Result<Bytes> {
            Err(anyhow::anyhow!("inner").context("outer"))
        }
        fn decode(_: &Bytes) -> anyhow::Result<Broken> {
            anyhow::bail!("never")
        }
    }
    impl TaskKind<Never> for Broken {
        const TYPE: &'static str = "broken";
    }
    let error = Broken.into_task().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let text = error.to_string();
    assert!(
        text.starts_with("payload of task type \"broken\" does not encode"),
        "{text}"
    );
    assert!(text.ends_with("Broken: outer: inner"), "{text}");
}

#[tokio::test]
async fn a_payload_that_does_not_decode_says_type_and_place_and_not_itself() {
    let run = TestRun::new("email:welcome");
    let error = run
        .call(welcome, r#"{"user_id":"secret"}"#)
        .await
        .unwrap_err();
    let payload = find_error::<PayloadError>(&error).unwrap();
    assert_eq!(payload.task_type(), "email:welcome");
    assert!(payload.rust_type().ends_with("::Welcome"));
    assert_eq!(payload.reason(), "expected u64 at line 1 column 19");
    assert_eq!(
        text(&error),
        format!(
            "payload of task type \"email:welcome\" does not decode as {}: \
             expected u64 at line 1 column 19",
            payload.rust_type()
        )
    );
    assert!(find_error::<SkipRetry>(&error).is_none());
}

#[tokio::test]
async fn a_payload_that_does_not_decode_is_archived_by_choice() {
    let run = TestRun::new("email:welcome");
    let archive = || Mux::new().on_undecodable(UndecodablePayload::Archive);
    let retry = || Mux::new().on_undecodable(UndecodablePayload::Retry);
    let on_thread = || blocking(|_: TaskContext, _: Welcome| anyhow::Ok(()));
    let skips = async |mux: Mux| {
        let error = run.call(mux, "[]").await.unwrap_err();
        assert!(find_error::<PayloadError>(&error).is_some(), "{error:?}");
        assert!(
            text(&error).starts_with("payload of task type"),
            "{error:#}"
        );
        find_error::<SkipRetry>(&error).is_some()
    };
    assert!(!skips(Mux::new().handle(welcome)).await);
    assert!(skips(archive().handle(welcome)).await);
    assert!(
        skips(
            Mux::new()
                .handle(welcome)
                .on_undecodable(UndecodablePayload::Archive)
        )
        .await
    );
    assert!(skips(archive().handle(on_thread())).await);
    // A mux within has the outer one's choice unless it has its own.
    assert!(skips(archive().route("email:", Mux::new().handle(welcome))).await);
    assert!(!skips(archive().route("email:", retry().handle(welcome))).await);
}

#[tokio::test]
async fn control_answers_come_through_with_their_texts() {
    let run = TestRun::new("any");
    let error = run
        .call(
            |_: TaskContext, _: Task| async {
                let parsed = "x".parse::<u32>().map_err(SkipRetry::from_error);
                parsed.context("parsing")?;
                anyhow::Ok(())
            },
            "",
        )
        .await
        .unwrap_err();
    assert!(find_error::<SkipRetry>(&error).is_some());
    assert_eq!(text(&error), "parsing: invalid digit found in string");

    let revoke = |_: TaskContext, _: Task| async { Err::<(), _>(Revoke::new("not needed")) };
    let error = run.call(revoke, "").await.unwrap_err();
    assert!(find_error::<Revoke>(&error).is_some());

    let later = |_: TaskContext, _: Task| async {
        Err::<(), _>(RetryAfter::new(Duration::from_secs(9), "busy"))
    };
    let error = run.call(later, "").await.unwrap_err();
    assert_eq!(
        find_error::<RetryAfter>(&error).unwrap().delay(),
        Duration::from_secs(9)
    );
}

#[tokio::test]
async fn a_panic_is_an_error_with_its_place() {
    async fn explode(_cx: TaskContext, task: Task) -> anyhow::Result<()> {
        tokio::task::yield_now().await;
        panic!("cannot do {}", task.task_type())
    }
    let line = line!() - 2;
    let run = TestRun::new("a");
    let on_thread =
        blocking(|_: TaskContext, _: Task| -> anyhow::Result<()> { panic!("on a thread") });
    let at_once = |_: TaskContext, _: Task| -> std::future::Ready<anyhow::Result<()>> {
        panic!("before the future")
    };

    let error = run.call(explode, "").await.unwrap_err();
    assert!(is_panic(&error));
    assert_eq!(
        text(&error),
        format!(
            "panic error cause by: panic [{}:{line}]: cannot do a",
            file!()
        )
    );
    let error = run.call(on_thread, "").await.unwrap_err();
    assert_eq!(
        find_error::<Panic>(&error).unwrap().location().unwrap().0,
        file!()
    );
    assert!(text(&error).ends_with("]: on a thread"), "{error:#}");
    let error = run.call(at_once, "").await.unwrap_err();
    assert!(text(&error).ends_with("]: before the future"), "{error:#}");
    // Also from within layers and a mux.
    let mux = Mux::new()
        .layer(TimeoutLayer::new(Duration::from_secs(60)))
        .route("a", explode);
    assert!(is_panic(&run.call(mux, "").await.unwrap_err()));
}

// asynq: ServeMux.match
#[tokio::test]
async fn the_mux_takes_the_exact_type_then_the_longest_prefix() {
    let mux = || {
        Mux::new()
            .route("email:", named("email:"))
            .route("email:signup", named("email:signup"))
            .route("csv:", named("csv:"))
            .route("email:signup:late", named("email:signup:late"))
            .handle(welcome)
    };
    for (task_type, pattern) in [
        ("email:signup", "email:signup"),
        ("email:signup:early", "email:signup"),
        ("email:signup:late", "email:signup:late"),
        ("email:daily", "email:"),
        ("email:", "email:"),
        ("csv:export", "csv:"),
    ] {
        assert_eq!(
            result_of(mux(), task_type).await.unwrap(),
            pattern,
            "{task_type}"
        );
    }
    for task_type in ["", "email", "image:resize", "xcsv:"] {
        let error = result_of(mux(), task_type).await.unwrap_err();
        let unknown = find_error::<HandlerNotFound>(&error).unwrap();
        assert_eq!(unknown.task_type(), task_type);
        assert_eq!(
            text(&error),
            format!("handler not found for task \"{task_type}\"")
        );
    }
}

#[test]
fn a_mistake_in_the_mux_is_an_error_and_never_a_panic() {
    for (mux, text) in [
        (
            Mux::new().route(" \t", untyped),
            "a pattern of the mux is blank",
        ),
        (
            Mux::new()
                .handle(welcome)
                .route("email:welcome", untyped)
                .route("", untyped),
            "pattern \"email:welcome\" of the mux has two handlers",
        ),
    ] {
        let error = mux.validate().unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string()),
            (ErrorKind::Invalid, text.to_owned())
        );
        let error = Mux::new().route("outer:", mux).into_service().unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string()),
            (ErrorKind::Invalid, text.to_owned())
        );
    }
    Mux::new().validate().unwrap();
}

#[tokio::test]
async fn layers_run_in_the_order_they_were_added_for_unknown_types_too() {
    #[derive(Clone, Debug, PartialEq)]
    struct Trace(String);
    let add = |name: &'static str| {
        MapRequestLayer::new(move |mut run: Run| {
            let before = run.context.state::<Trace>().map(|it| it.0.clone());
            let trace = Trace(before.unwrap_or_default() + name);
            run.context = run.context.with_state(Arc::new(trace));
            run
        })
    };
    let show = |cx: TaskContext, _: Task| async move {
        let trace = cx.state::<Trace>().map(|it| it.0.clone());
        cx.write_result(trace.unwrap_or_default()).await
    };
    let mux = Mux::new()
        .layer(add("1"))
        .route("a", show.layered(add("4")).layered(add("3")))
        .route("b", show)
        .layer(add("2"));
    assert_eq!(result_of(mux, "a").await.unwrap(), "1234");
    let mux = Mux::new().layer(add("1")).route("b", show);
    assert_eq!(result_of(mux, "b").await.unwrap(), "1");

    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    let mux = Mux::new().layer(MapRequestLayer::new(move |run: Run| {
        count.fetch_add(1, Ordering::Relaxed);
        run
    }));
    let error = result_of(mux, "nobody").await.unwrap_err();
    assert!(find_error::<HandlerNotFound>(&error).is_some());
    assert_eq!(seen.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn towers_own_layers_fit_and_errors_go_through_them_whole() {
    let failing = |_: TaskContext, _: Task| async { Err::<(), _>(SkipRetry::new("bad input")) };
    let mux = Mux::new()
        .layer(TimeoutLayer::new(Duration::from_secs(60)))
        .layer(ConcurrencyLimitLayer::new(2))
        .layer(MapResponseLayer::new(|_: Answer| {
            Answer::Snooze(Duration::ZERO)
        }))
        .layer(TimeoutLayer::new(Duration::from_secs(60)))
        .route("bad", failing)
        .handle(welcome.layered(ConcurrencyLimitLayer::new(1)));
    let service = mux.into_service().unwrap();
    let error = TestRun::new("bad")
        .call(service.clone(), "")
        .await
        .unwrap_err();
    assert!(find_error::<SkipRetry>(&error).is_some(), "{error:?}");
    assert_eq!(text(&error), "bad input");
    let error = TestRun::new("unknown")
        .call(service.clone(), "")
        .await
        .unwrap_err();
    assert!(find_error::<HandlerNotFound>(&error).is_some());
    let run = TestRun::new("email:welcome");
    let answer = run.call(service, r#"{"user_id":1}"#).await.unwrap();
    assert_eq!(answer, Answer::Snooze(Duration::ZERO));
    assert_eq!(run.result().unwrap(), "welcome 1");
}

#[tokio::test]
async fn a_timeout_layer_ends_a_run_with_towers_error() {
    let slow = |_: TaskContext, _: Task| async {
        std::future::pending::<()>().await;
        anyhow::Ok(())
    };
    let error = TestRun::new("slow")
        .call(slow.layered(TimeoutLayer::new(Duration::from_secs(1))), "")
        .await
        .unwrap_err();
    assert!(find_error::<tower::timeout::error::Elapsed>(&error).is_some());
    assert_eq!(text(&error), "request timed out");
}

#[tokio::test]
async fn a_limit_layer_holds_across_runs() {
    let most = Arc::new(AtomicUsize::new(0));
    let now = Arc::new(AtomicUsize::new(0));
    let (seen, running) = (Arc::clone(&most), Arc::clone(&now));
    let handler = move |_: TaskContext, _: Task| {
        let (seen, running) = (Arc::clone(&seen), Arc::clone(&running));
        async move {
            seen.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            running.fetch_sub(1, Ordering::SeqCst);
            anyhow::Ok(())
        }
    };
    let service = handler
        .layered(ConcurrencyLimitLayer::new(3))
        .into_service()
        .unwrap();
    let run = TestRun::new("any");
    let runs = (0..20).map(|_| run.call(service.clone(), ""));
    for answer in futures_util::future::join_all(runs).await {
        answer.unwrap();
    }
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn state_is_shared_by_type_and_a_mux_within_covers_the_outer_ones() {
    let show = |cx: TaskContext, _: Task| async move {
        let number = cx.state::<u32>().map(|it| *it);
        let word = cx.state::<String>().map(|it| (*it).clone());
        cx.write_result(format!("{number:?} {word:?} {:?}", cx.state::<u8>()))
            .await
    };
    let inner = Mux::new().state(Arc::new(2_u32)).route("in:", show);
    let mux = Mux::new()
        .state(Arc::new(0_u32))
        .state(Arc::new(1_u32))
        .state(Arc::new("word".to_owned()))
        .route("in:", inner)
        .route("out:", show)
        .into_service()
        .unwrap();
    let result = async |task_type| result_of(mux.clone(), task_type).await.unwrap();
    assert_eq!(result("in:x").await, "Some(2) Some(\"word\") None");
    assert_eq!(result("out:x").await, "Some(1) Some(\"word\") None");
    assert_eq!(result_of(show, "x").await.unwrap(), "None None None");
}

#[tokio::test]
async fn the_context_tells_what_asynqs_does() {
    let deadline = chrono::Utc::now();
    let run = TestRun::new("email:welcome")
        .task_id("1f3")
        .queue("critical")
        .retried(2)
        .max_retry(3)
        .header("trace", "abc")
        .deadline(deadline);
    let cx = run.context();
    assert_eq!(
        (cx.task_id(), cx.queue(), cx.task_type()),
        ("1f3", "critical", "email:welcome")
    );
    assert_eq!(
        (cx.retried(), cx.max_retry(), cx.is_last_try()),
        (2, 3, false)
    );
    assert_eq!(cx.headers().get("trace").map(String::as_str), Some("abc"));
    assert_eq!(cx.deadline(), Some(deadline));
    assert!(!cx.cancellation().is_cancelled());
    assert_eq!(cx.ended(), None);
}

#[tokio::test]
async fn a_result_is_refused_once_the_run_has_ended() {
    for cause in [
        RunEnded::Canceled,
        RunEnded::DeadlineExceeded,
        RunEnded::LeaseExpired,
    ] {
        let run = TestRun::new("any").task_id("1f3");
        let cx = run.context();
        cx.write_result("early").await.unwrap();
        run.end(cause);
        run.end(RunEnded::LeaseExpired);
        assert!(cx.cancellation().is_cancelled());
        assert_eq!(cx.ended(), Some(cause));
        let error = cx.write_result("late").await.unwrap_err();
        assert_eq!(
            (error.kind(), error.task_id()),
            (ErrorKind::Closed, Some("1f3"))
        );
        assert!(error.to_string().ends_with(&cause.to_string()), "{error}");
        assert_eq!(run.result().unwrap(), "early");
    }
}

#[tokio::test]
async fn progress_stands_where_the_result_will_be_and_never_replaces_it() {
    let run = TestRun::new("any");
    let cx = run.context();
    for (progress, json) in [
        (
            Progress::new(3, 10),
            r#"{"progress":{"done":3,"total":10,"percent":30}}"#,
        ),
        (
            Progress::new(2, 3),
            r#"{"progress":{"done":2,"total":3,"percent":66}}"#,
        ),
        (Progress::new(5, 0), r#"{"progress":{"done":5,"total":0}}"#),
        (
            Progress::new(9, 3),
            r#"{"progress":{"done":9,"total":3,"percent":100}}"#,
        ),
        (
            Progress::new(u64::MAX, u64::MAX).message("a \"b\""),
            r#"{"progress":{"done":18446744073709551615,"total":18446744073709551615,"percent":100,"message":"a \"b\""}}"#,
        ),
    ] {
        cx.progress(progress).await.unwrap();
        assert_eq!(run.result().unwrap(), json);
    }
    cx.write_result("the end").await.unwrap();
    let error = cx.progress(Progress::new(1, 2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongState);
    assert_eq!(run.result().unwrap(), "the end");
}

#[tokio::test]
async fn a_blocking_handler_goes_on_when_its_run_is_dropped_and_sees_the_end() {
    let (started, has_started) = tokio::sync::oneshot::channel();
    let (stopped, has_stopped) = tokio::sync::oneshot::channel();
    let channels = std::sync::Mutex::new(Some((started, stopped)));
    let handler = blocking(move |cx: TaskContext, _: Task| {
        let (started, stopped) = channels.lock().unwrap().take().unwrap();
        started.send(()).unwrap();
        tokio::runtime::Handle::current().block_on(cx.cancellation().cancelled());
        stopped.send(cx.ended()).unwrap();
        anyhow::Ok(())
    });
    let run = TestRun::new("any");
    tokio::select! {
        answer = run.call(handler, "") => panic!("it answers {answer:?}"),
        started = has_started => started.unwrap(),
    }
    run.end(RunEnded::DeadlineExceeded);
    assert_eq!(has_stopped.await.unwrap(), Some(RunEnded::DeadlineExceeded));
}

#[tokio::test]
async fn a_handler_that_panics_when_it_is_dropped_stops_nobody() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    let handler = |_: TaskContext, _: Task| async {
        let _bomb = Bomb;
        std::future::pending::<()>().await;
        anyhow::Ok(())
    };
    let run = TestRun::new("any");
    tokio::select! {
        biased;
        answer = run.call(handler, "") => panic!("it answers {answer:?}"),
        () = std::future::ready(()) => {}
    }
}

/// The handler's part of the design page's twelve lines, and of the lines around them.
#[test]
fn the_twelve_lines_compile() {
    async fn resize(_cx: TaskContext, _task: Task) -> Result<Answer, std::io::Error> {
        Ok(Answer::Done)
    }
    fn serve<M>(handler: impl IntoHandler<M>) -> rasynq::Result<HandlerService> {
        handler.into_service()
    }
    serve(Mux::new().handle(welcome)).unwrap();
    serve(Mux::new().handle(welcome).route("image:", resize)).unwrap();
    serve(welcome).unwrap();
    serve(resize).unwrap();
    serve(resize.layered(ConcurrencyLimitLayer::new(1))).unwrap();
}

#[test]
fn runs_contexts_and_their_futures_can_be_sent_to_other_threads() {
    fn is_send_sync<T: Send + Sync>() {}
    fn is_send<T: Send>(_: &T) {}
    is_send_sync::<TaskContext>();
    is_send_sync::<HandlerService>();
    is_send_sync::<Run>();
    is_send_sync::<TestRun>();
    let run = TestRun::new("any");
    is_send(&run.call(untyped, ""));
    is_send(&Mux::new().handle(welcome));
}
