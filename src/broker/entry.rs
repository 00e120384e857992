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
