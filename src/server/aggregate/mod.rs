//! Aggregation of groups: many tasks of a group become one task.
//!
//! `function` holds the caller's function, and `limits` when a group is aggregated. `due` decides which groups are due
//! and which must be read, the [`Aggregator`] takes the tasks of due groups into sets, and `aggregation` makes one task
//! out of each set.

mod aggregation;
mod aggregator;
mod due;
mod function;
mod limits;

pub(super) use aggregation::Aggregation;
pub(super) use aggregator::Aggregator;
pub use function::GroupAggregator;
pub(super) use function::TypedFunction;
pub(super) use limits::GroupSettings;
pub use limits::{DEFAULT_GROUP_CONCURRENCY, DEFAULT_GROUP_GRACE_PERIOD, GroupLimits};
