//! Replies to a fetch.

use bytes::Bytes;

use super::Str;

/// The id of a task, and its message as it is stored: not decoded yet.
#[derive(Clone, Debug)]
pub(crate) struct RawTask {
    pub(crate) id: Str,
    pub(crate) message: Bytes,
}

/// What a fetch found.
#[derive(Debug)]
pub(crate) enum Fetched {
    /// The queue is paused.
    Paused,
    /// Tasks, the oldest first. If there are fewer than were asked for, the queue is empty now.
    Tasks {
        tasks: Vec<RawTask>,
        /// How many ids were dropped: their message is gone, or they are active already.
        dropped: u64,
    },
}
