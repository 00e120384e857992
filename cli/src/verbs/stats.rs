//! `rasynq stats`

use std::time::Duration;

use chrono::{DateTime, Utc};
use rasynq::{ErrorKind, Inspector, QueueInfo, RedisInfo};
use serde::Serialize;

use super::overview::{Overview, print_failures, read_queues};
use crate::args::StatsArguments;
use crate::away::AwayNodes;
use crate::failure::{Failure, FailureKind};
use crate::output::{Output, Table, error_rate, printable, seconds};
use crate::views::{QueueView, StateCounts, bytes_text, queue_table, rfc3339};

/// All queues together. The names of these three parts are asynq's.
#[derive(Debug, Serialize)]
struct StatsView {
    aggregate: AggregateView,
    queues: Vec<QueueView>,
    redis: RedisView,
}

#[derive(Debug, Default, Serialize)]
struct AggregateView {
    #[serde(flatten)]
    counts: StateCounts,
    processed: u64,
    failed: u64,
    timestamp: String,
}

#[derive(Debug, Serialize)]
struct RedisView {
    version: String,
    #[serde(serialize_with = "seconds")]
    uptime: Duration,
    connected_clients: u64,
    used_memory: u64,
    used_memory_peak: u64,
    cluster: Option<ClusterView>,
}

#[derive(Debug, Serialize)]
struct ClusterView {
    state: String,
    known_nodes: u64,
    size: u64,
}

impl AggregateView {
    fn of(infos: &[QueueInfo], read_at: DateTime<Utc>) -> Self {
        let mut sum = Self {
            timestamp: rfc3339(read_at),
            ..Self::default()
        };
        for info in infos {
            sum.counts += StateCounts::from(info);
            sum.processed += info.processed;
            sum.failed += info.failed;
        }
        sum
    }
}

impl From<&RedisInfo> for RedisView {
    fn from(info: &RedisInfo) -> Self {
        let cluster = info.cluster.as_ref();
        Self {
            version: info.version.clone(),
            uptime: info.uptime,
            connected_clients: info.connected_clients,
            used_memory: info.used_memory,
            used_memory_peak: info.used_memory_peak,
            cluster: cluster.map(|cluster| ClusterView {
                state: cluster.state.clone(),
                known_nodes: cluster.known_nodes,
                size: cluster.size,
            }),
        }
    }
}

pub(super) async fn run(
    arguments: &StatsArguments,
    inspector: &Inspector,
    output: &Output,
) -> Result<(), Failure> {
    let Overview { infos, unread } = read_queues(&[], inspector).await?;
    let mut failure = print_failures(unread, output);
    let mut memory = vec![None; infos.len()];
    if arguments.memory {
        let away = AwayNodes::new(inspector);
        for (memory, info) in memory.iter_mut().zip(&infos) {
            let read = inspector.memory_usage(&info.queue);
            let read = async { read.await.map_err(Failure::from) };
            match away.read(&info.queue, read).await? {
                Ok(bytes) => *memory = Some(bytes),
                // It was removed meanwhile.
                Err(failure) if failure.kind == FailureKind::Library(ErrorKind::QueueNotFound) => {}
                Err(mut unread) => {
                    output.print_failure(&mut unread);
                    failure.get_or_insert(unread);
                }
            }
        }
    }
    let redis = inspector.redis_info().await?;
    let read_at = inspector.redis_time().await;
    let aggregate = AggregateView::of(&infos, read_at);
    if output.is_json() {
        let queues = infos.iter().zip(&memory);
        output.print_json(&StatsView {
            aggregate,
            queues: queues
                .map(|(info, memory)| QueueView::of(info, *memory))
                .collect(),
            redis: RedisView::from(&redis),
        })?;
        return failure.map_or(Ok(()), Err);
    }
    let mut today = Table::new(["processed", "failed", "error rate"]);
    today.row([
        aggregate.processed.to_string(),
        aggregate.failed.to_string(),
        error_rate(aggregate.failed, aggregate.processed),
    ]);
    let (redis_heading, redis) = redis_table(&redis);
    output.print(&format!(
        "{}\n{}\n\n{}\n{}\n\n{}\n{}\n\n{}\n{}",
        output.heading("Task Count by State"),
        aggregate.counts.table().text(),
        output.heading("Task Count by Queue"),
        queue_table(&infos, &memory).text(),
        output.heading(&format!("Daily Stats {} UTC", read_at.date_naive())),
        today.text(),
        output.heading(redis_heading),
        redis.text(),
    ))?;
    failure.map_or(Ok(()), Err)
}

fn redis_table(info: &RedisInfo) -> (&'static str, Table) {
    if let Some(cluster) = &info.cluster {
        let mut table = Table::new(["State", "Known Nodes", "Cluster Size"]);
        table.row([
            printable(&cluster.state.to_uppercase()).into_owned(),
            cluster.known_nodes.to_string(),
            cluster.size.to_string(),
        ]);
        return ("Redis Cluster Info", table);
    }
    let mut table = Table::new([
        "version",
        "uptime",
        "connections",
        "memory usage",
        "peak memory usage",
    ]);
    table.row([
        printable(&info.version).into_owned(),
        format!("{} days", info.uptime.as_secs() / 86_400),
        info.connected_clients.to_string(),
        bytes_text(info.used_memory),
        bytes_text(info.used_memory_peak),
    ]);
    ("Redis Info", table)
}
