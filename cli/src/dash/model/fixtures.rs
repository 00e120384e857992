//! Rows for the unit tests.

use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use rasynq::TaskState;

use super::Moment;
use super::rows::{QueueRow, ServerRow, TaskFacts, TaskRow, WorkerRow};

/// The time at which the fixtures were read.
pub(crate) fn read_at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

/// The same moment by both clocks.
pub(crate) fn moment() -> Moment {
    Moment {
        instant: Instant::now(),
        utc: read_at(),
    }
}

pub(crate) fn queue(name: &str) -> QueueRow {
    QueueRow {
        name: name.to_owned(),
        sizes: [0; 7],
        is_estimate: false,
        orphaned: 0,
        groups: 0,
        processed_today: 0,
        failed_today: 0,
        processed_total: 0,
        failed_total: 0,
        paused_since: None,
        latency: Duration::ZERO,
        read_at: read_at(),
    }
}

pub(crate) fn task(id: &str, state: TaskState) -> TaskRow {
    TaskRow {
        id: id.to_owned(),
        queue: "default".to_owned(),
        task_type: "email:welcome".to_owned(),
        payload: Bytes::from_static(br#"{"user_id":42}"#),
        state,
        retried: 1,
        max_retry: 25,
        last_error: String::new(),
        last_failed_at: None,
        next_process_at: None,
        completed_at: None,
        group: String::new(),
        is_orphaned: false,
        is_undecodable: false,
        result: Bytes::new(),
    }
}

pub(crate) fn facts(row: TaskRow) -> TaskFacts {
    TaskFacts {
        row,
        decode_error: None,
        pending_since: None,
        timeout: Some(Duration::from_secs(1800)),
        deadline: None,
        retention: Duration::ZERO,
        kept_until: None,
        archived_at: None,
        headers: Vec::new(),
        lease_expires_at: None,
        owner: None,
        lock: None,
        progress: None,
    }
}

pub(crate) fn server(host: &str, workers: Vec<WorkerRow>) -> ServerRow {
    ServerRow {
        id: format!("{host}:7:id"),
        host: host.to_owned(),
        pid: 7,
        concurrency: 10,
        queues: vec![("critical".to_owned(), 6), ("default".to_owned(), 3)],
        is_strict: false,
        started_at: Some(read_at() - chrono::TimeDelta::hours(2)),
        status: "active".to_owned(),
        workers,
    }
}

pub(crate) fn worker(task_id: &str) -> WorkerRow {
    WorkerRow {
        task_id: task_id.to_owned(),
        task_type: "video:encode".to_owned(),
        queue: "default".to_owned(),
        payload: Bytes::from_static(b"{}"),
        started_at: Some(read_at() - chrono::TimeDelta::seconds(42)),
        deadline: Some(read_at() + chrono::TimeDelta::minutes(5)),
    }
}
