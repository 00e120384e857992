//! Enqueueing tasks again and again: [`Scheduler`] and its parts. asynq: `scheduler.go`.

mod builder;
mod config;
mod entry;
mod entry_key;
mod info;
pub(crate) mod periodic;
mod printed_options;
mod running;

pub use builder::Scheduler;
pub use config::DEFAULT_SCHEDULER_HEARTBEAT_INTERVAL;
use config::SchedulerConfig;
use entry::CheckedEntry;
pub use entry::{Entry, Missed};
pub use info::EntryInfo;
pub use running::RunningScheduler;

use crate::broker::Broker;
use crate::connection::Connection;
use crate::error::Result;

/// Starts a scheduler.
async fn start(
    connection: &Connection,
    config: SchedulerConfig,
    entries: Vec<CheckedEntry>,
) -> Result<RunningScheduler> {
    let broker = Broker::connect(connection).await?;
    Ok(RunningScheduler::new(broker, config, entries))
}
