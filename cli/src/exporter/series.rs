//! The series that are made of a reading. They are documented in `docs/metrics.md`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rasynq::{SchedulerEntryInfo, ServerInfo};

use super::exposition::{Exposition, Kind};
use super::reading::{QueueFigures, Reading};

/// The text of a scrape.
pub(super) fn scrape(reading: &Result<Reading, String>) -> String {
    let mut out = Exposition::default();
    if let Err(error) = reading {
        out.comment(error);
    }
    let up = f64::from(u8::from(reading.is_ok()));
    let help = "Whether Redis has answered this scrape (1) or not (0); of a cluster, the node with the list of queues";
    out.family("rasynq_redis_up", Kind::Gauge, help)
        .sample(&[], up);
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    let help = "The version of the exporter";
    out.family("rasynq_build_info", Kind::Gauge, help)
        .sample(&version, 1.0);
    if let Ok(reading) = reading {
        asynq(&mut out, reading);
        queues(&mut out, reading);
        if let Some(infos) = &reading.servers {
            servers(&mut out, reading, infos);
        }
        if let (Some(infos), Some(entries)) = (&reading.schedulers, &reading.entries) {
            schedulers(&mut out, reading, infos.len(), entries);
        }
        let mut gauge = |name, help, value| out.family(name, Kind::Gauge, help).sample(&[], value);
        gauge(
            "rasynq_exporter_queues_left_out",
            "Queues without series, because there are too many",
            reading.left_out as f64,
        );
        gauge(
            "rasynq_exporter_reading_seconds",
            "How long it took to ask Redis for the figures of this scrape",
            reading.took.as_secs_f64(),
        );
    }
    out.into_text()
}

/// The names, labels, kinds and texts of asynq's exporter.
///
/// COMPAT: asynq v0.26.0 `x/metrics`: dashboards and alerts of its users work on. Two gauges are named like counters.
fn asynq(out: &mut Exposition, reading: &Reading) {
    let help = "Number of tasks enqueued; broken down by queue and state.";
    let mut family = out.family("asynq_tasks_enqueued_total", Kind::Gauge, help);
    for (queue, QueueFigures { info, .. }) in figures(reading) {
        for (state, tasks) in [
            ("active", info.active),
            ("pending", info.pending),
            ("scheduled", info.scheduled),
            ("retry", info.retry),
            ("archived", info.archived),
            ("completed", info.completed),
        ] {
            family.sample(&[("queue", queue), ("state", state)], tasks as f64);
        }
    }
    for_each_queue(
        out,
        reading,
        (
            "asynq_queue_size",
            Kind::Gauge,
            "Number of tasks in a queue",
        ),
        |it| Some(it.info.size() as f64),
    );
    for_each_queue(
        out,
        reading,
        (
            "asynq_queue_latency_seconds",
            Kind::Gauge,
            "Number of seconds the oldest pending task is waiting in pending state to be processed.",
        ),
        |it| Some(it.info.latency.as_secs_f64()),
    );
    for_each_queue(
        out,
        reading,
        (
            "asynq_queue_memory_usage_approx_bytes",
            Kind::Gauge,
            "Number of memory used by a given queue (approximated number by sampling).",
        ),
        |it| it.memory.map(|bytes| bytes as f64),
    );
    for_each_queue(
        out,
        reading,
        (
            "asynq_tasks_processed_total",
            Kind::Counter,
            "Number of tasks processed (both succeeded and failed); broken down by queue",
        ),
        |it| Some(it.info.processed_total as f64),
    );
    for_each_queue(
        out,
        reading,
        (
            "asynq_tasks_failed_total",
            Kind::Counter,
            "Number of tasks failed; broken down by queue",
        ),
        |it| Some(it.info.failed_total as f64),
    );
    for_each_queue(
        out,
        reading,
        (
            "asynq_queue_paused_total",
            Kind::Gauge,
            "Number of queues paused",
        ),
        |it| Some(f64::from(u8::from(it.info.is_paused()))),
    );
}

/// What asynq's exporter does not say of queues.
fn queues(out: &mut Exposition, reading: &Reading) {
    let help = "Whether Redis lets the exporter read the queue (1); 0: a key has a wrong type, or the node of the cluster is away";
    let mut family = out.family("rasynq_queue_up", Kind::Gauge, help);
    for queue in &reading.queues {
        let up = f64::from(u8::from(queue.figures.is_some()));
        family.sample(&[("queue", &queue.queue)], up);
    }
    for_each_queue(
        out,
        reading,
        (
            "rasynq_queue_orphaned_tasks",
            Kind::Gauge,
            "Active tasks whose lease has expired, because no server renews it",
        ),
        |it| Some(it.info.orphaned as f64),
    );
    for_each_queue(
        out,
        reading,
        ("rasynq_queue_groups", Kind::Gauge, "Groups that have tasks"),
        |it| Some(it.info.groups as f64),
    );
    for_each_queue(
        out,
        reading,
        (
            "rasynq_queue_aggregating_tasks",
            Kind::Gauge,
            "Tasks that wait in groups; an estimate if there are very many groups",
        ),
        |it| Some(it.info.aggregating as f64),
    );
    for_each_queue(
        out,
        reading,
        (
            "rasynq_queue_aggregating_is_estimate",
            Kind::Gauge,
            "Whether the number of aggregating tasks, and with it the size of the queue, is an estimate (1)",
        ),
        |it| Some(f64::from(u8::from(it.info.aggregating_is_estimate))),
    );
    for_each_queue(
        out,
        reading,
        (
            "rasynq_queue_oldest_archived_age_seconds",
            Kind::Gauge,
            "How long ago the first task of the archive has failed; no series without an archived task that has failed",
        ),
        |it| Some(seconds_since(it.oldest_archived?, it.info.read_at)),
    );
}

fn servers(out: &mut Exposition, reading: &Reading, servers: &[ServerInfo]) {
    let mut by_status = BTreeMap::from([("active", 0_u32)]);
    for server in servers {
        let status = match &*server.status {
            known @ ("new" | "active" | "stopped" | "closed") => known,
            _ => "other",
        };
        *by_status.entry(status).or_default() += 1;
    }
    let help = "Servers that are alive, by status; the other series of servers count those of all statuses";
    let mut family = out.family("rasynq_servers", Kind::Gauge, help);
    for (status, count) in by_status {
        family.sample(&[("status", status)], count.into());
    }
    let slots: u64 = servers
        .iter()
        .map(|server| u64::from(server.concurrency))
        .sum();
    let help = "How many tasks all servers can run at once";
    out.family("rasynq_worker_slots", Kind::Gauge, help)
        .sample(&[], slots as f64);
    let busy: usize = servers
        .iter()
        .map(|server| server.active_workers.len())
        .sum();
    let help = "How many tasks all servers run";
    out.family("rasynq_workers_busy", Kind::Gauge, help)
        .sample(&[], busy as f64);

    let help = "Servers that fetch from the queue";
    let mut family = out.family("rasynq_queue_servers", Kind::Gauge, help);
    for queue in &reading.queues {
        let serves = servers
            .iter()
            .filter(|server| server.status == "active" && server.queues.contains_key(&queue.queue));
        family.sample(&[("queue", &queue.queue)], serves.count() as f64);
    }
    for_each_queue(
        out,
        reading,
        (
            "rasynq_queue_longest_run_seconds",
            Kind::Gauge,
            "For how long the longest run of a task of the queue has taken so far; 0 without a run",
        ),
        |it| {
            let workers = servers.iter().flat_map(|server| &server.active_workers);
            let of_queue = workers.filter(|worker| worker.queue == it.info.queue);
            let first = of_queue.filter_map(|worker| worker.started_at).min();
            Some(first.map_or(0.0, |at| seconds_since(at, it.info.read_at)))
        },
    );
}

fn schedulers(
    out: &mut Exposition,
    reading: &Reading,
    schedulers: usize,
    entries: &[SchedulerEntryInfo],
) {
    let mut gauge = |name, help, value| out.family(name, Kind::Gauge, help).sample(&[], value);
    gauge(
        "rasynq_schedulers",
        "Schedulers that are alive",
        schedulers as f64,
    );
    gauge(
        "rasynq_scheduler_entries",
        "Entries of all schedulers",
        entries.len() as f64,
    );
    let help = "How long the next tick of an entry is overdue, the longest of all entries for tasks of this type; 0: none is";
    let mut family = out.family("rasynq_scheduler_lag_seconds", Kind::Gauge, help);
    // Only a queue tells the time of Redis.
    let Some(now) = figures(reading).map(|(_, it)| it.info.read_at).max() else {
        return;
    };
    let mut by_type: BTreeMap<&str, f64> = BTreeMap::new();
    for entry in entries {
        let lag = entry.next.map_or(0.0, |next| seconds_since(next, now));
        let longest = by_type.entry(&entry.task_type).or_default();
        *longest = longest.max(lag);
    }
    for (task_type, lag) in by_type {
        family.sample(&[("type", task_type)], lag);
    }
}

fn figures(reading: &Reading) -> impl Iterator<Item = (&str, &QueueFigures)> {
    let queues = reading.queues.iter();
    queues.filter_map(|queue| Some((&*queue.queue, queue.figures.as_ref()?)))
}

/// A series for each queue that has a value.
fn for_each_queue(
    out: &mut Exposition,
    reading: &Reading,
    (name, kind, help): (&'static str, Kind, &str),
    value: impl Fn(&QueueFigures) -> Option<f64>,
) {
    let mut family = out.family(name, kind, help);
    for (queue, figures) in figures(reading) {
        if let Some(value) = value(figures) {
            family.sample(&[("queue", queue)], value);
        }
    }
}

fn seconds_since(at: DateTime<Utc>, now: DateTime<Utc>) -> f64 {
    (now - at).to_std().unwrap_or_default().as_secs_f64()
}
