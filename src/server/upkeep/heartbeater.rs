//! Renews the leases of held tasks, and shows this server to asynqmon. asynq: `heartbeater`.
//!
//! It owns the keys `asynq:servers:{…}` and `asynq:workers:{…}` of this server. A slow write of these
//! never delays the renewal of leases.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{join, join_all};
use tokio::time::timeout;

use crate::background::Periodic;
use crate::broker::Broker;
use crate::clock;
use crate::error::{Error, ErrorKind, Result};
use crate::run::RunEnded;
use crate::server::run::{HeldRun, HeldRuns};
use crate::server::status::{Identity, Status};
use crate::wire::{self, ServerInfo, WorkerInfo};

/// How long a server counts as alive after its last heartbeat.
const TTL_SECS: i64 = 10;
/// How long writing the server's state may take, so that the next heartbeat is not delayed.
const WRITE_TIMEOUT: Duration = Duration::from_secs(4);
/// The most leases that one call renews.
const MAX_RENEWALS: usize = 500;
/// The most bytes of a payload that asynqmon is shown for a running task.
const MAX_SHOWN_PAYLOAD: usize = 4 << 10;

pub(in crate::server) struct Heartbeater {
    pub(in crate::server) broker: Broker,
    pub(in crate::server) identity: Arc<Identity>,
    pub(in crate::server) status: Arc<Status>,
    pub(in crate::server) held: Arc<HeldRuns>,
}

impl Periodic for Heartbeater {
    const NAME: &'static str = "heartbeater";
    type Done = ();

    async fn pass(&mut self) -> Result<()> {
        let runs = self.held.all();
        let (renewed, written) = join(
            self.renew_leases(&runs),
            timeout(WRITE_TIMEOUT, self.write_state(&runs)),
        )
        .await;
        let late = || Error::new(ErrorKind::Unavailable, "write server state: Redis is slow");
        renewed.and(written.unwrap_or_else(|_| Err(late())))
    }

    /// Removes the keys of this server.
    async fn finish(&mut self) {
        let (server_key, workers_key) = (self.identity.server_key(), self.identity.workers_key());
        let cleared = self.broker.clear_server_state(&server_key, &workers_key);
        if let Err(error) = cleared.await {
            tracing::warn!(%error, "could not remove the server's state, it will expire");
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
        let identity = &self.identity;
        let running: Vec<_> = runs
            .iter()
            .filter(|run| !run.has_finished())
            .filter_map(|run| Some((run, run.started()?)))
            .collect();
        let server = ServerInfo {
            host: identity.host.clone(),
            pid: identity.pid as i32,
            server_id: identity.server_id.clone(),
            concurrency: i32::try_from(identity.concurrency).unwrap_or(i32::MAX),
            queues: identity
                .queues
                .iter()
                .map(|(name, weight)| (name.clone(), i32::try_from(*weight).unwrap_or(i32::MAX)))
                .collect(),
            strict_priority: identity.strict,
            status: self.status.get().to_owned(),
            start_time: Some(identity.started_at.into()),
            active_worker_count: i32::try_from(running.len()).unwrap_or(i32::MAX),
        };
        let workers = running
            .iter()
            .map(|(run, started)| {
                let info = WorkerInfo {
                    host: identity.host.clone(),
                    pid: identity.pid as i32,
                    server_id: identity.server_id.clone(),
                    task_id: run.id.to_string(),
                    task_type: run.message.r#type.clone(),
                    task_payload: shown(&run.message.payload),
                    queue: run.message.queue.clone(),
                    start_time: Some(started.at.into()),
                    deadline: Some(started.deadline.into()),
                };
                (run.id.clone(), wire::encode(&info))
            })
            .collect();
        self.broker
            .write_server_state(
                &self.identity.server_key(),
                &self.identity.workers_key(),
                wire::encode(&server),
                workers,
                TTL_SECS,
                clock::now(),
            )
            .await
    }
}

/// Ends a run whose task belongs to another server now. If the handler has finished already, nothing
/// is to be done: the acknowledgement is in flight, and Redis will reject it.
fn end_without_lease(run: &HeldRun) {
    if !run.has_finished() {
        run.context.end(RunEnded::LeaseExpired);
    }
}

fn shown(payload: &Bytes) -> Bytes {
    payload.slice(..payload.len().min(MAX_SHOWN_PAYLOAD))
}
