//! Enqueueing tasks again and again: [`Scheduler`] and its parts. asynq: `scheduler.go`.
//!
//! This file names all parts of a scheduler. The ticker sleeps until a tick is due, and has its task enqueued. The
//! leadership finds out which entries this scheduler leads. The lister shows them to asynqmon. They share
//! [`Core`](core::Core). `timeline`, `entry_state` and `entry_table` decide which tick is due, and do no I/O.

mod builder;
mod config;
mod core;
mod entry;
mod entry_key;
mod entry_state;
mod entry_table;
mod hooks;
mod info;
mod late_check;
mod leadership;
mod listing;
pub(crate) mod periodic;
mod printed_options;
mod registration;
mod running;
mod tick_run;
mod ticker;
mod timeline;
mod trouble;

use std::sync::Arc;

pub use builder::Scheduler;
pub use config::DEFAULT_SCHEDULER_HEARTBEAT_INTERVAL;
use config::SchedulerConfig;
use core::Core;
use entry::CheckedEntry;
pub use entry::{Entry, Missed};
pub use info::EntryInfo;
use late_check::LateCheck;
use leadership::{LEAD_INTERVAL, Leadership};
use listing::Lister;
pub use running::RunningScheduler;
use running::{FAILED_START, SchedulerSupervisor};
use ticker::Ticker;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::background::{Every, ServiceHandle, Services};
use crate::broker::Broker;
use crate::connection::Connection;
use crate::error::Result;
use crate::metrics;

/// Starts a scheduler.
async fn start(
    connection: &Connection,
    config: SchedulerConfig,
    entries: Vec<CheckedEntry>,
) -> Result<RunningScheduler> {
    metrics::describe();
    let (broker, not_connected) = Broker::connect_or_later(connection).await?;
    let core = Arc::new(Core::new(broker, &config));
    let is_late = not_connected.is_some();
    if let Some(error) = not_connected {
        tracing::warn!(
            scheduler_id = core.id,
            %error,
            "Redis does not answer, the scheduler starts without it and connects in the background"
        );
    }
    let count = entries.len();
    let registered = async {
        core.register(entries).await?;
        core.show_change().await
    };
    match registered.await {
        Ok(()) => {}
        // The background goes on with it.
        Err(error) if error.is_transient() => core.list_changed.notify_one(),
        Err(error) => {
            // It may have become the leader.
            let _ = timeout(FAILED_START, core.leave()).await;
            core.broker.close().await;
            return Err(error);
        }
    }
    let [shutdown, failed, ended] = [(); 3].map(|()| CancellationToken::new());
    let mut services = Services::new(failed.clone());
    services.start(Every::new(LEAD_INTERVAL, Leadership(Arc::clone(&core))));
    services.start(Lister(Arc::clone(&core)));
    if is_late {
        services.start(LateCheck(Arc::clone(&core)));
    }
    let ticker = Ticker(Arc::clone(&core));
    let supervisor = SchedulerSupervisor {
        core: Arc::clone(&core),
        shutdown: shutdown.clone(),
        ticker: ServiceHandle::start(ticker, CancellationToken::new(), failed.clone()),
        services,
        failed: failed.clone(),
        ended: ended.clone(),
    };
    // In a tokio task of its own, the scheduler ends in order even if its handle is dropped.
    tokio::spawn(supervisor.run());
    tracing::info!(
        scheduler_id = core.id,
        entries = count,
        location = core.location.name(),
        "scheduler started"
    );
    Ok(RunningScheduler {
        core,
        shutdown,
        failed,
        ended,
    })
}
