//! What is stored of a task as its description.

use chrono::{DateTime, Utc};

use super::ids::FoundId;
use super::packed_id::PackedId;
use crate::broker::ListedTask;
use crate::task::TaskInfo;
use crate::wire::{self, DecodeError, TaskState};

/// A task that was found.
pub(super) struct FoundTask {
    pub(super) id: PackedId,
    /// That of its id when it was read.
    pub(super) score: i64,
    pub(super) info: TaskInfo,
    /// Since when it is in its state, if that is known; of a task in *retry*: when it last failed.
    pub(super) since: Option<DateTime<Utc>>,
}

impl FoundTask {
    /// `now`: the time of Redis (unix s).
    pub(super) fn of(
        queue: &str,
        state: TaskState,
        found: FoundId,
        task: ListedTask,
        now: i64,
    ) -> Self {
        let FoundId { id, score } = found;
        let pending_since = task.pending_since;
        let (info, _) = describe(queue, &id.bytes(), state, Some(score), task, now);
        let since = match state {
            TaskState::Pending => pending_since.map(DateTime::from_timestamp_nanos),
            TaskState::Retry => info.last_failed_at,
            TaskState::Completed => info.completed_at,
            TaskState::Archived | TaskState::Aggregating => time(score),
            _ => None,
        };
        Self {
            id,
            score,
            info,
            since,
        }
    }
}

/// Describes a task, also if its message does not decode: then the error says why. `score` is that of its place, `now`
/// the time of Redis (unix s).
pub(super) fn describe(
    queue: &str,
    id: &[u8],
    state: TaskState,
    score: Option<i64>,
    task: ListedTask,
    now: i64,
) -> (TaskInfo, Option<DecodeError>) {
    let next = match state {
        TaskState::Pending => time(now),
        TaskState::Scheduled | TaskState::Retry => score.and_then(time),
        _ => None,
    };
    let (mut info, error) = match wire::decode_task(task.message) {
        Ok(message) => (TaskInfo::new(message, state, next, task.result), None),
        Err(error) => {
            let id = String::from_utf8_lossy(id).into_owned();
            let info = TaskInfo::undecodable(queue, id, state, next, task.result);
            (info, Some(error))
        }
    };
    info.is_orphaned = state == TaskState::Active && task.lease.is_some_and(|until| until <= now);
    (info, error)
}

/// The moment of a time that Redis has stored.
pub(super) fn time(unix_secs: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(unix_secs, 0)
}
