//! Replies to a fetch.

use bytes::Bytes;

use super::Str;

/// A task as it is stored.
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
    /// Tasks, the oldest first. Fewer than were asked for: the queue is empty now.
    Tasks {
        tasks: Vec<RawTask>,
        /// How many ids were dropped, because their hash is gone or they are active already.
        dropped: u64,
    },
}
