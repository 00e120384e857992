//! One reading: what Redis says of all queues, servers and schedulers at one moment, in bounded work.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use rasynq::{
    Connection, ErrorKind, Inspector, QueueInfo, SchedulerEntryInfo, SchedulerInfo, ServerInfo,
    TaskState,
};

use crate::args::MetricsArguments;
use crate::away::AwayNodes;
use crate::failure::{Failure, FailureKind};

/// How many queues a reading has at most, in the order of their names.
pub(super) const MAX_QUEUES: usize = 1_000;
/// How many queues are read at the same time.
const QUEUES_AT_ONCE: usize = 8;

/// What reads Redis. It connects with the first reading that finds Redis there.
pub(super) struct Reader {
    connection: Connection,
    inspector: Option<Inspector>,
    /// The wanted queues; all if it is empty.
    wanted: BTreeSet<String>,
    with_memory: bool,
}

/// What one reading has found.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) queues: Vec<QueueReading>,
    /// `None` of one of these: a node of the cluster is away.
    pub(super) servers: Option<Vec<ServerInfo>>,
    pub(super) schedulers: Option<Vec<SchedulerInfo>>,
    pub(super) entries: Option<Vec<SchedulerEntryInfo>>,
    /// How many queues were left out, because there are too many.
    pub(super) left_out: usize,
    pub(super) took: Duration,
}

/// What a reading has found of one queue.
#[derive(Debug)]
pub(super) struct QueueReading {
    pub(super) queue: String,
    /// `None`: Redis refuses to read the queue, or its node of the cluster is away.
    pub(super) figures: Option<QueueFigures>,
}

#[derive(Debug)]
pub(super) struct QueueFigures {
    pub(super) info: QueueInfo,
    /// An estimate (bytes). `None`: it is not wanted, or Redis refuses it.
    pub(super) memory: Option<u64>,
    /// When the first task of the archive has failed. `None`: there is none, or it has never failed.
    pub(super) oldest_archived: Option<DateTime<Utc>>,
}

impl Reader {
    pub(super) fn new(connection: Connection, options: &MetricsArguments) -> Self {
        Self {
            connection,
            inspector: None,
            wanted: options.queues.iter().cloned().collect(),
            with_memory: !options.no_memory,
        }
    }

    /// Connects, unless it is connected.
    pub(super) async fn connect(&mut self) -> rasynq::Result<Inspector> {
        if let Some(inspector) = &self.inspector {
            return Ok(inspector.clone());
        }
        let inspector = Inspector::connect(&self.connection).await?;
        Ok(self.inspector.insert(inspector).clone())
    }

    /// Reads everything.
    ///
    /// # Errors
    /// If Redis does not answer, or refuses what does not belong to one queue alone. Of a cluster, one node that answers
    /// is enough, unless the list of queues is on another one.
    pub(super) async fn read(&mut self) -> Result<Reading, Failure> {
        let began = Instant::now();
        let inspector = self.connect().await?;
        let mut names = inspector.queues().await?;
        if !self.wanted.is_empty() {
            names.retain(|name| self.wanted.contains(name));
        }
        let left_out = names.len().saturating_sub(MAX_QUEUES);
        names.truncate(MAX_QUEUES);
        let away = AwayNodes::new(&inspector);
        let queues = stream::iter(names)
            .map(|name| read_queue(&inspector, &away, name, self.with_memory))
            .buffered(QUEUES_AT_ONCE)
            .try_filter_map(async |queue| Ok(queue))
            .try_collect();
        // At the same time: each of them may have to wait for a silent node of a cluster.
        let (queues, servers, schedulers, entries) = tokio::try_join!(
            queues,
            unless_away(&away, inspector.servers()),
            unless_away(&away, inspector.schedulers()),
            unless_away(&away, inspector.scheduler_entries()),
        )?;
        Ok(Reading {
            queues,
            servers,
            schedulers,
            entries,
            left_out,
            took: began.elapsed(),
        })
    }
}

/// Reads one queue. `None`: it was deleted in the meantime.
async fn read_queue(
    inspector: &Inspector,
    away: &AwayNodes,
    queue: String,
    with_memory: bool,
) -> Result<Option<QueueReading>, Failure> {
    let figures = async {
        let info = inspector.queue_info(&queue).await?;
        let memory = match with_memory {
            true => unless_refused(inspector.memory_usage(&queue).await)?,
            false => None,
        };
        let oldest_archived = match info.archived {
            0 => None,
            _ => oldest_archived(inspector, &queue).await?,
        };
        Ok::<_, Failure>(QueueFigures {
            info,
            memory,
            oldest_archived,
        })
    };
    let figures = match away.read(&queue, figures).await? {
        Ok(figures) => Some(figures),
        Err(failure) => match failure.kind {
            FailureKind::Library(ErrorKind::QueueNotFound) => return Ok(None),
            // One queue with a broken key, or on a dead node, must not hide the others.
            FailureKind::Library(ErrorKind::Redis | ErrorKind::Unavailable) => {
                tracing::warn!(queue, error = %failure.message, "could not read a queue");
                None
            }
            _ => return Err(failure),
        },
    };
    Ok(Some(QueueReading { queue, figures }))
}

/// `None` if a node of the cluster is away.
async fn unless_away<T>(
    away: &AwayNodes,
    read: impl Future<Output = rasynq::Result<T>>,
) -> Result<Option<T>, Failure> {
    let read = read.await;
    match away.unless_all_is_away(read.map_err(Failure::from)).await? {
        Err(failure) if failure.is_unavailable() => {
            tracing::warn!(error = %failure.message, "could not read the servers or schedulers");
            Ok(None)
        }
        read => read.map(Some),
    }
}

/// When the first task of the archive has failed.
async fn oldest_archived(
    inspector: &Inspector,
    queue: &str,
) -> rasynq::Result<Option<DateTime<Utc>>> {
    let first = inspector.tasks(queue, TaskState::Archived).page(1, 1).await;
    let first = unless_refused(first)?.unwrap_or_default();
    Ok(first.first().and_then(|task| task.last_failed_at))
}

/// `None` if Redis refuses it.
fn unless_refused<T>(read: rasynq::Result<T>) -> rasynq::Result<Option<T>> {
    match read {
        Err(error) if error.kind() == ErrorKind::Redis => Ok(None),
        read => read.map(Some),
    }
}
