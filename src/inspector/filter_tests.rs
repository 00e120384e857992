//! Which tasks match which conditions.

use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::wire::{TaskMessage, TaskState};

fn task(message: TaskMessage) -> TaskInfo {
    TaskInfo::new(message, TaskState::Archived, None, None)
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(2_000_000_000, 0).expect("a time")
}

fn of_type(task_type: &str) -> TaskInfo {
    let r#type = task_type.to_owned();
    task(TaskMessage {
        r#type,
        ..TaskMessage::default()
    })
}

fn with_payload(payload: &'static str) -> TaskInfo {
    let payload = Bytes::from_static(payload.as_bytes());
    task(TaskMessage {
        payload,
        ..TaskMessage::default()
    })
}

fn matches(filter: TaskFilter, task: &TaskInfo) -> bool {
    filter.matches(task, None, now())
}

#[test]
fn a_star_in_a_type_stands_for_any_characters() {
    let cases = [
        ("email:welcome", "email:welcome", true),
        ("email:welcome", "email:welcome2", false),
        ("email:*", "email:welcome", true),
        ("email:*", "email:", true),
        ("email:*", "image:email:", false),
        ("*", "", true),
        ("*:welcome", "email:welcome", true),
        ("*:welcome", "email:welcome:", false),
        ("e*l*e", "email:welcome", true),
        ("a*ba", "aba", true),
        ("a*ba", "ba", false),
        ("ab*ba", "aba", false),
        ("*ö*", "größe", true),
        ("", "", true),
        ("", "x", false),
    ];
    for (pattern, task_type, expected) in cases {
        let filter = TaskFilter::new().task_type(pattern);
        assert_eq!(
            matches(filter, &of_type(task_type)),
            expected,
            "{pattern} {task_type}"
        );
    }
}

#[test]
fn values_in_payloads_are_compared_as_json() {
    let cases: [(&str, Value, &str, bool); 12] = [
        ("user.id", json!(42), r#"{"user": {"id": 42}}"#, true),
        ("user.id", json!(42), r#"{"user": {"id": 42.0}}"#, true),
        ("user.id", json!(42), r#"{"user": {"id": "42"}}"#, false),
        ("user.id", json!(42), r#"{"user": null}"#, false),
        (
            "id",
            json!(9_007_199_254_740_993_i64),
            r#"{"id": 9007199254740992}"#,
            false,
        ),
        (
            "id",
            json!(9_007_199_254_740_993_i64),
            r#"{"id": 9007199254740992.0}"#,
            false,
        ),
        ("id", json!(0.5), r#"{"id": 5e-1}"#, true),
        (
            "",
            json!({ "b": [1, 2], "a": null }),
            r#"{ "a":null, "b":[1.0,2] }"#,
            true,
        ),
        (
            "",
            json!({ "b": [1, 2] }),
            r#"{"a": 1, "b": [1, 2]}"#,
            false,
        ),
        ("a", json!(null), r#"{"a": null}"#, true),
        ("a", json!(null), r#"{}"#, false),
        ("", json!("text"), "no JSON", false),
    ];
    for (path, value, payload, expected) in cases {
        let filter = TaskFilter::new().payload_json(path, value.clone());
        assert_eq!(
            matches(filter, &with_payload(payload)),
            expected,
            "{path} {value} {payload}"
        );
    }
}

#[test]
fn a_condition_on_a_payload_can_be_one_text() {
    let payload = with_payload(r#"{"id": 42, "name": "Ann", "formula": "a=b", "is_new": true}"#);
    for (text, expected) in [
        ("id=42", true),
        (" id = 42 ", true),
        ("id=\"42\"", false),
        ("name=Ann", true),
        ("name=\"Ann\"", true),
        ("formula=a=b", true),
        ("is_new=true", true),
        ("is_new=\"true\"", false),
        ("name=", false),
    ] {
        let filter = TaskFilter::new()
            .payload_json_text(text)
            .expect("a condition");
        assert_eq!(matches(filter, &payload), expected, "{text}");
    }
    let error = TaskFilter::new()
        .payload_json_text("id")
        .expect_err("no value");
    assert_eq!(
        error.to_string(),
        "payload condition \"id\": write it as `path=value`"
    );
    let error = TaskFilter::new()
        .payload_json_text("a..b=1")
        .expect_err("no path");
    assert_eq!(
        error.to_string(),
        "JSON path \"a..b\": a name is missing before \".b\""
    );
}

#[test]
fn a_path_that_cannot_be_read_is_refused_when_the_filter_is_used() {
    let error = TaskFilter::new()
        .payload_json("[", 1)
        .check()
        .expect_err("no path");
    assert_eq!(error.kind(), crate::ErrorKind::Invalid);
    TaskFilter::new()
        .payload_json("[0]", 1)
        .check()
        .expect("a path");
}

#[test]
fn ages_are_counted_from_what_is_known() {
    let hour = Duration::from_secs(3600);
    let hour_ago = Some(now() - hour);
    let of = |filter: TaskFilter, since| filter.matches(&of_type("any"), since, now());
    assert!(of(TaskFilter::new().older_than(hour), hour_ago));
    assert!(!of(TaskFilter::new().younger_than(hour), hour_ago));
    let second = Duration::from_secs(1);
    assert!(!of(TaskFilter::new().older_than(hour + second), hour_ago));
    assert!(of(TaskFilter::new().younger_than(hour + second), hour_ago));
    // The time of Redis may be read in whole seconds.
    assert!(of(
        TaskFilter::new().younger_than(second),
        Some(now() + second)
    ));
    assert!(of(
        TaskFilter::new().older_than(Duration::ZERO),
        Some(now() + second)
    ));
    assert!(!of(TaskFilter::new().older_than(Duration::ZERO), None));
    assert!(!of(TaskFilter::new().younger_than(hour), None));
}

#[test]
fn all_conditions_must_hold() {
    let task = task(TaskMessage {
        r#type: "email:welcome".to_owned(),
        payload: Bytes::from_static(b"\xffraw text"),
        error_msg: "dial tcp: timeout".to_owned(),
        group_key: "g".to_owned(),
        headers: [("trace".to_owned(), "t1".to_owned())].into(),
        ..TaskMessage::default()
    });
    let all = || {
        TaskFilter::new()
            .task_type("email:*")
            .payload_contains("raw")
            .error_contains("timeout")
            .group("g")
            .header("trace", "t1")
    };
    assert!(matches(all(), &task));
    assert!(matches(TaskFilter::new(), &task));
    for wrong in [
        all().task_type("image:*"),
        all().payload_contains("Raw"),
        all().error_contains("refused"),
        all().group(""),
        all().header("trace", "t2"),
        all().header("span", "t1"),
        all().orphaned(),
        all().payload_json("", "raw"),
    ] {
        assert!(!matches(wrong.clone(), &task), "{wrong:?}");
    }
    let mut orphan = task;
    orphan.is_orphaned = true;
    assert!(matches(all().orphaned(), &orphan));
}
