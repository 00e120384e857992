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

impl Signal {
    /// What has a server ask a queue for everything once.
    pub(crate) fn everything_of(queue: usize) -> [Self; 4] {
        let [scheduled, retry] = DelayedSet::ALL;
        [
            Self::Ready(queue),
            Self::Due(queue, scheduled, Some(0)),
            Self::Due(queue, retry, Some(0)),
            Self::Expires(queue, Some(0)),
        ]
    }

    /// The same signal with another index in place of the queue's.
    pub(crate) fn of(self, index: impl Fn(usize) -> usize) -> Self {
        match self {
            Self::Ready(queue) => Self::Ready(index(queue)),
            Self::Due(queue, set, at) => Self::Due(index(queue), set, at),
            Self::Expires(queue, at) => Self::Expires(index(queue), at),
            Self::Reset => Self::Reset,
        }
    }
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

impl Report {
    /// The index of the queue.
    pub(crate) fn queue(&self) -> usize {
        let (Self::Drained { queue, .. } | Self::Forwarded { queue, .. } | Self::Cleaned { queue }) =
            *self;
        queue
    }

    /// The same report with another index of the queue.
    pub(crate) fn of(mut self, index: usize) -> Self {
        let (Self::Drained { queue, .. } | Self::Forwarded { queue, .. } | Self::Cleaned { queue }) =
            &mut self;
        *queue = index;
        self
    }
}
