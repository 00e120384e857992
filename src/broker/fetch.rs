//! Replies to a fetch.

use bytes::Bytes;
use chrono::{DateTime, Utc};

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
    /// Tasks, the oldest first.
    Tasks {
        tasks: Vec<PendingTask>,
        /// A task whose message is larger than the budget, so that the reply has only its length. If there is
        /// one, it is the only task of the fetch.
        large: Option<LargeTask>,
        /// The budget ended the fetch, so more tasks may be pending. Otherwise, if there are fewer tasks than
        /// were asked for, the queue is empty now.
        may_have_more: bool,
        /// How many ids were dropped: their message is gone, or they are active already.
        dropped: u64,
    },
}

/// A task that a fetch has moved from *pending* to *active*.
#[derive(Clone, Debug)]
pub(crate) struct PendingTask {
    pub(crate) task: RawTask,
    /// Since when it was pending, if that was asked for and is known.
    pub(crate) since: Option<DateTime<Utc>>,
}

/// A task whose message has not been read yet.
#[derive(Clone, Debug)]
pub(crate) struct LargeTask {
    pub(crate) id: Str,
    /// How many bytes the message has.
    pub(crate) length: usize,
    /// As in [`PendingTask`].
    pub(crate) since: Option<DateTime<Utc>>,
}

/// How much one fetch may bring.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FetchLimits {
    /// How many tasks.
    pub(crate) tasks: usize,
    /// How many bytes their messages have at most.
    pub(crate) bytes: usize,
    /// How many bytes are expected.
    pub(crate) expected_bytes: usize,
    /// Whether it brings the time since when each task was pending.
    pub(crate) with_since: bool,
}
