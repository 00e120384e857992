//! What Redis notifies a server of, and what the server reports so that it is notified again.

/// One of the two sets of a queue in which the score of a task is the time when it is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum DelayedSet {
    Scheduled,
    Retry,
}

impl DelayedSet {
    pub(crate) const ALL: [Self; 2] = [Self::Scheduled, Self::Retry];
}

/// What a notification or a read means for a server. A queue is given by its index among the tracked
/// queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Tasks may be pending.
    Ready(usize),
    /// The time at which the queue's first scheduled or retried task is due (unix ms).
    /// `None`: there is no such task.
    Due(usize, DelayedSet, Option<i64>),
    /// The time at which the retention of the queue's first completed task ends (unix ms).
    /// `None`: there is no such task.
    Expires(usize, Option<i64>),
    /// Redis may have lost its subscriptions: every queue must be asked, and tracking starts over.
    Reset,
}

/// What a server has found or done in a queue. After that it needs the next signal of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// A fetch got fewer tasks than it asked for.
    Drained {
        queue: usize,
        /// The queue is paused; otherwise it is empty.
        paused: bool,
        /// The fetch got no task at all.
        empty_fetch: bool,
    },
    /// The due tasks of a delayed set were forwarded.
    Forwarded { queue: usize, set: DelayedSet },
    /// The completed tasks whose retention has ended were deleted from a queue.
    Cleaned { queue: usize },
}
