//! Servers, and what they run.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::Inspector;
use crate::error::Result;
use crate::wire::{self, Timestamp};

/// A server that is alive. asynq: `ServerInfo`.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub struct ServerInfo {
    /// The id of the server, a UUID.
    pub id: String,
    /// The name of the host on which it runs.
    pub host: String,
    /// The id of its process.
    pub pid: u32,
    /// How many tasks it runs at once, at most.
    pub concurrency: u32,
    /// Its queues with their weights.
    pub queues: BTreeMap<String, u32>,
    /// Whether a queue with a lower weight waits until all with a higher one are empty.
    pub strict_priority: bool,
    /// When it started.
    pub started_at: Option<DateTime<Utc>>,
    /// `active`; `stopped`: it does not fetch any more; `closed`: it shuts down; `new`: it starts. Other programs may
    /// write other words.
    pub status: String,
    /// What it runs, the oldest run first.
    pub active_workers: Vec<WorkerInfo>,
}

/// A run of a task, as its server shows it. asynq: `WorkerInfo`.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerInfo {
    /// The id of the task.
    pub task_id: String,
    /// The type of the task.
    pub task_type: String,
    /// The payload of the task. Servers of rasynq show only the beginning of a large one.
    pub payload: Bytes,
    /// The queue of the task.
    pub queue: String,
    /// When the run started.
    pub started_at: Option<DateTime<Utc>>,
    /// The time by which the run must have ended.
    pub deadline: Option<DateTime<Utc>>,
}

impl Inspector {
    /// The servers that are alive, of rasynq and of asynq, with what they run, sorted by host, process and id. asynq:
    /// `Servers`.
    ///
    /// Servers write this every 5 s. So a run appears, and a server that was killed disappears, after a few seconds. What
    /// does not decode is left out, with a warning in the log.
    ///
    /// ```no_run
    /// # async fn example(inspector: rasynq::Inspector) -> rasynq::Result<()> {
    /// for server in inspector.servers().await? {
    ///     println!("{}: runs {} of at most {} tasks", server.host, server.active_workers.len(), server.concurrency);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The errors of [`queues`](Self::queues).
    ///
    /// # Cancel safety
    /// It reads, and removes servers that are over from the list; the future may be dropped at any time.
    pub async fn servers(&self) -> Result<Vec<ServerInfo>> {
        let entries = self.broker.server_entries().await?;
        let runs = self.broker.worker_entries().await?;
        let mut workers: HashMap<String, Vec<WorkerInfo>> = HashMap::new();
        for run in runs {
            match wire::decode_worker_info(run) {
                Ok(run) => workers
                    .entry(run.server_id.clone())
                    .or_default()
                    .push(WorkerInfo::of(run)),
                Err(error) => {
                    tracing::warn!(%error, "a run that a server shows does not decode, it is left out")
                }
            }
        }
        let mut servers = Vec::with_capacity(entries.len());
        for entry in entries {
            match wire::decode_server_info(entry) {
                Ok(entry) => {
                    let workers = workers.remove(&entry.server_id).unwrap_or_default();
                    servers.push(ServerInfo::of(entry, workers));
                }
                Err(error) => {
                    tracing::warn!(%error, "what a server shows does not decode, it is left out")
                }
            }
        }
        servers.sort_by(|a, b| (&a.host, a.pid, &a.id).cmp(&(&b.host, b.pid, &b.id)));
        Ok(servers)
    }
}

impl ServerInfo {
    fn of(entry: wire::ServerInfo, mut active_workers: Vec<WorkerInfo>) -> Self {
        active_workers.sort_by(|a, b| (a.started_at, &a.task_id).cmp(&(b.started_at, &b.task_id)));
        let queues = entry.queues.into_iter();
        Self {
            id: entry.server_id,
            host: entry.host,
            pid: unsigned(entry.pid),
            concurrency: unsigned(entry.concurrency),
            queues: queues
                .map(|(name, weight)| (name, unsigned(weight)))
                .collect(),
            strict_priority: entry.strict_priority,
            started_at: Timestamp::field_to_moment(entry.start_time),
            status: entry.status,
            active_workers,
        }
    }
}

impl WorkerInfo {
    fn of(run: wire::WorkerInfo) -> Self {
        Self {
            task_id: run.task_id,
            task_type: run.task_type,
            payload: run.task_payload,
            queue: run.queue,
            started_at: Timestamp::field_to_moment(run.start_time),
            deadline: Timestamp::field_to_moment(run.deadline),
        }
    }
}

fn unsigned(n: i32) -> u32 {
    u32::try_from(n).unwrap_or_default()
}
