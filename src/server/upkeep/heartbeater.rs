//! Renews the leases of held runs, and shows this server to asynqmon. asynq: `heartbeater`.
//!
//! The server's entry is written while the leases are renewed. A write may take 4 s at most, so it delays the next
//! renewal by 4 s at most.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join_all, join3};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::block_watch::RuntimeProbe;
use super::server_entry::ServerEntry;
use crate::background::Periodic;
use crate::broker::Broker;
use crate::clock;
use crate::error::{Error, ErrorKind, Result, warn_unless_outage};
use crate::run::RunEnded;
use crate::server::owner::Listing;
use crate::server::queues::Queues;
use crate::server::run::{HeldRun, HeldRuns};
use crate::server::wake::Wakeups;

/// How long writing the server's entry may take.
const WRITE_TIMEOUT: Duration = Duration::from_secs(4);
/// A handler that has not ended this long after its deadline and its grace blocks its thread, or is stuck in a
/// poll in another way: nothing can end it.
const OVERDUE: Duration = Duration::from_secs(10);
/// A runtime that has not polled any tokio task for this long, although no run is within its time, is stuck.
const STUCK: Duration = Duration::from_secs(60);
/// The most leases that one call renews.
const MAX_RENEWALS: usize = 500;

pub(in crate::server) struct Heartbeater {
    pub(in crate::server) broker: Broker,
    pub(in crate::server) entry: ServerEntry,
    /// Fires when the server fetches no more tasks.
    pub(in crate::server) stopped: CancellationToken,
    pub(in crate::server) held: Arc<HeldRuns>,
    pub(in crate::server) wakeups: Arc<Wakeups>,
    pub(in crate::server) queues: Queues,
    pub(in crate::server) listing: Arc<Listing>,
    pub(in crate::server) runtime: Arc<RuntimeProbe>,
    pub(in crate::server) cancel_grace: Duration,
    /// The numbers of the held runs whose leases are renewed no more.
    pub(in crate::server) given_up: HashSet<u64>,
}

impl Periodic for Heartbeater {
    const NAME: &'static str = "heartbeater";
    type Done = ();

    async fn pass(&mut self) -> Result<()> {
        let runs = self.held.all();
        self.give_up_stuck(&runs);
        let stopped = self.stopped.is_cancelled();
        let write = self.entry.write(&self.broker, &runs, stopped);
        let (renewed, (), written) = join3(
            renew_leases(&self.broker, &runs, &self.given_up),
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
            let text = format!("{what}: Redis is slow");
            Err(Error::new(ErrorKind::Unavailable, text))
        };
        renewed.and(written.unwrap_or_else(|_| late()))
    }

    /// Removes the server's entry, and the server from the owners of its queues.
    async fn finish(&mut self) {
        unlist(&self.broker, &self.queues, &self.listing).await;
        if let Err(error) = self.entry.clear(&self.broker).await {
            warn_unless_outage!(error, %error, "could not remove the server's entry, it will expire");
        }
    }
}

impl Heartbeater {
    /// Finds the runs that nothing in this process will end. Their leases are renewed no more: a deadlock must not
    /// keep a task for ever.
    ///
    /// A started run is given up some time after its deadline. Other runs depend on the server's runtime: they wait
    /// for their start, or their acknowledgement waits for its call. They are given up if the runtime is stuck and
    /// no run is within its time.
    fn give_up_stuck(&mut self, runs: &[Arc<HeldRun>]) {
        let now = clock::monotonic();
        let limits: Vec<_> = runs.iter().map(|run| self.limit_of(run)).collect();
        let in_time =
            |limit: &Limit| matches!(limit, Limit::At(at) if at.is_none_or(|at| now < at));
        let is_stuck = self.runtime.silent_since().is_some_and(|since| {
            now.saturating_duration_since(since) >= STUCK && !limits.iter().any(in_time)
        });
        let mut given_up = HashSet::new();
        for (run, limit) in runs.iter().zip(&limits) {
            let keeps = match limit {
                Limit::At(_) => in_time(limit),
                Limit::OfRuntime => !is_stuck,
            };
            if keeps {
                continue;
            }
            if !self.given_up.contains(&run.number) {
                tracing::error!(
                    task_id = &*run.id,
                    task_type = run.message.r#type,
                    queue = run.queue.name(),
                    "a run does not end although its time is over, its lease is renewed no more"
                );
            }
            given_up.insert(run.number);
        }
        self.given_up = given_up;
    }

    fn limit_of(&self, run: &HeldRun) -> Limit {
        match run.started() {
            Some(started) if !run.has_finished() => {
                let overdue =
                    |at: Instant| at.checked_add(self.cancel_grace.saturating_add(OVERDUE));
                Limit::At(started.ends_by.and_then(overdue))
            }
            _ => Limit::OfRuntime,
        }
    }
}

/// Renews the valid leases, and ends the runs that have lost theirs.
async fn renew_leases(
    broker: &Broker,
    runs: &[Arc<HeldRun>],
    given_up: &HashSet<u64>,
) -> Result<()> {
    let mut by_queue: BTreeMap<usize, Vec<&HeldRun>> = BTreeMap::new();
    for run in runs {
        if !run.has_lease() {
            end_without_lease(run);
        } else if !given_up.contains(&run.number) {
            by_queue.entry(run.queue.index).or_default().push(run);
        }
    }
    // All calls are sent at once, so that a queue without an answer delays no other queue.
    let batches = by_queue.values().flat_map(|runs| runs.chunks(MAX_RENEWALS));
    let renewed = join_all(batches.map(|batch| renew(broker, batch))).await;
    renewed.into_iter().fold(Ok(()), Result::and)
}

/// Lists this server as an owner in the queues of its runs, where it was not listed of late.
async fn list_as_owner(broker: &Broker, runs: &[Arc<HeldRun>], listing: &Listing) {
    let now = clock::monotonic();
    let lists = runs.iter().filter_map(|run| {
        let owner = listing.take_due(run.queue.index, now)?;
        Some(async move {
            if let Err(error) = broker.list_owner(&run.queue.keys, &owner).await {
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

/// Renews the leases of runs of one queue.
async fn renew(broker: &Broker, runs: &[&HeldRun]) -> Result<()> {
    let sent_at = clock::monotonic();
    let claims: Vec<_> = runs
        .iter()
        .map(|run| (run.id.clone(), run.owner.clone()))
        .collect();
    let renewed = broker.extend_leases(&runs[0].queue.keys, &claims);
    for (run, renewed) in runs.iter().zip(renewed.await?) {
        if renewed {
            run.lease_renewed(sent_at);
        } else {
            end_without_lease(run);
        }
    }
    Ok(())
}

/// Until when a run may take.
enum Limit {
    /// Until this time; `None`: for ever.
    At(Option<Instant>),
    /// As long as the server's runtime works.
    OfRuntime,
}

/// Ends a run that has lost its lease. If the handler has finished already, nothing is done: Redis checks
/// the claim of the acknowledgement.
fn end_without_lease(run: &HeldRun) {
    if !run.has_finished() {
        run.context.end(RunEnded::LeaseExpired);
    }
}
