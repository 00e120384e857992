//! What clients, servers and inspectors may ask of storage: the seam between the product and Redis.
//!
//! A verb is one method of [`Broker`] and, where it writes, one script in `lua/`. Everything that
//! can be asked for many tasks at once is, and every task has its own answer.

mod redis;

use bytes::Bytes;

pub(crate) use redis::{Broker, Dequeued, Notice, Notices, Watch};

use crate::wire::QueueKeys;

/// A string whose clones share its bytes.
pub(crate) type Str = fred::bytes_utils::Str;

/// How long a lease lasts from the moment Redis grants or renews it. asynq: `LeaseDuration`.
pub(crate) const LEASE: std::time::Duration = std::time::Duration::from_secs(30);

/// The right by which a run writes about its task: that it fetched it and nobody has taken it since.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) id: Str,
    /// The name of the fetch, unique in the world.
    pub(crate) owner: Str,
    /// The message as it was fetched; given when the lease may have ended meanwhile, so that a task
    /// that a Go worker (which leaves the owner's name alone) has taken is told apart.
    pub(crate) original: Option<Bytes>,
}

/// A task that ended well and is removed.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    pub(crate) claim: Claim,
    /// The lock's key; empty if the task has none.
    pub(crate) unique_key: String,
}

impl Done {
    /// Whether nothing more is to be known: there is no lock, and the lease is certainly valid.
    pub(crate) fn is_plain(&self) -> bool {
        self.unique_key.is_empty() && self.claim.original.is_none()
    }
}

/// A task that ended well and is kept, for its retention.
#[derive(Clone, Debug)]
pub(crate) struct Completed {
    pub(crate) claim: Claim,
    /// The lock's key; empty if the task has none.
    pub(crate) unique_key: String,
    /// The message to keep.
    pub(crate) message: Bytes,
    pub(crate) keep_until_unix_secs: i64,
}

/// A task that is put off.
#[derive(Clone, Debug)]
pub(crate) struct Later {
    pub(crate) claim: Claim,
    pub(crate) at_unix_secs: i64,
    /// `None` leaves the stored message as it is.
    pub(crate) message: Option<Bytes>,
    /// Whether the failure is counted in the queue's statistics.
    pub(crate) counts: bool,
}

/// Where a task that is put off waits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum LaterState {
    /// It failed.
    Retry,
    /// It did not: it asked for it, or nobody could run it.
    Scheduled,
}

/// A task that is archived.
#[derive(Clone, Debug)]
pub(crate) struct Archive {
    pub(crate) claim: Claim,
    /// `None` leaves the stored message as it is: it did not decode.
    pub(crate) message: Option<Bytes>,
    /// Whether the failure is counted in the queue's statistics.
    pub(crate) counts: bool,
}

/// By what right tasks are taken out of active.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Right {
    /// The worker's own, by its [`Claim`].
    Owner,
    /// A recoverer's: the lease ended this long ago and the message is still the one listed.
    Lapsed { secs: u64 },
}

/// The limits of a queue's archive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ArchiveLimits {
    pub(crate) max_size: u64,
    pub(crate) max_age_secs: u64,
}

/// One new task for [`Broker::enqueue`].
#[derive(Clone, Debug)]
pub(crate) struct NewTask {
    pub(crate) keys: QueueKeys,
    pub(crate) id: Str,
    /// The id was drawn for this task: nobody else can have it.
    pub(crate) id_is_random: bool,
    pub(crate) message: Bytes,
    pub(crate) place: Place,
    /// The lock's key and its whole TTL.
    pub(crate) lock: Option<(String, u64)>,
}

impl NewTask {
    /// Whether it is pending and not unique.
    pub(crate) fn is_plain(&self) -> bool {
        self.place == Place::Pending && self.lock.is_none()
    }
}

/// Where a new task goes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Place {
    Pending,
    Scheduled { at_unix_secs: i64, group: String },
    Group(String),
}
