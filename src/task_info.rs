//! What can be told of a task that is stored.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::time::Duration;

use crate::wire::{TaskMessage, TaskState};

/// A stored task and its state, as of the moment it was read or written.
///
/// asynq: `TaskInfo`.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub struct TaskInfo {
    /// The task's id, unique in its queue.
    pub id: String,
    /// The queue.
    pub queue: String,
    /// The type by which handlers are chosen.
    pub task_type: String,
    /// The payload.
    pub payload: Bytes,
    /// The headers.
    pub headers: BTreeMap<String, String>,
    /// The state.
    pub state: TaskState,
    /// How often it may be retried.
    pub max_retry: u32,
    /// How often it has been retried so far.
    pub retried: u32,
    /// What its last failure said; empty if there was none.
    pub last_error: String,
    /// When it last failed.
    pub last_failed_at: Option<DateTime<Utc>>,
    /// How long one run may take; `None`: no limit but the deadline. Where there is none either,
    /// servers take [`DEFAULT_TIMEOUT`](crate::DEFAULT_TIMEOUT).
    pub timeout: Option<Duration>,
    /// When every run must have ended.
    pub deadline: Option<DateTime<Utc>>,
    /// The group it belongs to; empty for none.
    pub group: String,
    /// When it is processed next: for a pending task now, for a scheduled or retried one when it
    /// is due, otherwise unknown.
    pub next_process_at: Option<DateTime<Utc>>,
    /// An active task whose worker no longer renews its lease.
    pub is_orphaned: bool,
    /// How long it is kept once completed; zero: not at all.
    pub retention: Duration,
    /// When it was completed.
    pub completed_at: Option<DateTime<Utc>>,
    /// What its handler wrote, while it runs or after; empty for nothing.
    pub result: Bytes,
}

impl TaskInfo {
    pub(crate) fn new(
        message: TaskMessage,
        state: TaskState,
        next_process_at: Option<DateTime<Utc>>,
        result: Option<Bytes>,
    ) -> Self {
        Self {
            id: message.id,
            queue: message.queue,
            task_type: message.r#type,
            payload: message.payload,
            headers: message.headers,
            state,
            max_retry: u32::try_from(message.retry).unwrap_or_default(),
            retried: u32::try_from(message.retried).unwrap_or_default(),
            last_error: message.error_msg,
            last_failed_at: time(message.last_failed_at),
            timeout: Some(seconds(message.timeout)).filter(|limit| !limit.is_zero()),
            deadline: time(message.deadline),
            group: message.group_key,
            next_process_at,
            is_orphaned: false,
            retention: seconds(message.retention),
            completed_at: time(message.completed_at),
            result: result.unwrap_or_default(),
        }
    }
}

/// A stored time; 0 stands for none.
fn time(unix_secs: i64) -> Option<DateTime<Utc>> {
    (unix_secs != 0)
        .then(|| DateTime::from_timestamp(unix_secs, 0))
        .flatten()
}

fn seconds(n: i64) -> Duration {
    Duration::from_secs(u64::try_from(n).unwrap_or_default())
}
