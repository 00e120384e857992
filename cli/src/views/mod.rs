//! What is shown of queues, tasks, servers and entries: their JSON, and their rows in tables.

mod cron;
mod queue;
mod server;
mod state_counts;
mod task;

pub(crate) use cron::*;
pub(crate) use queue::*;
pub(crate) use server::*;
pub(crate) use state_counts::StateCounts;
pub(crate) use task::*;

use chrono::{DateTime, SecondsFormat, Utc};

/// A time in JSON.
pub(crate) fn rfc3339(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
