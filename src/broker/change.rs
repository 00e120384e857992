//! What an inspector may change about tasks that are not active.

use bytes::Bytes;

use super::Str;
use crate::wire::TaskState;

/// What to do with tasks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum TaskChange {
    /// They become pending.
    Run,
    /// They are archived. The oldest archived tasks are deleted if the archive would grow beyond
    /// [`DEFAULT_ARCHIVE_MAX_SIZE`](super::DEFAULT_ARCHIVE_MAX_SIZE). It never shrinks: its servers may let it be larger.
    Archive,
    /// They are deleted, with the unique locks that they hold.
    Delete,
    /// They are due at this time (unix s). Those in *retry* stay there, the others are scheduled. The locks that they hold
    /// last as much longer.
    Reschedule(i64),
}

impl TaskChange {
    /// The states in which tasks can be changed so.
    pub(crate) fn states(self) -> &'static [TaskState] {
        use TaskState::{Aggregating, Archived, Completed, Pending, Retry, Scheduled};
        match self {
            Self::Run => &[Scheduled, Retry, Archived, Completed, Aggregating],
            Self::Archive => &[Pending, Scheduled, Retry, Completed, Aggregating],
            Self::Delete => &[Pending, Scheduled, Retry, Archived, Completed, Aggregating],
            Self::Reschedule(_) => &[Pending, Scheduled, Retry, Archived],
        }
    }
}

/// What became of one task.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TaskChanged {
    Yes,
    /// There is no such task.
    Missing,
    /// It is in this state, or in another group.
    Other(Str),
    /// It has this state, but it is not in the list or set of this state.
    Misplaced(Str),
    /// It is pending, but not where it was read. The next call may find it.
    Moved,
    /// The call has read so many bytes that it has left this task to the next call.
    Postponed,
}

/// Some tasks of one queue, for one call.
#[derive(Clone, Debug)]
pub(crate) struct TasksToChange<'t> {
    /// The states that the tasks may be in.
    pub(crate) states: &'t [TaskState],
    /// The group that they must be in. `None`: any.
    pub(crate) group: Option<&'t str>,
    /// At most 500, with where each was seen: the position of a pending task, which is how many tasks are fetched before it,
    /// or the score of another one. A task with another score has left its state and come back, and is not changed.
    pub(crate) tasks: &'t [(Bytes, Option<i64>)],
    /// How far the positions have shifted since.
    pub(crate) shift: i64,
}

/// What one call has changed.
#[derive(Debug)]
pub(crate) struct TasksChanged {
    /// How far the positions of pending tasks have shifted.
    pub(crate) shift: i64,
    /// How many tasks the archive has lost because it would have had too many.
    pub(crate) trimmed: u64,
    /// In the order of the tasks.
    pub(crate) tasks: Vec<TaskChanged>,
}

/// A message that replaces the one of a scheduled task.
#[derive(Clone, Debug)]
pub(crate) struct NewPayload {
    /// The message as it was read.
    pub(crate) read: Bytes,
    /// The new message.
    pub(crate) message: Bytes,
    /// The key of the lock that the task names; empty for none.
    pub(crate) old_lock: String,
    /// The key of the lock that the task names from now on.
    pub(crate) new_lock: String,
}

/// What became of a task whose payload was to be replaced.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PayloadChanged {
    Yes,
    /// There is no such task.
    Missing,
    /// Its message is not the one that was read.
    Meanwhile,
    /// It is in this state.
    Other(Str),
    /// This task holds the lock of the new payload; empty: the key of the lock has a wrong type.
    Duplicate(Str),
}
