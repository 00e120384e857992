//! What Redis notifies a server of, and what the server reports so that it is notified again.

use super::{GroupAge, Str};

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Tasks may be pending.
    Ready(usize),
    /// The time at which the queue's first scheduled or retried task is due (unix ms).
    /// `None`: there is no such task.
    Due(usize, DelayedSet, Option<i64>),
    /// The time at which the retention of the queue's first completed task ends (unix ms).
    /// `None`: there is no such task.
    Expires(usize, Option<i64>),
    /// What is known of the queue's groups, for a server that aggregates.
    Groups(usize, GroupSignal),
    /// Redis may have lost its subscriptions: every queue must be asked, and tracking starts over.
    Reset,
}

impl Signal {
    /// What has a server ask a queue for everything once, apart from its groups.
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
            Self::Groups(queue, signal) => Self::Groups(index(queue), signal),
            Self::Reset => Self::Reset,
        }
    }
}

/// What a notification or a read means for the groups of one queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum GroupSignal {
    /// The names of all groups with tasks.
    Names {
        names: Vec<Str>,
        /// Tracking has begun, or notifications were lost: Redis notifies of changes of the names from now on, but of
        /// none of a group before it is read.
        anew: bool,
    },
    /// A group has changed since it was read.
    Changed(Str),
    /// What groups have. From now on Redis notifies of their next changes.
    Ages(Vec<(Str, Option<GroupAge>)>),
    /// Redis does not notify of changes of these groups for now: the server must ask.
    Untracked,
}

/// What a server has found or done in a queue. After that it needs the next signal of the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// These groups must be read.
    UnreadGroups {
        queue: usize,
        groups: Vec<Str>,
        /// How many groups of the last read had not changed although Redis had notified of a change.
        in_vain: usize,
    },
    /// The server has asked for the groups of a queue, after [`GroupSignal::Untracked`].
    PolledGroups { queue: usize },
}

impl Report {
    /// The index of the queue.
    pub(crate) fn queue(&self) -> usize {
        match self {
            Self::Drained { queue, .. }
            | Self::Forwarded { queue, .. }
            | Self::Cleaned { queue }
            | Self::UnreadGroups { queue, .. }
            | Self::PolledGroups { queue } => *queue,
        }
    }

    /// The same report with another index of the queue.
    pub(crate) fn of(mut self, index: usize) -> Self {
        match &mut self {
            Self::Drained { queue, .. }
            | Self::Forwarded { queue, .. }
            | Self::Cleaned { queue }
            | Self::UnreadGroups { queue, .. }
            | Self::PolledGroups { queue } => *queue = index,
        }
        self
    }
}
