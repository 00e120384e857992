//! TASK, OPT and INFO, and the types of their fields.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use rasynq::{Encode, Json, Task, TaskInfo, TaskOption};
use serde::{Deserialize, Deserializer, de};
use serde_json::{Number, Value, json};

use crate::duration::{GoDuration, go_text};
use crate::failure::Failure;

/// Bytes: `{"utf8": …}`, `{"b64": …}`, or `{"json": …}`, a value that the library's codec writes. Fields
/// that can be Go's nil are `Option<Data>`.
#[derive(Clone, Debug)]
pub(crate) struct Data(pub(crate) Bytes);

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Form {
            Utf8(String),
            B64(String),
            Json(Value),
        }
        match Form::deserialize(deserializer)? {
            Form::Utf8(text) => Ok(Self(text.into())),
            Form::B64(text) => BASE64
                .decode(text)
                .map(|bytes| Self(bytes.into()))
                .map_err(de::Error::custom),
            Form::Json(value) => Json::encode(&value).map(Self).map_err(de::Error::custom),
        }
    }
}

/// Bytes in the form of answers and events. Empty bytes are null: the library does not distinguish
/// them from Go's nil.
pub(crate) fn data(bytes: &[u8]) -> Value {
    if bytes.is_empty() {
        return Value::Null;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => json!({"utf8": text}),
        Err(_) => json!({"b64": BASE64.encode(bytes)}),
    }
}

/// A time in unix seconds, to the microsecond.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UnixTime(DateTime<Utc>);

impl UnixTime {
    pub(crate) fn time(self) -> DateTime<Utc> {
        self.0
    }
}

impl<'de> Deserialize<'de> for UnixTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = Number::deserialize(deserializer)?;
        let time = match (number.as_i64(), number.as_f64()) {
            (Some(secs), _) => DateTime::from_timestamp(secs, 0),
            (None, Some(secs)) => {
                let micros = (secs.fract() * 1e6).round() as i64;
                DateTime::from_timestamp(secs.trunc() as i64, 0)
                    .and_then(|time| time.checked_add_signed(TimeDelta::microseconds(micros)))
            }
            (None, None) => None,
        };
        time.map(Self)
            .ok_or_else(|| de::Error::custom(format!("time out of range: {number}")))
    }
}

/// A time in the form of answers and events.
pub(crate) fn unix_time(time: Option<DateTime<Utc>>) -> Value {
    match time {
        None => Value::Null,
        Some(time) if time.timestamp_subsec_nanos() == 0 => time.timestamp().into(),
        Some(time) => {
            let secs = time.timestamp() as f64 + f64::from(time.timestamp_subsec_nanos()) / 1e9;
            secs.into()
        }
    }
}

/// OPT.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Opt {
    Queue(String),
    MaxRetry(i64),
    TaskId(String),
    Timeout(GoDuration),
    Deadline(UnixTime),
    Unique(GoDuration),
    ProcessAt(UnixTime),
    ProcessIn(GoDuration),
    Retention(GoDuration),
    Group(String),
    Header(String, String),
}

impl Opt {
    /// The library's option. A value that does not fit the library's type is refused.
    pub(crate) fn option(&self) -> Result<TaskOption, Failure> {
        Ok(match self {
            Self::Queue(name) => TaskOption::Queue(name.clone()),
            // asynq: a negative number means 0; the library refuses a number that is too large
            Self::MaxRetry(n) => {
                TaskOption::MaxRetry(u32::try_from((*n).max(0)).unwrap_or(u32::MAX))
            }
            Self::TaskId(id) => TaskOption::TaskId(id.clone()),
            Self::Timeout(limit) => TaskOption::Timeout(limit.positive("timeout")?),
            Self::Deadline(at) => TaskOption::Deadline(at.0),
            Self::Unique(ttl) => TaskOption::Unique(ttl.positive("unique")?),
            Self::ProcessAt(at) => TaskOption::ProcessAt(at.0),
            Self::ProcessIn(delay) => match delay.positive("process_in") {
                Ok(delay) => TaskOption::ProcessIn(delay),
                // the addition cannot overflow: i64::MAX nanoseconds are 292 years
                Err(_) => TaskOption::ProcessAt(Utc::now() + delay.signed()),
            },
            Self::Retention(keep) => TaskOption::Retention(keep.positive("retention")?),
            Self::Group(name) => TaskOption::Group(name.clone()),
            Self::Header(name, value) => TaskOption::Header(name.clone(), value.clone()),
        })
    }
}

/// TASK.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TaskForm {
    #[serde(default, rename = "type")]
    task_type: String,
    payload: Option<Data>,
    headers: Option<BTreeMap<String, String>>,
    opts: Option<Vec<Opt>>,
}

impl TaskForm {
    /// A task without a payload.
    pub(crate) fn new(task_type: String, opts: Option<Vec<Opt>>) -> Self {
        Self {
            task_type,
            payload: None,
            headers: None,
            opts,
        }
    }

    /// The payload, if it is a text with a `%d` in it, which becomes a number.
    pub(crate) fn numbered(&self) -> Option<&str> {
        let text = std::str::from_utf8(&self.payload.as_ref()?.0).ok()?;
        text.contains("%d").then_some(text)
    }

    /// The task with its own options, followed by those of the call.
    pub(crate) fn task(&self, call: &[Opt]) -> Result<Task, Failure> {
        Ok(self
            .template(call)?
            .task(self.payload.as_ref().map(|data| data.0.clone())))
    }

    /// The task without its payload.
    pub(crate) fn template(&self, call: &[Opt]) -> Result<Template, Failure> {
        let headers = self.headers.iter().flatten();
        let mut options: Vec<_> = headers
            .map(|(name, value)| TaskOption::Header(name.clone(), value.clone()))
            .collect();
        for opt in self.opts.iter().flatten().chain(call) {
            options.push(opt.option()?);
        }
        Ok(Template {
            task_type: self.task_type.clone(),
            options,
        })
    }
}

/// A task without its payload.
#[derive(Clone)]
pub(crate) struct Template {
    task_type: String,
    options: Vec<TaskOption>,
}

impl Template {
    /// The task with this payload.
    pub(crate) fn task(&self, payload: Option<Bytes>) -> Task {
        let task = match payload {
            Some(payload) => Task::new(&*self.task_type, payload),
            None => Task::without_payload(&*self.task_type),
        };
        self.options.iter().cloned().fold(task, Task::option)
    }
}

/// INFO.
pub(crate) fn info(task: &TaskInfo) -> Value {
    json!({
        "id": task.id,
        "queue": task.queue,
        "type": task.task_type,
        "payload": data(&task.payload),
        "headers": task.headers,
        "state": task.state.to_string(),
        "max_retry": task.max_retry,
        "retried": task.retried,
        "last_err": task.last_error,
        "last_failed_at": unix_time(task.last_failed_at),
        "timeout": go_text(task.timeout.unwrap_or_default()),
        "deadline": unix_time(task.deadline),
        "group": task.group,
        "next_process_at": unix_time(task.next_process_at),
        "orphaned": task.is_orphaned,
        "retention": go_text(task.retention),
        "completed_at": unix_time(task.completed_at),
        "result": data(&task.result),
    })
}
