//! The state in which a new task starts.

use chrono::{DateTime, Utc};

/// Where an enqueue call puts a new task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// In the list of pending tasks: a server may fetch it at once.
    Pending,
    /// In the set of scheduled tasks, until `at`.
    Scheduled {
        /// When the task is due. Redis stores the whole second.
        at: DateTime<Utc>,
    },
    /// In its group, until an aggregator collects the group.
    Group,
}
