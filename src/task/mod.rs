//! A task as programs create it: its type, payload, headers and options.
//!
//! `options` holds the options and their setters, `compose` turns a task and its options into the
//! message to store, `kind` holds typed payloads, `codec` how they are written and read, and `info` describes a stored
//! task. Nothing here talks to Redis.

mod codec;
mod compose;
mod info;
pub mod json_bytes;
pub mod json_time;
mod kind;
mod options;

use std::collections::BTreeMap;

use bytes::Bytes;

pub use codec::{Decode, Encode, Json, Protobuf};
pub(crate) use compose::Composed;
pub use compose::{MAX_TASK_SIZE, MAX_UNIQUE_TTL, MIN_UNIQUE_TTL};
pub use info::TaskInfo;
pub use kind::{PayloadError, TaskKind, Typed, TypedRef};
pub(crate) use options::option_methods;
pub use options::{DEFAULT_MAX_RETRY, DEFAULT_QUEUE, DEFAULT_TIMEOUT, TaskOption};

use crate::error::Result;
use crate::wire::TaskMessage;

/// A unit of work: a type, a payload, headers, and options.
///
/// [`Client::enqueue`](crate::Client::enqueue) takes a task, and a handler receives one.
/// asynq: `Task`.
///
/// ```
/// use rasynq::Task;
/// let task = Task::new("email:welcome", r#"{"user_id":42}"#).queue("critical").max_retry(5);
/// assert_eq!(task.task_type(), "email:welcome");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a task does nothing until it is enqueued"]
pub struct Task {
    task_type: String,
    payload: Option<Bytes>,
    headers: BTreeMap<String, String>,
    options: Vec<TaskOption>,
}

impl Task {
    /// Creates a task of this type with this payload. The payload's bytes are stored unchanged.
    pub fn new(task_type: impl Into<String>, payload: impl Into<Bytes>) -> Self {
        Self {
            task_type: task_type.into(),
            payload: Some(payload.into()),
            headers: BTreeMap::new(),
            options: Vec::new(),
        }
    }

    /// Creates a task of this type without a payload: Go's nil.
    ///
    /// The only difference from a task with an empty payload is the key of the unique lock, as in
    /// asynq.
    pub fn without_payload(task_type: impl Into<String>) -> Self {
        Self {
            task_type: task_type.into(),
            payload: None,
            headers: BTreeMap::new(),
            options: Vec::new(),
        }
    }

    /// The task that a stored message describes.
    pub(crate) fn from_message(message: &TaskMessage) -> Self {
        Self {
            task_type: message.r#type.clone(),
            payload: Some(message.payload.clone()),
            headers: message.headers.clone(),
            options: Vec::new(),
        }
    }

    option_methods!(options);

    /// The task's type, by which a [`Mux`](crate::Mux) chooses the handler.
    pub fn task_type(&self) -> &str {
        &self.task_type
    }

    /// The payload. It is empty if the task has none.
    pub fn payload(&self) -> &[u8] {
        self.payload.as_deref().unwrap_or_default()
    }

    /// The payload as [`Bytes`], without a copy. It is empty if the task has none.
    pub fn payload_bytes(&self) -> Bytes {
        self.payload.clone().unwrap_or_default()
    }

    /// The options that were set on the task.
    pub(crate) fn options(&self) -> &[TaskOption] {
        &self.options
    }

    /// The headers that were stored with the task. Headers that are set as options are not included:
    /// the enqueue call adds them.
    pub fn headers(&self) -> &BTreeMap<String, String> {
        &self.headers
    }
}

/// What [`Client::enqueue`](crate::Client::enqueue) takes: a [`Task`], a value of a [`TaskKind`], or a
/// reference to such a value.
///
/// The compiler infers the marker `M`; you never write it.
pub trait IntoTask<M = ()> {
    /// Converts `self` into a task.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the codec cannot encode the value.
    fn into_task(self) -> Result<Task>;
}

impl IntoTask for Task {
    fn into_task(self) -> Result<Task> {
        Ok(self)
    }
}
