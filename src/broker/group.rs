//! Groups, and the aggregation sets that are taken from them.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::Str;
use crate::wire::{DecodeError, QueueKeys, TaskMessage};

/// How many tasks wait in a group, and since when. All is 0 for a group that is listed, although it has no tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GroupAge {
    pub(crate) size: u64,
    /// When the oldest task joined (unix s).
    pub(crate) oldest: i64,
    /// When the newest task joined (unix s).
    pub(crate) newest: i64,
}

/// The largest aggregation set (tasks): its tasks are in memory all at once.
pub(crate) const LARGEST_SET: u64 = 100_000;

/// When the tasks of a group are due for aggregation. Redis stores when a task joined in whole seconds, so a
/// time may be over up to a second early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FormLimits {
    /// The group is due once it has this many tasks, and so many are taken. `None`: its size never makes it due.
    pub(crate) max_size: Option<u64>,
    /// The group is due this long after its oldest task joined. `None`: its tasks may wait for ever.
    pub(crate) max_delay: Option<Duration>,
    /// The group is due this long after its newest task joined.
    pub(crate) grace_period: Duration,
}

impl FormLimits {
    /// How many tasks a set has at most. A group with more of them keeps the rest.
    pub(crate) fn largest_set(&self) -> u64 {
        self.max_size.unwrap_or(LARGEST_SET)
    }
}

/// What became of a group that was to be aggregated.
#[derive(Debug)]
pub(crate) enum Formed {
    /// Its tasks, or the oldest of them, are in an aggregation set.
    Set(AggregationSet),
    /// No limit is reached.
    NotDue {
        age: GroupAge,
        /// The time of Redis (unix ms).
        now_ms: i64,
    },
    /// The group has no tasks.
    Empty,
}

/// Tasks of one group that are being aggregated, in a ZSET of their own. After its deadline any server may put
/// them back into their group.
#[derive(Debug)]
pub(crate) struct AggregationSet {
    pub(crate) keys: QueueKeys,
    pub(crate) group: Str,
    /// The key of the ZSET.
    pub(crate) key: String,
    /// By Redis' clock.
    pub(crate) deadline: DateTime<Utc>,
    /// How many tasks it has. Once the set is read: how many of those that were read it still has. Its aggregate is
    /// stored only if it has no others.
    pub(crate) size: u64,
    /// The ids of unique tasks with the keys of their locks. Known once the set is read.
    pub(crate) locks: Vec<(Str, String)>,
}

/// A task of an aggregation set.
#[derive(Debug)]
pub(crate) struct SetMember {
    pub(crate) id: Str,
    pub(crate) message: Result<TaskMessage, DecodeError>,
}

/// A task that leaves its aggregation set for the archive.
#[derive(Debug)]
pub(crate) struct ArchivedMember {
    pub(crate) id: Str,
    /// `None` leaves the stored message as it is, because it does not decode.
    pub(crate) message: Option<Bytes>,
}

/// What became of an aggregate that was to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoredAggregate {
    /// It is stored, and the tasks of the set are deleted.
    Stored,
    /// Nothing is stored: the deadline of the set is over, or its tasks are back in their group.
    SetIsGone,
}

/// What became of aggregation sets whose deadline was over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReclaimedSets {
    /// How many sets are gone now.
    pub(crate) sets: u64,
    /// How many tasks are back in their groups.
    pub(crate) tasks: u64,
}
