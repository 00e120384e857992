//! Which handler a mux chooses, and the state it shares.

use std::sync::Arc;

use rasynq::{ErrorKind, HandlerNotFound, IntoHandler, Mux, Task, TaskContext, find_error};

use crate::{named, result_of, text, untyped, welcome};

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
