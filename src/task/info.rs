//! The description of a stored task: its message and its state.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::time::Duration;

use crate::wire::{TaskMessage, TaskState};

/// A stored task and its state at the moment when it was read or written. asynq: `TaskInfo`.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub struct TaskInfo {
    /// The task's id, unique in its queue.
    pub id: String,
    /// The queue.
    pub queue: String,
    /// The type, by which a [`Mux`](crate::Mux) chooses the handler.
    pub task_type: String,
    /// The payload.
    pub payload: Bytes,
    /// The headers.
    pub headers: BTreeMap<String, String>,
    /// The state.
    pub state: TaskState,
    /// The maximum number of counted retries.
    pub max_retry: u32,
    /// The number of counted retries so far.
    pub retried: u32,
    /// The text of the last error. Empty if no run has failed.
    pub last_error: String,
    /// When a run last failed.
    pub last_failed_at: Option<DateTime<Utc>>,
    /// How long one run may take. `None`: only the deadline limits it. If there is no deadline
    /// either, servers use [`DEFAULT_TIMEOUT`](crate::DEFAULT_TIMEOUT).
    pub timeout: Option<Duration>,
    /// The time by which every run must be finished.
    pub deadline: Option<DateTime<Utc>>,
    /// The group in which the task waits for aggregation. Empty: no group.
    pub group: String,
    /// When the task may be processed next. Pending: the time of the call. Scheduled or retry: the
    /// time at which the task is due. `None` in the other states.
    pub next_process_at: Option<DateTime<Utc>>,
    /// Whether the task is active and its lease has expired, because no server renews it.
    pub is_orphaned: bool,
    /// How long the task is kept after its completion. Zero: it is deleted at once.
    pub retention: Duration,
    /// When the task was completed.
    pub completed_at: Option<DateTime<Utc>>,
    /// The last result or progress that the handler wrote, also while the task runs. Empty if it wrote
    /// none.
    pub result: Bytes,
    /// Whether the stored message does not decode. Then the id, the queue, the state, the result and what follows from
    /// the place of the task are known, and everything else is empty.
    pub is_undecodable: bool,
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
            is_undecodable: false,
        }
    }

    /// A task whose message does not decode.
    pub(crate) fn undecodable(
        queue: &str,
        id: String,
        state: TaskState,
        next_process_at: Option<DateTime<Utc>>,
        result: Option<Bytes>,
    ) -> Self {
        let queue = queue.to_owned();
        let message = TaskMessage {
            id,
            queue,
            ..TaskMessage::default()
        };
        Self {
            is_undecodable: true,
            ..Self::new(message, state, next_process_at, result)
        }
    }
}

/// A stored time in Unix seconds. 0 means `None`.
fn time(unix_secs: i64) -> Option<DateTime<Utc>> {
    (unix_secs != 0)
        .then(|| DateTime::from_timestamp(unix_secs, 0))
        .flatten()
}

fn seconds(n: i64) -> Duration {
    Duration::from_secs(u64::try_from(n).unwrap_or_default())
}
