//! Layers of `tower` around a mux and around one handler.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rasynq::{
    Answer, HandlerNotFound, IntoHandler, Mux, Run, SkipRetry, Task, TaskContext, TestRun,
    find_error,
};
use tower::limit::ConcurrencyLimitLayer;
use tower::timeout::TimeoutLayer;
use tower::util::{MapRequestLayer, MapResponseLayer};

use crate::{result_of, text, welcome};

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
async fn layers_of_tower_can_be_used_and_keep_errors_intact() {
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
async fn a_timeout_layer_fails_a_run_with_the_error_of_tower() {
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
async fn a_concurrency_limit_layer_is_shared_by_all_runs() {
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
