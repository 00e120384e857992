//! Renews the leases of held runs, and shows this server to asynqmon. asynq: `heartbeater`.
//!
//! It owns the server's entry: the keys `asynq:servers:{…}` and `asynq:workers:{…}` of this server. The
//! entry is written while the leases are renewed. A write may take 4 s at most, so it delays the next
//! renewal by 4 s at most.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::background::Periodic;
use crate::broker::Broker;
use crate::clock;
use crate::error::{Error, ErrorKind, Result};
use crate::run::RunEnded;
use crate::server::identity::Identity;
use crate::server::run::{HeldRun, HeldRuns};
use crate::wire::{self, ServerInfo, WorkerInfo};

/// How long a server counts as alive after its last heartbeat.
const TTL_SECS: i64 = 10;
/// How long writing the server's entry may take.
const WRITE_TIMEOUT: Duration = Duration::from_secs(4);
/// The most leases that one call renews.
const MAX_RENEWALS: usize = 500;
/// The most bytes of a payload that asynqmon is shown for a running task.
const MAX_SHOWN_PAYLOAD: usize = 4 << 10;

pub(in crate::server) struct Heartbeater {
    pub(in crate::server) broker: Broker,
    pub(in crate::server) identity: Arc<Identity>,
    /// Fires when the server fetches no more tasks.
    pub(in crate::server) stopped: CancellationToken,
    pub(in crate::server) held: Arc<HeldRuns>,
}

impl Periodic for Heartbeater {
    const NAME: &'static str = "heartbeater";
    type Done = ();

    async fn pass(&mut self) -> Result<()> {
        let runs = self.held.all();
        let (renewed, written) = join(
            self.renew_leases(&runs),
            timeout(
                WRITE_TIMEOUT,
                self.broker.while_refreshing_clock(self.write_state(&runs)),
            ),
        )
        .await;
        let late = || {
            Error::new(
                ErrorKind::Unavailable,
                "write the server's entry: Redis is slow",
            )
        };
        renewed.and(written.unwrap_or_else(|_| Err(late())))
    }

    /// Removes the server's entry.
    async fn finish(&mut self) {
        let Identity {
            server_key,
            workers_key,
            ..
        } = &*self.identity;
        let cleared = self.broker.clear_server_state(server_key, workers_key);
        if let Err(error) = cleared.await {
            tracing::warn!(%error, "could not remove the server's entry, it will expire");
        }
    }
}

impl Heartbeater {
    /// Renews the valid leases, and ends the runs that have lost theirs.
    async fn renew_leases(&self, runs: &[Arc<HeldRun>]) -> Result<()> {
        let mut by_queue: BTreeMap<usize, Vec<&HeldRun>> = BTreeMap::new();
        for run in runs {
            if run.has_lease() {
                by_queue.entry(run.queue.index).or_default().push(run);
            } else {
                end_without_lease(run);
            }
        }
        // All calls are sent at once, so that a queue without an answer delays no other queue.
        let batches = by_queue.values().flat_map(|runs| runs.chunks(MAX_RENEWALS));
        let renewed = join_all(batches.map(|batch| self.renew(batch))).await;
        renewed.into_iter().fold(Ok(()), Result::and)
    }

    /// Renews the leases of runs of one queue.
    async fn renew(&self, runs: &[&HeldRun]) -> Result<()> {
        let sent_at = clock::monotonic();
        let claims: Vec<_> = runs
            .iter()
            .map(|run| (run.id.clone(), run.owner.clone()))
            .collect();
        let renewed = self.broker.extend_leases(&runs[0].queue.keys, &claims);
        for (run, renewed) in runs.iter().zip(renewed.await?) {
            if renewed {
                run.lease_renewed(sent_at);
            } else {
                end_without_lease(run);
            }
        }
        Ok(())
    }

    async fn write_state(&self, runs: &[Arc<HeldRun>]) -> Result<()> {
        let Identity {
            info,
            server_key,
            workers_key,
        } = &*self.identity;
        let running = runs.iter().filter(|run| !run.has_finished());
        let workers: Vec<_> = running
            .filter_map(|run| Some((run.id.clone(), wire::encode(&worker_info(info, run)?))))
            .collect();
        let server = ServerInfo {
            status: match self.stopped.is_cancelled() {
                true => "stopped".to_owned(),
                false => "active".to_owned(),
            },
            active_worker_count: i32::try_from(workers.len()).unwrap_or(i32::MAX),
            ..info.clone()
        };
        let (server, now) = (wire::encode(&server), self.broker.clock().now());
        self.broker
            .write_server_state(server_key, workers_key, server, workers, TTL_SECS, now)
            .await
    }
}

/// What asynqmon shows of a run. `None`: the run has not started.
fn worker_info(server: &ServerInfo, run: &HeldRun) -> Option<WorkerInfo> {
    let started = run.started()?;
    let payload = &run.message.payload;
    Some(WorkerInfo {
        host: server.host.clone(),
        pid: server.pid,
        server_id: server.server_id.clone(),
        task_id: run.id.to_string(),
        task_type: run.message.r#type.clone(),
        task_payload: payload.slice(..payload.len().min(MAX_SHOWN_PAYLOAD)),
        queue: run.queue.name().to_owned(),
        start_time: Some(started.at.into()),
        deadline: Some(started.deadline.into()),
    })
}

/// Ends a run that has lost its lease. If the handler has finished already, nothing is done: Redis checks
/// the claim of the acknowledgement.
fn end_without_lease(run: &HeldRun) {
    if !run.has_finished() {
        run.context.end(RunEnded::LeaseExpired);
    }
}
