//! A task of a list as its description.

use chrono::{DateTime, Utc};

use super::ids::FoundId;
use super::packed_id::PackedId;
use crate::broker::ListedTask;
use crate::task::TaskInfo;
use crate::wire::{self, TaskState};

/// A task that was found.
pub(super) struct FoundTask {
    pub(super) id: PackedId,
    /// Its score when its id was read. 0 in a list.
    pub(super) score: i64,
    pub(super) info: TaskInfo,
    /// Since when it is in its state, if that is known; of a task in *retry*: when it last failed.
    pub(super) since: Option<DateTime<Utc>>,
}

/// Describes a task. `now`: Redis' time.
pub(super) fn describe(
    queue: &str,
    state: TaskState,
    found: FoundId,
    task: ListedTask,
    now: DateTime<Utc>,
) -> FoundTask {
    let FoundId { id, score } = found;
    let scored = DateTime::from_timestamp(score, 0);
    let next = match state {
        TaskState::Pending => Some(now),
        TaskState::Scheduled | TaskState::Retry => scored,
        _ => None,
    };
    let mut info = match wire::decode_task(task.message) {
        Ok(message) => TaskInfo::new(message, state, next, task.result),
        Err(_) => {
            let id = String::from_utf8_lossy(&id.bytes()).into_owned();
            TaskInfo::undecodable(queue, id, state, next, task.result)
        }
    };
    info.is_orphaned = task.lease.is_some_and(|until| until <= now.timestamp());
    let since = match state {
        TaskState::Pending => task.pending_since.map(DateTime::from_timestamp_nanos),
        TaskState::Retry => info.last_failed_at,
        TaskState::Completed => info.completed_at,
        TaskState::Archived | TaskState::Aggregating => scored,
        _ => None,
    };
    FoundTask {
        id,
        score,
        info,
        since,
    }
}
