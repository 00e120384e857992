//! What Redis replies when recoverers read tasks.

use super::{RawTask, Str};

/// A task whose run seems to be lost.
#[derive(Debug)]
pub(crate) struct LostTask {
    pub(crate) task: RawTask,
    /// The score of the lease: when it expires (unix s).
    pub(crate) lease: Str,
    /// How many runs in a row were lost before.
    pub(crate) losses: u32,
}

/// Tasks whose lease has expired.
#[derive(Debug, Default)]
pub(crate) struct ExpiredLeases {
    pub(crate) tasks: Vec<LostTask>,
    /// How many ids were dropped, because their message is gone.
    pub(crate) dropped: u64,
    /// How many leases were removed, because their tasks are not active.
    pub(crate) inactive: u64,
    /// Large messages have ended the list before its limit.
    pub(crate) has_more: bool,
}

/// Tasks whose leases belong to one owner.
#[derive(Debug, Default)]
pub(crate) struct LeasesOf {
    /// How many leases of all owners were read.
    pub(crate) read: usize,
    pub(crate) tasks: Vec<LostTask>,
}

/// What a recoverer might have to do in a queue.
#[derive(Debug)]
pub(crate) struct QueueCheck {
    pub(crate) active: i64,
    pub(crate) leases: i64,
    /// When the first lease expires (unix s).
    pub(crate) first_expiry: Option<i64>,
    /// When the deadline of the first aggregation set is over (unix s).
    pub(crate) first_deadline: Option<i64>,
    /// When anybody may delete the first large set that is aggregated (unix s).
    pub(crate) first_deletion: Option<i64>,
}

/// Active tasks without a lease.
#[derive(Debug)]
pub(crate) struct Unleased {
    /// How many active tasks were looked at.
    pub(crate) read: usize,
    pub(crate) ids: Vec<Str>,
}
