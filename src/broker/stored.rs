//! What Redis replies when tasks are read, and not fetched.

use bytes::Bytes;

use super::{RawTask, Str};
use crate::wire::TaskState;

/// A task as it is stored in Redis.
#[derive(Debug)]
pub(crate) struct StoredTask {
    pub(crate) message: Bytes,
    pub(crate) state: TaskState,
    pub(crate) result: Option<Bytes>,
    /// The time at which a task in *scheduled* or *retry* is due, or at which the lease of an active task
    /// expires (unix s). It is not read for other states.
    pub(crate) score: Option<i64>,
    /// An active task whose lease has expired. A task without a lease is not orphaned: its data is damaged.
    pub(crate) orphaned: bool,
}

/// A task whose lease has expired.
#[derive(Debug)]
pub(crate) struct ExpiredTask {
    pub(crate) task: RawTask,
    /// The score of the lease: when it expired (unix s).
    pub(crate) lease: Str,
}

/// Tasks whose lease has expired.
#[derive(Debug, Default)]
pub(crate) struct ExpiredLeases {
    pub(crate) tasks: Vec<ExpiredTask>,
    /// How many ids were dropped, because their message is gone.
    pub(crate) dropped: u64,
}
