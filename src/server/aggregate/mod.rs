//! Aggregation of groups: many tasks of a group become one task.
//!
//! `function` holds the caller's function, and `limits` when a group is aggregated. asynq: `aggregator`.

mod function;
mod limits;

pub use function::GroupAggregator;
pub(super) use function::{Aggregator, TypedFunction};
pub(super) use limits::GroupSettings;
pub use limits::{DEFAULT_GROUP_CONCURRENCY, DEFAULT_GROUP_GRACE_PERIOD, GroupLimits};
