//! What can be a handler, and what it returns.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use rasynq::{
    Answer, Handler, HandlerService, IntoHandler, Mux, RetryAfter, Revoke, Run, SkipRetry, Task,
    TaskContext, TestRun, blocking, find_error,
};
use tower::limit::ConcurrencyLimitLayer;

use crate::{Welcome, text, untyped, welcome};

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
async fn a_handler_returns_done_or_snooze() {
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
async fn control_errors_keep_their_types_and_texts() {
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

/// The handlers of the example in the README, and variants of it.
#[test]
fn the_handlers_of_the_quick_start_compile() {
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
