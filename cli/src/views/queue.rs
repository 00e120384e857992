//! Queues.

use std::time::Duration;

use rasynq::{DailyStats, QueueInfo};
use serde::Serialize;

use super::{StateCounts, rfc3339};
use crate::output::{Table, error_rate, printable, seconds, span};

/// A queue, in JSON.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct QueueView {
    queue: String,
    size: u64,
    #[serde(flatten)]
    counts: StateCounts,
    groups: u64,
    processed: u64,
    failed: u64,
    processed_total: u64,
    failed_total: u64,
    is_paused: bool,
    paused_since: Option<String>,
    #[serde(serialize_with = "seconds")]
    latency: Duration,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_usage: Option<u64>,
    read_at: String,
}

impl QueueView {
    pub(crate) fn of(info: &QueueInfo, memory_usage: Option<u64>) -> Self {
        Self {
            queue: info.queue.clone(),
            size: info.size(),
            counts: StateCounts::from(info),
            groups: info.groups,
            processed: info.processed,
            failed: info.failed,
            processed_total: info.processed_total,
            failed_total: info.failed_total,
            is_paused: info.is_paused(),
            paused_since: info.paused_since.map(rfc3339),
            latency: info.latency,
            memory_usage,
            read_at: rfc3339(info.read_at),
        }
    }
}

/// A day of a queue, in JSON.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DayView {
    date: String,
    processed: u64,
    failed: u64,
}

impl From<&DailyStats> for DayView {
    fn from(day: &DailyStats) -> Self {
        Self {
            date: day.date.to_string(),
            processed: day.processed,
            failed: day.failed,
        }
    }
}

/// The queues with their sizes, one a row.
pub(crate) fn queue_table(infos: &[QueueInfo], memory: &[Option<u64>]) -> Table {
    let has_memory = memory.iter().any(Option::is_some);
    let mut names = vec!["Queue", "Size"];
    names.extend(StateCounts::COLUMNS);
    names.extend(["Latency", "Paused"]);
    if has_memory {
        names.push("Memory");
    }
    let mut table = Table::of_columns(&names);
    for (at, info) in infos.iter().enumerate() {
        let mut row = vec![printable(&info.queue).into_owned(), info.size().to_string()];
        row.extend(StateCounts::from(info).cells());
        row.extend([span(info.latency), yes_or_no(info.is_paused()).to_owned()]);
        if has_memory {
            let bytes = memory.get(at).copied().flatten();
            row.push(bytes.map_or_else(String::new, bytes_text));
        }
        table.push(row);
    }
    table
}

/// The days of a queue, as asynq's command shows them.
pub(crate) fn history_table(days: &[DailyStats]) -> Table {
    let mut table = Table::new(["date (UTC)", "processed", "failed", "error rate"]);
    for day in days {
        table.row([
            day.date.to_string(),
            day.processed.to_string(),
            day.failed.to_string(),
            error_rate(day.failed, day.processed),
        ]);
    }
    table
}

pub(crate) fn yes_or_no(is_so: bool) -> &'static str {
    match is_so {
        true => "yes",
        false => "no",
    }
}

/// Bytes for people: `1.5 MiB`.
pub(crate) fn bytes_text(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut size = bytes as f64;
    let mut unit = "";
    for name in UNITS {
        if size < 1024.0 {
            break;
        }
        size /= 1024.0;
        unit = name;
    }
    format!("{size:.1} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_in_a_unit_that_fits() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_572_864, "1.5 MiB"),
            (u64::MAX, "16384.0 PiB"),
        ] {
            assert_eq!(bytes_text(bytes), text);
        }
    }
}
