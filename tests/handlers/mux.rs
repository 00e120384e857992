//! Which handler a mux chooses, and the state it shares.

use std::sync::Arc;
use std::time::Duration;

use rasynq::{
    ErrorKind, HandlerNotFound, IntoHandler, Mux, RetryDelay, Task, TaskContext, TaskKind, TestRun,
    find_error,
};
use serde::{Deserialize, Serialize};

use crate::common::Log;
use crate::common::logged::{EMPTY_MUX, ODD_PATTERN, REPEATED_PREFIX, UNREACHABLE};
use crate::{Welcome, named, result_of, text, untyped, welcome};

// asynq: ServeMux.match
#[tokio::test]
async fn the_mux_prefers_the_exact_type_then_the_longest_prefix() {
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
        let missing = find_error::<HandlerNotFound>(&error).unwrap();
        assert_eq!(missing.task_type(), task_type);
        assert_eq!(
            text(&error),
            format!("handler not found for task \"{task_type}\"")
        );
    }
}

#[tokio::test]
async fn a_typed_handler_gets_its_exact_type_and_no_longer_one() {
    for task_type in ["email:welcome_back", "email:welcome:late", "email:"] {
        let error = result_of(Mux::new().handle(welcome), task_type)
            .await
            .unwrap_err();
        let missing = find_error::<HandlerNotFound>(&error).unwrap();
        assert_eq!(missing.task_type(), task_type);
    }
    // The type may be a pattern too. The typed handler gets the type, the pattern all longer ones.
    let mux = || {
        Mux::new()
            .route("email:welcome", named("pattern"))
            .route("email:", named("shorter"))
            .handle(welcome)
    };
    let run = TestRun::new("email:welcome");
    run.call(mux(), r#"{"user_id":7}"#).await.unwrap();
    assert_eq!(run.result().unwrap(), "welcome 7");
    for (task_type, pattern) in [
        ("email:welcome_back", "pattern"),
        ("email:welcom", "shorter"),
        ("email:goodbye", "shorter"),
    ] {
        assert_eq!(result_of(mux(), task_type).await.unwrap(), pattern);
    }
}

#[tokio::test]
async fn a_layered_or_blocking_typed_handler_gets_its_exact_type_too() {
    let layered = || welcome.layered(tower::layer::util::Identity::new());
    let on_thread = || rasynq::blocking(|_: TaskContext, _: Welcome| anyhow::Ok(()));
    for mux in [
        Mux::new().handle(layered()),
        Mux::new().handle(on_thread()),
        Mux::new().route("email:", Mux::new().handle(welcome)),
    ] {
        let error = result_of(mux, "email:welcome_back").await.unwrap_err();
        assert!(find_error::<HandlerNotFound>(&error).is_some(), "{error:#}");
    }
}

#[tokio::test]
async fn what_is_probably_a_mistake_in_a_mux_is_a_warning() {
    let warnings = |mux: Mux| {
        let log = Log::capture();
        mux.into_service().unwrap();
        log.lines_with(&["WARN"])
    };
    assert_eq!(warnings(Mux::new().handle(welcome)), [""; 0]);
    assert_eq!(warnings(Mux::new().route("a-b_c.d/é?:", untyped)), [""; 0]);
    for pattern in [
        "email:*", "^email:", "email: ", " email:", "a b", "a\t", "mail$",
    ] {
        let lines = warnings(Mux::new().route(pattern, untyped));
        assert_eq!(lines.len(), 1, "{pattern}: {lines:?}");
        assert!(lines[0].contains(ODD_PATTERN), "{lines:?}");
        assert!(
            lines[0].contains(&format!("pattern={pattern:?}")),
            "{lines:?}"
        );
    }
    for empty in [
        Mux::new(),
        Mux::new().state(Arc::new(1)),
        Mux::new().route("email:", Mux::new()),
    ] {
        let lines = warnings(empty);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains(EMPTY_MUX), "{lines:?}");
    }
}

#[tokio::test]
async fn a_handler_of_an_inner_mux_that_no_task_can_reach_is_a_warning() {
    let unreachable = |mux: Mux| {
        let log = Log::capture();
        mux.into_service().unwrap();
        log.lines_with(&["WARN", UNREACHABLE]).len()
    };
    let inner = |pattern: &str| Mux::new().route(pattern, untyped);
    for (mux, expected) in [
        (Mux::new().route("email:", inner("email:welcome")), 0),
        (Mux::new().route("email:", inner("e")), 0),
        (Mux::new().route("email:", Mux::new().handle(welcome)), 0),
        // The prefix is not cut off.
        (Mux::new().route("email:", inner("welcome")), 1),
        (Mux::new().route("user:", Mux::new().handle(welcome)), 1),
        (
            Mux::new().route("email:", Mux::new().route("email:w", inner("email:x"))),
            1,
        ),
        // Other handlers of the outer mux get these types.
        (
            Mux::new()
                .route("email:w", untyped)
                .route("email:", inner("email:welcome")),
            1,
        ),
        (
            Mux::new()
                .handle(welcome)
                .route("email:", Mux::new().handle(welcome)),
            1,
        ),
    ] {
        let shown = format!("{mux:?}");
        assert_eq!(unreachable(mux), expected, "{shown}");
    }
}

#[test]
fn a_mistake_in_the_mux_is_an_error_and_never_a_panic() {
    #[derive(Serialize, Deserialize)]
    struct Blank;
    impl TaskKind for Blank {
        const TYPE: &'static str = "\t";
    }
    async fn blank(_: TaskContext, _: Blank) -> anyhow::Result<()> {
        Ok(())
    }
    for (mux, text) in [
        (
            Mux::new().route(" \t", untyped),
            "a pattern of the mux is blank",
        ),
        (
            Mux::new()
                .route("email:", untyped)
                .route("email:", untyped)
                .route("", untyped),
            "pattern \"email:\" of the mux has two handlers",
        ),
        (
            Mux::new().handle(welcome).handle(welcome),
            "task type \"email:welcome\" of the mux has two handlers",
        ),
        (Mux::new().handle(blank), "a task type of the mux is blank"),
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
async fn state_is_shared_by_type_and_an_inner_mux_overrides_the_outer_one() {
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

#[test]
fn a_prefix_of_a_delay_that_is_given_twice_is_logged() {
    let warnings = |prefixes: [&str; 3]| {
        let log = Log::capture();
        let delay = || RetryDelay::constant(Duration::from_secs(1));
        RetryDelay::by_type(prefixes.map(|prefix| (prefix, delay())), delay());
        log.lines_with(&["WARN", REPEATED_PREFIX])
    };
    assert_eq!(warnings(["a", "ab", "b"]), [""; 0]);
    let lines = warnings(["a", "b", "a"]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("prefix=\"a\""), "{lines:?}");
}
