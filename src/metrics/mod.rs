//! What a process measures of its tasks and its connections, for the recorder that the caller has installed for
//! the facade of the crate `metrics`. This is the feature `metrics`. Without it nothing is measured: a
//! [`QueueMeter`] is empty, and the functions return at once. It owns nothing in Redis.
//!
//! The series are on the page `docs/metrics.md`.

mod bounded;
mod catalogue;
mod connections;
mod enqueued;
mod queue;
mod recovered;
mod series;

#[cfg(feature = "metrics")]
pub use catalogue::METRIC_BUCKETS;
pub(crate) use catalogue::describe;
pub(crate) use connections::{connection_lost, connection_opened, connection_restored};
pub(crate) use enqueued::enqueued;
pub(crate) use queue::{EndedRun, QueueMeter, RunMeter, RunOutcome};
pub(crate) use recovered::{LossCause, run_recovered};

/// Whether anything is measured.
pub(crate) const ON: bool = cfg!(feature = "metrics");
