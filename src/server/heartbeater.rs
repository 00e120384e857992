//! Keeps leases alive, and tells the world that this server lives.
//!
//! In Redis it owns `asynq:servers:{…}` and `asynq:workers:{…}` of this server. Leases come first:
//! a slow write of the rest never delays them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use futures_util::future::{join, join_all};
use tokio::time::{Instant, timeout};

use super::runs::{Run, Runs};
use super::service::Part;
use super::status::{Identity, Status};
use crate::broker::Broker;
use crate::error::{Error, ErrorKind, Result};
use crate::run::RunEnded;
use crate::wire::{self, QueueKeys, ServerInfo, WorkerInfo};

/// How long a server counts as alive after its last word.
const TTL_SECS: i64 = 10;
/// How long writing the rest may take, so that the next renewal is not delayed.
const WRITE_TIMEOUT: Duration = Duration::from_secs(4);
/// The most leases that one script call renews.
const MAX_RENEWALS: usize = 500;
/// What of a payload is shown among the workers.
const MAX_SHOWN_PAYLOAD: usize = 4 << 10;

/// asynq: `heartbeater`.
pub(super) struct Heartbeater {
    pub(super) broker: Broker,
    pub(super) identity: Arc<Identity>,
    pub(super) status: Arc<Status>,
    pub(super) runs: Arc<Runs>,
}

impl Part for Heartbeater {
    const NAME: &'static str = "heartbeater";

    async fn run_once(&mut self) -> Result<()> {
        let runs = self.runs.all();
        let (renewed, written) = join(
            self.renew_leases(&runs),
            timeout(WRITE_TIMEOUT, self.write_state(&runs)),
        )
        .await;
        let late = || Error::new(ErrorKind::Unavailable, "write server state: Redis is slow");
        renewed.and(written.unwrap_or_else(|_| Err(late())))
    }
}

impl Heartbeater {
    /// Renews the leases that are valid; a run that has lost its lease is ended.
    async fn renew_leases(&self, runs: &[Arc<Run>]) -> Result<()> {
        let mut by_queue: HashMap<&str, (&QueueKeys, Vec<&Arc<Run>>)> = HashMap::new();
        for run in runs {
            if run.has_lease() {
                let (_, held) = by_queue
                    .entry(run.queue.queue())
                    .or_insert_with(|| (&run.queue, Vec::new()));
                held.push(run);
            } else {
                lose(run);
            }
        }
        let calls = by_queue.into_values().flat_map(|(queue, held)| {
            let parts: Vec<Vec<&Arc<Run>>> = held.chunks(MAX_RENEWALS).map(<[_]>::to_vec).collect();
            parts.into_iter().map(move |part| (queue, part))
        });
        // all at once: a queue that does not answer holds up no other
        let renewed = join_all(calls.map(|(queue, part)| self.renew(queue, part))).await;
        renewed.into_iter().fold(Ok(()), Result::and)
    }

    async fn renew(&self, queue: &QueueKeys, runs: Vec<&Arc<Run>>) -> Result<()> {
        let asked_at = Instant::now();
        let names: Vec<_> = runs
            .iter()
            .map(|run| (run.id.clone(), run.owner.clone()))
            .collect();
        let held = self.broker.extend_leases(queue, &names).await?;
        for (run, held) in runs.iter().zip(held) {
            if held {
                run.lease_renewed(asked_at);
            } else {
                // an acknowledgement may have come first, then nobody minds
                lose(run);
            }
        }
        Ok(())
    }

    async fn write_state(&self, runs: &[Arc<Run>]) -> Result<()> {
        let identity = &self.identity;
        let running: Vec<_> = runs
            .iter()
            .filter(|run| !run.has_ended())
            .filter_map(|run| Some((run, run.began()?)))
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
            .map(|(run, began)| {
                let info = WorkerInfo {
                    host: identity.host.clone(),
                    pid: identity.pid as i32,
                    server_id: identity.server_id.clone(),
                    task_id: run.id.to_string(),
                    task_type: run.message.r#type.clone(),
                    task_payload: shown(&run.message.payload),
                    queue: run.message.queue.clone(),
                    start_time: Some(began.at.into()),
                    deadline: Some(began.deadline.into()),
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
                Utc::now(),
            )
            .await
    }

    /// Removes what this server told of itself.
    pub(super) async fn clear(&self) -> Result<()> {
        self.broker
            .clear_server_state(&self.identity.server_key(), &self.identity.workers_key())
            .await
    }
}

/// Another server owns the task now. Of one whose handler has answered Redis is told, and says so itself.
fn lose(run: &Run) {
    if !run.has_ended() {
        run.context.end(RunEnded::LeaseExpired);
    }
}

fn shown(payload: &Bytes) -> Bytes {
    payload.slice(..payload.len().min(MAX_SHOWN_PAYLOAD))
}
