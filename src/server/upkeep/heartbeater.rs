//! Shows this server to asynqmon, and lists it as an owner in its queues. asynq: part of `heartbeater`.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::server_entry::ServerEntry;
use crate::background::Periodic;
use crate::broker::Broker;
use crate::clock;
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
        unlist(&self.broker, &self.queues, &self.listing).await;
        if let Err(error) = self.entry.clear(&self.broker).await {
            warn_unless_outage!(error, %error, "could not remove the server's entry, it will expire");
        }
    }
}

/// Lists this server as an owner in the queues of its runs, where it was not listed of late.
async fn list_as_owner(broker: &Broker, runs: &[Arc<HeldRun>], listing: &Listing) {
    let now = clock::monotonic();
    let lists = runs.iter().filter_map(|run| {
        let owner = listing.take_due(run.queue.index, now)?;
        Some(async move {
            let listed = timeout(WRITE_TIMEOUT, broker.list_owner(&run.queue.keys, &owner));
            if let Err(error) = listed.await.unwrap_or_else(|_| Err(slow("list the server"))) {
                tracing::debug!(queue = run.queue.name(), %error, "could not list this server as an owner");
                listing.set_missing(run.queue.index);
            }
        })
    });
    join_all(lists).await;
}

/// After a shutdown, nobody need look for tasks of this server.
async fn unlist(broker: &Broker, queues: &Queues, listing: &Listing) {
    let forms = listing.forms();
    let removals = listing.queues().map(|queue| {
        let queue = &queues.get(queue).keys;
        broker.unlist_owners(queue, &forms)
    });
    for removed in join_all(removals).await {
        if let Err(error) = removed {
            tracing::debug!(%error, "could not remove this server from the owners of a queue");
        }
    }
}

fn slow(what: &str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("{what}: Redis is slow"))
}
