//! What a server writes about itself.

use bytes::Bytes;

use super::Str;

/// The keys of a server's entry.
#[derive(Clone, Debug)]
pub(crate) struct EntryKeys {
    pub(crate) server: String,
    pub(crate) workers: String,
    /// The hash in which a large change is prepared.
    pub(crate) spare_workers: String,
}

/// A change of one of a server's running tasks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WorkerChange {
    pub(crate) id: Str,
    /// The encoded `WorkerInfo`. `None`: the task runs no more.
    pub(crate) info: Option<Bytes>,
}

/// What was found where a server's state was written.
pub(crate) struct EntryFound {
    /// `asynq:servers` did not name this server: its state was never written before, or Redis has lost it.
    pub(crate) is_new: bool,
    /// As many tasks were shown as this server believed. Otherwise Redis has lost them.
    pub(crate) tasks_as_shown: bool,
}
