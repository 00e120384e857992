//! Typed payloads: how they are encoded, decoded, and refused.

use bytes::Bytes;
use rasynq::{
    Encode, ErrorKind, IntoTask, Mux, PayloadError, Protobuf, SkipRetry, Task, TaskContext,
    TaskKind, TestRun, UndecodablePayload, blocking, find_error,
};
use serde::{Deserialize, Serialize};

use crate::{Welcome, text, welcome};

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
    impl Encode<Broken> for Never {
        fn encode(_: &Broken) -> anyhow::Result<Bytes> {
            Err(anyhow::anyhow!("inner").context("outer"))
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

#[test]
fn a_payload_with_nan_is_refused_at_the_enqueue_with_its_path() {
    #[derive(Serialize)]
    struct Cart<'a> {
        items: &'a [Item],
    }
    #[derive(Serialize)]
    struct Item {
        price: Option<f64>,
    }
    impl TaskKind for Cart<'_> {
        const TYPE: &'static str = "cart:pay";
    }
    let with = |price| {
        Task::typed(&Cart {
            items: &[Item { price: None }, Item { price }],
        })
    };
    let task = with(Some(2.0)).unwrap();
    assert_eq!(task.payload(), br#"{"items":[{"price":null},{"price":2}]}"#);
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let error = with(Some(number)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let text = error.to_string();
        assert!(text.contains("\"cart:pay\""), "{text}");
        assert!(text.ends_with("at `items[1].price`"), "{text}");
    }
}

#[test]
fn a_number_that_is_decoded_and_encoded_again_has_the_same_bytes() {
    #[derive(Serialize, Deserialize)]
    struct Price(f64);
    impl TaskKind for Price {
        const TYPE: &'static str = "price";
    }
    // serde_json by itself reads some of them as a neighbour of the nearest number
    for digits in [
        "123456789012345680000",
        "51.24817837550540",
        "0.31323432333435363",
        "1e+23",
    ] {
        let price: Price = Task::new("price", digits).decode().unwrap();
        assert_eq!(price.0, digits.parse::<f64>().unwrap(), "{digits}");
    }
}

#[tokio::test]
async fn a_result_with_nan_is_refused() {
    let run = TestRun::new("any");
    let error = run.context().write_json(&[f32::NAN]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let text = "does not encode as JSON: JSON has no NaN and no infinity at `[0]`";
    assert!(error.to_string().ends_with(text), "{error}");
    assert_eq!(run.result(), None);
}

/// A producer only writes, and a handler only reads.
#[tokio::test]
async fn a_payload_that_borrows_is_enqueued_without_deserialize_and_handled_as_an_owned_one() {
    #[derive(Serialize)]
    struct Greeting<'a> {
        to: &'a str,
    }
    #[derive(Deserialize)]
    struct OwnedGreeting {
        to: String,
    }
    impl TaskKind for Greeting<'_> {
        const TYPE: &'static str = "greet";
    }
    impl TaskKind for OwnedGreeting {
        const TYPE: &'static str = Greeting::TYPE;
    }
    async fn greet(cx: TaskContext, it: OwnedGreeting) -> Result<(), rasynq::Error> {
        cx.write_result(it.to).await
    }
    let name = String::from("ann & <bob>");
    let task = (&Greeting { to: &name }).into_task().unwrap();
    assert_eq!(Greeting { to: &name }.into_task().unwrap(), task);
    assert_eq!(task.payload(), br#"{"to":"ann \u0026 \u003cbob\u003e"}"#);
    let run = TestRun::new("greet");
    run.call(Mux::new().handle(greet), task.payload_bytes())
        .await
        .unwrap();
    assert_eq!(run.result().unwrap(), *name);
}

#[tokio::test]
async fn the_error_of_a_payload_that_does_not_decode_names_type_and_position_and_not_the_payload() {
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
async fn a_payload_that_does_not_decode_is_archived_if_configured() {
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
    // An inner mux inherits the setting of the outer mux unless it has its own.
    assert!(skips(archive().route("email:", Mux::new().handle(welcome))).await);
    assert!(!skips(archive().route("email:", retry().handle(welcome))).await);
}

#[cfg(feature = "macros")]
#[test]
fn the_options_of_a_type_are_overridden_by_those_of_the_task_and_of_the_call() {
    use rasynq::TaskOption;
    use std::time::Duration;

    #[derive(Serialize, Deserialize, TaskKind)]
    #[task(
        type = "email:report",
        queue = "critical",
        max_retry = 5,
        timeout = "30s"
    )]
    #[task(unique = "10m", retention = "1.5h")]
    struct Report {
        month: String,
    }
    let month = "May".to_owned();
    let task = Task::typed(&Report { month }).unwrap();
    assert_eq!(Report::TYPE, "email:report");
    assert_eq!(task.payload(), br#"{"month":"May"}"#);
    let options = [
        TaskOption::Queue("critical".into()),
        TaskOption::MaxRetry(5),
        TaskOption::Timeout(Duration::from_secs(30)),
        TaskOption::Unique(Duration::from_secs(600)),
        TaskOption::Retention(Duration::from_secs(5400)),
    ];
    let expected = Task::new("email:report", r#"{"month":"May"}"#);
    let expected = options.into_iter().fold(expected, Task::option);
    assert_eq!(task, expected);
    assert_eq!(
        task.queue("low"),
        expected.option(TaskOption::Queue("low".into()))
    );
    assert!(Welcome::options().is_empty());
}
