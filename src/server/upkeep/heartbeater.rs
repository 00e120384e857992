//! Shows this server to asynqmon, and lists it as an owner in its queues. asynq: part of `heartbeater`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::server_entry::ServerEntry;
use crate::background::Periodic;
use crate::broker::Broker;
use crate::error::{Error, ErrorKind, Result, warn_unless_outage};
use crate::server::owner::Listing;
use crate::server::queues::Queues;
use crate::server::run::{HeldRun, HeldRuns};
use crate::server::wake::Wakeups;

/// How long writing the server's entry may take, and listing the server in a queue.
const WRITE_TIMEOUT: Duration = Duration::from_secs(4);
pub(in crate::server) struct Heartbeater {
    pub(in crate::server) broker: Broker,
    pub(in crate::server) entry: ServerEntry,
    /// Fires when the server fetches no more tasks.
    pub(in crate::server) stopped: CancellationToken,
    pub(in crate::server) held: Arc<HeldRuns>,
    pub(in crate::server) wakeups: Arc<Wakeups>,
    pub(in crate::server) queues: Queues,
    pub(in crate::server) listing: Arc<Listing>,
}

impl Periodic for Heartbeater {
    const NAME: &'static str = "heartbeater";
    type Done = ();

    async fn pass(&mut self) -> Result<()> {
        let runs = self.held.all();
        let stopped = self.stopped.is_cancelled();
        let write = self.entry.write(&self.broker, &runs, stopped);
        let ((), written) = join(
            list_as_owner(&self.broker, &runs, &self.listing),
            timeout(WRITE_TIMEOUT, self.broker.while_refreshing_clock(write)),
        )
        .await;
        if self.entry.take_lost() {
            self.wakeups.redis_was_emptied();
        }
        let late = || {
            let what = "write the server's entry";
            self.broker.check_open(what)?;
            Err(slow(what))
        };
        written.unwrap_or_else(|_| late())
    }

    /// Removes the server's entry, and the server from the owners of its queues.
    async fn finish(&mut self) {
        self.listing.unlist(&self.broker, &self.queues).await;
        if let Err(error) = self.entry.clear(&self.broker).await {
            warn_unless_outage!(error, %error, "could not remove the server's entry, it will expire");
        }
    }
}

/// Lists this server as an owner in the queues of its runs, where it was not listed of late.
async fn list_as_owner(broker: &Broker, runs: &[Arc<HeldRun>], listing: &Listing) {
    let queues: BTreeMap<usize, _> = runs
        .iter()
        .map(|run| (run.queue.index, &run.queue))
        .collect();
    let lists = queues
        .values()
        .map(|queue| timeout(WRITE_TIMEOUT, listing.list(broker, queue)));
    join_all(lists).await;
}

fn slow(what: &str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("{what}: Redis is slow"))
}
