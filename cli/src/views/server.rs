//! Servers and what they run.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rasynq::{ServerInfo, WorkerInfo};
use serde::Serialize;

use super::rfc3339;
use crate::output::{DataView, Table, base64_unless_text, cell, printable, relative, until};

/// A server, in JSON.
#[derive(Debug, Serialize)]
pub(crate) struct ServerView {
    id: String,
    host: String,
    pid: u32,
    concurrency: u32,
    queues: BTreeMap<String, u32>,
    strict_priority: bool,
    started_at: Option<String>,
    status: String,
    active_workers: Vec<WorkerView>,
}

#[derive(Debug, Serialize)]
struct WorkerView {
    task_id: String,
    task_type: String,
    payload: DataView,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
    queue: String,
    started_at: Option<String>,
    deadline: Option<String>,
}

impl From<&ServerInfo> for ServerView {
    fn from(info: &ServerInfo) -> Self {
        Self {
            id: info.id.clone(),
            host: info.host.clone(),
            pid: info.pid,
            concurrency: info.concurrency,
            queues: info.queues.clone(),
            strict_priority: info.strict_priority,
            started_at: info.started_at.map(rfc3339),
            status: info.status.clone(),
            active_workers: info.active_workers.iter().map(WorkerView::from).collect(),
        }
    }
}

impl From<&WorkerInfo> for WorkerView {
    fn from(info: &WorkerInfo) -> Self {
        Self {
            task_id: info.task_id.clone(),
            task_type: info.task_type.clone(),
            payload: DataView::of(&info.payload),
            payload_base64: base64_unless_text(&info.payload),
            queue: info.queue.clone(),
            started_at: info.started_at.map(rfc3339),
            deadline: info.deadline.map(rfc3339),
        }
    }
}

/// The servers, as asynq's command shows them.
pub(crate) fn server_table(servers: &[ServerInfo], now: DateTime<Utc>) -> Table {
    let mut table = Table::new([
        "Host",
        "PID",
        "State",
        "Active Workers",
        "Queues",
        "Started",
    ]);
    for server in servers {
        table.row([
            printable(&server.host).into_owned(),
            server.pid.to_string(),
            printable(&server.status).into_owned(),
            format!("{}/{}", server.active_workers.len(), server.concurrency),
            queues_text(&server.queues),
            server
                .started_at
                .map(|at| relative(at, now))
                .unwrap_or_default(),
        ]);
    }
    table
}

/// What the servers run. `None`: nothing.
pub(crate) fn worker_table(servers: &[ServerInfo], now: DateTime<Utc>) -> Option<Table> {
    let mut table = Table::new([
        "Host", "PID", "Task", "Queue", "Type", "Payload", "Started", "Deadline",
    ]);
    let mut is_empty = true;
    for server in servers {
        for run in &server.active_workers {
            is_empty = false;
            table.row([
                printable(&server.host).into_owned(),
                server.pid.to_string(),
                printable(&run.task_id).into_owned(),
                printable(&run.queue).into_owned(),
                printable(&run.task_type).into_owned(),
                cell(&run.payload),
                run.started_at
                    .map(|at| relative(at, now))
                    .unwrap_or_default(),
                run.deadline.map(|at| until(at, now)).unwrap_or_default(),
            ]);
        }
    }
    (!is_empty).then_some(table)
}

/// The queues with their weights, the heaviest first: `critical:6 default:3`.
fn queues_text(queues: &BTreeMap<String, u32>) -> String {
    let mut queues: Vec<(&String, &u32)> = queues.iter().collect();
    queues.sort_by(|(a, weight_a), (b, weight_b)| weight_b.cmp(weight_a).then(a.cmp(b)));
    let words: Vec<String> = queues
        .into_iter()
        .map(|(name, weight)| format!("{}:{weight}", printable(name)))
        .collect();
    words.join(" ")
}
