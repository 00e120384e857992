//! New tasks.

use bytes::Bytes;

use super::Str;
use crate::wire::{Placement, QueueKeys};

/// A task to store.
#[derive(Clone, Debug)]
pub(crate) struct NewTask {
    pub(crate) keys: QueueKeys,
    pub(crate) id: Str,
    /// The client has drawn the id for this task, so no other task can have it.
    pub(crate) id_is_random: bool,
    pub(crate) message: Bytes,
    pub(crate) placement: Placement,
    /// The task's group; empty for none.
    pub(crate) group: String,
    /// The key of the unique lock and its TTL in seconds.
    pub(crate) lock: Option<(String, u64)>,
}

/// A task with a larger message (bytes) shares no call with tasks of other callers.
const MAX_SHARED: usize = 64 << 10;

impl NewTask {
    /// Whether storing the task may take long over a thin link.
    pub(crate) fn is_large(&self) -> bool {
        self.message.len() > MAX_SHARED
    }

    /// Whether the task becomes pending at once and needs no lock.
    pub(crate) fn is_plain(&self) -> bool {
        self.placement == Placement::Pending && self.lock.is_none()
    }
}
