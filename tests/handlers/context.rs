//! The context of a run: what it knows, and what it writes.

use rasynq::{
    ErrorKind, MAX_RESULT_SIZE, Progress, RunEnded, Task, TaskContext, TestRun, blocking,
};

#[tokio::test]
async fn the_context_has_what_the_context_of_asynq_has() {
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
async fn a_handler_that_cancels_its_token_does_not_end_the_run() {
    let run = TestRun::new("any");
    let cx = run.context();
    let clone = cx.clone();
    drop(cx.cancellation().clone().drop_guard());
    assert!(clone.cancellation().is_cancelled());
    assert_eq!(cx.ended(), None);
    cx.write_result("still running").await.unwrap();
    run.end(RunEnded::Canceled);
    assert_eq!(cx.ended(), Some(RunEnded::Canceled));
}

#[tokio::test]
async fn a_result_that_redis_would_refuse_is_not_sent() {
    let run = TestRun::new("any");
    let cx = run.context();
    let error = cx.write_result(vec![0; MAX_RESULT_SIZE + 1]).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        error
            .to_string()
            .ends_with("536870913 bytes, it must have at most 536870912")
    );
    // The refused result has not replaced anything.
    cx.progress(Progress::new(1, 2)).await.unwrap();
}

#[tokio::test]
async fn progress_is_stored_in_the_result_field_and_never_replaces_a_result() {
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
async fn a_blocking_handler_continues_when_its_run_is_dropped_and_sees_why() {
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
        answer = run.call(handler, "") => panic!("the run ended: {answer:?}"),
        started = has_started => started.unwrap(),
    }
    run.end(RunEnded::DeadlineExceeded);
    assert_eq!(has_stopped.await.unwrap(), Some(RunEnded::DeadlineExceeded));
}
