//! Aggregation of groups: many tasks of a group become one task.
//!
//! `function` holds the caller's function, and `limits` when a group is aggregated. `due` decides which groups are due
//! and which must be read, and `watched_queue` when the groups of a queue are polled and sets may be formed. The
//! [`Aggregator`] has a `job` for each set: it forms the set of the tasks of a due group, and `set_runner` makes one task
//! out of it.

mod aggregator;
mod due;
mod function;
mod job;
mod job_slot;
mod limits;
mod set_runner;
mod watched_queue;

pub(super) use aggregator::Aggregator;
pub use function::GroupAggregator;
pub(super) use function::TypedFunction;
pub(super) use limits::GroupSettings;
pub use limits::{DEFAULT_GROUP_CONCURRENCY, DEFAULT_GROUP_GRACE_PERIOD, GroupLimits};
pub(super) use set_runner::SetRunner;
