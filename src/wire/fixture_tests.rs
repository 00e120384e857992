//! Compares this module with bytes and texts that real asynq wrote.
//!
//! `compat/cmd/fixtures` generates `compat/fixtures/` with the pinned versions of asynq and Go. The
//! tests read every field of every case: an unknown field is an error.

use std::collections::BTreeMap;
use std::fs;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::go_duration::GoDuration;
use super::go_quote::quote;
use super::go_time::{format_unix_date, format_unix_date_in, parse_unix_date};
use super::go_unquote::{UnquoteError, unquote};
use super::keys::QueueKeys;
use super::messages::*;
use super::options::PrintedOption;
use super::state::TaskState;

/// `go_forms.json`: a section for each kind of text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Forms {
    durations: Vec<DurationCase>,
    parsed_durations: Vec<DurationCase>,
    quoted: Vec<QuoteCase>,
    unquoted: Vec<QuoteCase>,
    not_printable: Vec<(u32, u32)>,
    unix_dates: Vec<UnixDateCase>,
    parsed_unix_dates: Vec<ParsedUnixDateCase>,
    options: Vec<OptionCase>,
    read_options: Vec<ReadOptionCase>,
    headers: Vec<HeaderCase>,
    unique_keys: Vec<UniqueKeyCase>,
    task_hashes: Vec<TaskHashCase>,
}

/// A case of `messages.json`: raw bytes, and what asynq's own decoder reads from them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageCase {
    name: String,
    message: String,
    b64: String,
    expect: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DurationCase {
    text: String,
    /// `None` if Go refuses the text.
    nanos: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QuoteCase {
    text: String,
    /// `None` if Go refuses the text.
    b64: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UnixDateCase {
    unix: i64,
    zone: String,
    text: String,
    /// What a Go process in UTC reads, in Unix seconds. `None` if it refuses the text.
    read: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ParsedUnixDateCase {
    text: String,
    /// `None` if Go refuses the text.
    unix: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OptionCase {
    option: BTreeMap<String, Value>,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadOptionCase {
    text: String,
    /// The option that asynq's inspector reads, printed. `None` if it skips the text.
    read: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderCase {
    key: String,
    value: String,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UniqueKeyCase {
    queue: String,
    #[serde(rename = "type")]
    task_type: String,
    /// Base64; `None` is Go's nil.
    payload: Option<String>,
    key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskHashCase {
    name: String,
    key: String,
    /// Values in base64.
    fields: BTreeMap<String, String>,
}

fn fixture<T: DeserializeOwned>(name: &str) -> T {
    let path = format!("{}/compat/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(&path).expect("the fixture is there");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn forms() -> Forms {
    fixture("go_forms.json")
}

fn unbase64(text: &str) -> Bytes {
    BASE64_STANDARD.decode(text).expect("base64").into()
}

fn base64(bytes: &Bytes) -> Value {
    BASE64_STANDARD.encode(bytes).into()
}

#[test]
fn every_message_reads_as_asynq_reads_it() {
    let cases: Vec<MessageCase> = fixture("messages.json");
    assert!(!cases.is_empty());
    for MessageCase {
        name,
        message,
        b64,
        expect,
    } in cases
    {
        let raw = unbase64(&b64);
        let (content, written) = match message.as_str() {
            "TaskMessage" => decode_and_encode(decode_task, raw.clone(), task_json),
            "ServerInfo" => decode_and_encode(decode_server_info, raw.clone(), server_json),
            "WorkerInfo" => decode_and_encode(decode_worker_info, raw.clone(), worker_json),
            "SchedulerEntry" => decode_and_encode(decode_scheduler_entry, raw.clone(), entry_json),
            "SchedulerEnqueueEvent" => {
                decode_and_encode(decode_scheduler_enqueue_event, raw.clone(), event_json)
            }
            unknown => panic!("{name}: unknown message {unknown}"),
        };
        assert_eq!(content, expect, "{name}");
        // Go writes the entries of a map in any order, and also empty keys and values.
        let entries = ["headers", "queues"]
            .iter()
            .filter_map(|map| content.get(map)?.as_object());
        if entries.map(Map::len).sum::<usize>() <= 1 {
            assert_eq!(written, raw, "{name}");
        }
    }
}

/// The content of a message, and the bytes to which rasynq encodes it. The bytes must decode to the
/// same message.
fn decode_and_encode<M: prost::Message + PartialEq + std::fmt::Debug>(
    decode: impl Fn(Bytes) -> Result<M, DecodeError>,
    raw: Bytes,
    to_json: impl Fn(&M) -> Value,
) -> (Value, Bytes) {
    let message = decode(raw).expect("asynq's messages decode");
    let written = encode(&message);
    assert_eq!(decode(written.clone()).expect("ours decode"), message);
    (to_json(&message), written)
}

fn task_json(task: &TaskMessage) -> Value {
    json!({
        "type": task.r#type, "payload": base64(&task.payload), "id": task.id, "queue": task.queue,
        "retry": task.retry, "retried": task.retried, "error_msg": task.error_msg,
        "timeout": task.timeout, "deadline": task.deadline, "unique_key": task.unique_key,
        "last_failed_at": task.last_failed_at, "retention": task.retention,
        "completed_at": task.completed_at, "group_key": task.group_key, "headers": task.headers,
    })
}

fn server_json(server: &ServerInfo) -> Value {
    json!({
        "host": server.host, "pid": server.pid, "server_id": server.server_id,
        "concurrency": server.concurrency, "queues": server.queues,
        "strict_priority": server.strict_priority, "status": server.status,
        "start_time": time_json(server.start_time),
        "active_worker_count": server.active_worker_count,
    })
}

fn worker_json(worker: &WorkerInfo) -> Value {
    json!({
        "host": worker.host, "pid": worker.pid, "server_id": worker.server_id,
        "task_id": worker.task_id, "task_type": worker.task_type,
        "task_payload": base64(&worker.task_payload), "queue": worker.queue,
        "start_time": time_json(worker.start_time), "deadline": time_json(worker.deadline),
    })
}

fn entry_json(entry: &SchedulerEntry) -> Value {
    json!({
        "id": entry.id, "spec": entry.spec, "task_type": entry.task_type,
        "task_payload": base64(&entry.task_payload), "enqueue_options": entry.enqueue_options,
        "next_enqueue_time": time_json(entry.next_enqueue_time),
        "prev_enqueue_time": time_json(entry.prev_enqueue_time),
    })
}

fn event_json(event: &SchedulerEnqueueEvent) -> Value {
    json!({ "task_id": event.task_id, "enqueue_time": time_json(event.enqueue_time) })
}

fn time_json(time: Option<Timestamp>) -> Value {
    time.map_or(Value::Null, |time| {
        let moment = time.to_moment();
        assert_eq!(
            Timestamp::from_moment(moment),
            time,
            "a timestamp is the same after conversion to chrono and back"
        );
        json!({ "seconds": time.seconds, "nanos": time.nanos })
    })
}

#[test]
fn every_option_of_a_stored_entry_reads_back_as_printed() {
    let cases: Vec<MessageCase> = fixture("messages.json");
    let entries = cases.iter().filter(|case| case.message == "SchedulerEntry");
    let options = entries.flat_map(|case| {
        decode_scheduler_entry(unbase64(&case.b64))
            .expect("an entry")
            .enqueue_options
    });
    let mut count = 0;
    for text in options {
        assert_eq!(
            text.parse().map(|option: PrintedOption| option.to_string()),
            Ok(text)
        );
        count += 1;
    }
    assert!(count > 0);
}

#[test]
fn every_task_hash_has_our_key_and_fields() {
    for TaskHashCase { name, key, fields } in forms().task_hashes {
        let text = |field: &str| {
            let value = unbase64(fields.get(field)?);
            Some(String::from_utf8(value.into()).expect("text"))
        };
        let task = decode_task(unbase64(&fields["msg"])).expect("a task");
        let keys = QueueKeys::new(&task.queue);
        assert_eq!(keys.task(&task.id), key, "{name}");
        let state: TaskState = text("state").expect("a state").parse().expect("a state");
        for field in fields.keys() {
            match field.as_str() {
                "msg" | "state" => {}
                "pending_since" => {
                    let nanos = text(field)
                        .expect("there")
                        .parse::<i64>()
                        .expect("a number");
                    assert!(nanos > 1_600_000_000_000_000_000, "{name}: nanoseconds");
                    assert_eq!(state, TaskState::Pending, "{name}");
                }
                "unique_key" => assert_eq!(text(field).as_ref(), Some(&task.unique_key), "{name}"),
                "group" => assert_eq!(text(field).as_ref(), Some(&task.group_key), "{name}"),
                "result" => assert_eq!(state, TaskState::Completed, "{name}"),
                unknown => panic!("{name}: unknown field {unknown}"),
            }
        }
        if !task.unique_key.is_empty() {
            let payload = (!task.payload.is_empty()).then_some(&task.payload[..]);
            assert_eq!(
                keys.unique(&task.r#type, payload),
                task.unique_key,
                "{name}"
            );
        }
    }
}

#[test]
fn every_unique_key_is_ours() {
    for UniqueKeyCase {
        queue,
        task_type,
        payload,
        key,
    } in forms().unique_keys
    {
        let payload = payload.as_deref().map(unbase64);
        assert_eq!(
            QueueKeys::new(&queue).unique(&task_type, payload.as_deref()),
            key
        );
    }
}

#[test]
fn every_duration_prints_and_reads_as_in_go() {
    let Forms {
        durations,
        parsed_durations,
        ..
    } = forms();
    for DurationCase { text, nanos } in durations {
        let nanos = nanos.expect("a printed duration has a value");
        assert_eq!(GoDuration::from_nanos(nanos).to_string(), text);
        assert_eq!(text.parse(), Ok(GoDuration::from_nanos(nanos)));
    }
    for DurationCase { text, nanos } in parsed_durations {
        assert_eq!(
            text.parse().ok(),
            nanos.map(GoDuration::from_nanos),
            "{text:?}"
        );
    }
}

#[test]
fn every_text_is_quoted_and_read_as_in_go() {
    let Forms {
        quoted, unquoted, ..
    } = forms();
    for QuoteCase { text, b64 } in quoted {
        let bytes = unbase64(&b64.expect("a quoted text has a value"));
        match std::str::from_utf8(&bytes) {
            Ok(plain) => {
                assert_eq!(quote(plain), text);
                assert_eq!(unquote(&text).as_deref(), Ok(plain));
            }
            // A Rust string cannot have these bytes, so the quoted text is refused.
            Err(_) => assert_eq!(unquote(&text), Err(UnquoteError::NotUtf8), "{text}"),
        }
    }
    for QuoteCase { text, b64 } in unquoted {
        let expected = b64.map(|b64| String::from_utf8(unbase64(&b64).into()));
        let expected = expected.map_or(Err(UnquoteError::Syntax), |plain| {
            plain.map_err(|_| UnquoteError::NotUtf8)
        });
        assert_eq!(unquote(&text), expected, "{text}");
    }
}

#[test]
fn the_same_characters_are_escaped_as_by_go_except_those_newer_than_its_tables() {
    // The printable characters that Unicode 15.1 and 16 added. Go's tables are those of 15.0.
    const NEWER: usize = 627 + 5185;
    let mut escaped_by_go = vec![false; 0x11_0000];
    for (first, last) in forms().not_printable {
        escaped_by_go[first as usize..=last as usize].fill(true);
    }
    let mut newer = 0;
    for c in '\0'..=char::MAX {
        let code = u32::from(c);
        let by_go = escaped_by_go[code as usize];
        let by_us =
            quote(c.encode_utf8(&mut [0; 4])).starts_with("\"\\") && !matches!(c, '"' | '\\');
        match (by_go, by_us) {
            (true, false) => newer += 1,
            (false, true) => panic!("U+{code:04X} is escaped here and not by Go"),
            _ => {}
        }
    }
    assert_eq!(newer, NEWER);
}

#[test]
fn every_date_prints_and_reads_as_in_go() {
    let Forms {
        unix_dates,
        parsed_unix_dates,
        ..
    } = forms();
    let read = |text: &str| {
        parse_unix_date(text, &Utc)
            .ok()
            .map(|moment| moment.timestamp())
    };
    for UnixDateCase {
        unix,
        zone,
        text,
        read: read_by_go,
    } in unix_dates
    {
        let moment = DateTime::from_timestamp(unix, 0).expect("a moment");
        let tz: Tz = zone.parse().expect("a zone");
        assert_eq!(format_unix_date_in(moment, tz), text, "{zone}");
        if tz == Tz::UTC {
            assert_eq!(format_unix_date(moment), text);
        }
        assert_eq!(read(&text), read_by_go, "{text}");
    }
    for ParsedUnixDateCase { text, unix } in parsed_unix_dates {
        assert_eq!(read(&text), unix, "{text}");
    }
}

#[test]
fn every_option_prints_as_in_go_and_reads_back() {
    for OptionCase { option, text } in forms().options {
        let (kind, value) = option.iter().next().expect("one option");
        assert_eq!(option.len(), 1);
        let name = || value.as_str().expect("a text").to_owned();
        let duration = || name().parse().expect("a duration");
        let moment =
            || DateTime::from_timestamp(value.as_i64().expect("seconds"), 0).expect("a moment");
        let option = match kind.as_str() {
            "queue" => PrintedOption::Queue(name()),
            "task_id" => PrintedOption::TaskId(name()),
            "group" => PrintedOption::Group(name()),
            // asynq turns a negative count into zero.
            "max_retry" => PrintedOption::MaxRetry(value.as_u64().unwrap_or(0)),
            "timeout" => PrintedOption::Timeout(duration()),
            "unique" => PrintedOption::Unique(duration()),
            "process_in" => PrintedOption::ProcessIn(duration()),
            "retention" => PrintedOption::Retention(duration()),
            "deadline" => PrintedOption::Deadline(moment()),
            "process_at" => PrintedOption::ProcessAt(moment()),
            unknown => panic!("unknown option {unknown}"),
        };
        assert_eq!(option.to_string(), text);
        assert_eq!(text.parse(), Ok(option), "{text}");
    }
}

#[test]
fn every_option_that_asynq_reads_is_read_alike() {
    // Options that asynq v0.26.0 cannot read, although it or the next version prints them.
    const ONLY_WE_READ: [&str; 4] = [
        r#"Queue("a)b")"#,
        r#"TaskID("x")"#,
        r#"Group("g")"#,
        r#"Header(["k","v"])"#,
    ];
    for ReadOptionCase { text, read } in forms().read_options {
        let option = text.parse::<PrintedOption>().ok();
        if ONLY_WE_READ.contains(&text.as_str()) {
            assert_eq!(read, None);
            assert_eq!(option.map(|option| option.to_string()), Some(text));
            continue;
        }
        // Options are compared, not texts: Go prints a date in the zone in which it was read, rasynq
        // in UTC.
        let read = read.map(|read| read.parse().expect("what asynq prints is readable"));
        assert_eq!(option, read, "{text}");
    }
}

#[test]
fn every_header_prints_as_in_go_and_reads_back() {
    for HeaderCase { key, value, text } in forms().headers {
        let header = PrintedOption::Header(key, value);
        assert_eq!(header.to_string(), format!("Header({text})"));
        assert_eq!(header.to_string().parse(), Ok(header));
    }
}
