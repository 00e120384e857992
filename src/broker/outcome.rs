//! Outcomes of runs, and what Redis needs to write them.

use std::time::Duration;

use bytes::Bytes;

use super::Str;

/// What a run came to. Delays begin when Redis writes the outcome, and are reckoned by its clock.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// The task succeeded and has no retention, or it was revoked. It is deleted.
    Done {
        /// The key of the unique lock to release.
        lock: Option<String>,
    },
    /// The task succeeded and is kept until its retention ends.
    Completed {
        /// The key of the unique lock to release.
        lock: Option<String>,
        message: Bytes,
        retention: Duration,
    },
    /// The task failed and waits in *retry* for its next run.
    Retry {
        message: Bytes,
        delay: Duration,
        /// Whether the statistics of the queue count a processed and a failed task.
        counted: bool,
    },
    /// The task waits in *scheduled* for its next run, uncounted. It was snoozed, or this server has no
    /// handler for it, or its lease has expired (the last two by settings of the server).
    Deferred { delay: Duration },
    /// The task is archived: no retry is left, its error forbids one, or its message does not decode.
    Archived {
        /// `None` leaves the stored message as it is, because it does not decode.
        message: Option<Bytes>,
        /// Whether the statistics of the queue count a processed and a failed task.
        counted: bool,
        limits: ArchiveLimits,
    },
    /// The task returns to *pending*, uncounted and next in line, because the server stops fetching or shuts down.
    Requeued,
}

/// How many tasks the archive of a queue keeps at most.
pub const DEFAULT_ARCHIVE_MAX_SIZE: u64 = 10_000;
/// How long the archive of a queue keeps a task.
pub const DEFAULT_ARCHIVE_MAX_AGE: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// The limits of a queue's archive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ArchiveLimits {
    pub(crate) max_size: u64,
    pub(crate) max_age_secs: u64,
}

/// What shows to Redis that the caller may still decide on a task.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) id: Str,
    /// The owner token of the fetch, unique among all fetches. From a recoverer: the score of the expired
    /// lease, as it was listed.
    pub(crate) proof: Str,
    /// The message as it was fetched; from a recoverer, as it was listed.
    pub(crate) message: Bytes,
}

/// An outcome to write to Redis, for the task that the claim names.
#[derive(Clone, Debug)]
pub(crate) struct Acknowledgement {
    pub(crate) claim: Claim,
    pub(crate) outcome: Outcome,
}

/// Who writes outcomes. This decides what the script checks first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Authority {
    /// The server that holds the runs. The claim of each task must be valid.
    Owner(ActiveRange),
    /// A recoverer. The lease must still be the one that was listed, and must have expired at least this long
    /// ago.
    Recoverer { expired_secs: i64 },
}

/// Where in *active* the tasks of a call are expected. Only calls with done tasks use it. A wrong range
/// only costs time: tasks outside the range are searched for in the whole list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ActiveRange {
    /// Among this many of the newest tasks.
    Newest(usize),
    /// Among this many of the oldest tasks.
    Oldest(usize),
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An acknowledgement of task `id`, as its server makes it while the lease is valid.
    pub(crate) fn acknowledgement(id: &str, outcome: Outcome) -> Acknowledgement {
        Acknowledgement {
            claim: Claim {
                id: id.to_owned().into(),
                proof: "owner".to_owned().into(),
                message: Bytes::new(),
            },
            outcome,
        }
    }
}
