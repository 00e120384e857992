//! The state in which a new task starts.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// Where an enqueue call puts a new task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// In the list of pending tasks: a server may fetch it at once.
    Pending,
    /// In the set of scheduled tasks until this time.
    Scheduled(DueTime),
    /// In its group, until an aggregator collects the group.
    Group,
}

/// When a new task is due. Redis stores the whole second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DueTime {
    At(DateTime<Utc>),
    /// This long after Redis has stored the task.
    After(Duration),
}
