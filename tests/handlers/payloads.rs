//! Typed payloads: how they are encoded, decoded, and refused.

use bytes::Bytes;
use rasynq::{
    Codec, ErrorKind, IntoTask, Mux, PayloadError, Protobuf, SkipRetry, Task, TaskContext,
    TaskKind, TestRun, UndecodablePayload, blocking, find_error,
};

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
