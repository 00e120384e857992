//! Tasks.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rasynq::{Progress as RunProgress, TaskDetails, TaskInfo, TaskState, UniqueLock};
use serde::Serialize;

use super::{rfc3339, yes_or_no};
use crate::output::{
    DataView, Table, base64_unless_text, cell, maybe_seconds, printable, seconds, time, until,
};

/// A task, in JSON.
#[derive(Debug, Serialize)]
pub(crate) struct TaskView {
    id: String,
    queue: String,
    task_type: String,
    state: &'static str,
    payload: DataView,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
    headers: BTreeMap<String, String>,
    max_retry: u32,
    retried: u32,
    last_error: String,
    last_failed_at: Option<String>,
    #[serde(serialize_with = "maybe_seconds")]
    timeout: Option<Duration>,
    deadline: Option<String>,
    group: String,
    next_process_at: Option<String>,
    is_orphaned: bool,
    is_undecodable: bool,
    #[serde(serialize_with = "seconds")]
    retention: Duration,
    completed_at: Option<String>,
    result: Option<DataView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result_base64: Option<String>,
}

impl From<&TaskInfo> for TaskView {
    fn from(info: &TaskInfo) -> Self {
        let result = Some(&info.result).filter(|result| !result.is_empty());
        Self {
            id: info.id.clone(),
            queue: info.queue.clone(),
            task_type: info.task_type.clone(),
            state: info.state.as_str(),
            payload: DataView::of(&info.payload),
            payload_base64: base64_unless_text(&info.payload),
            headers: info.headers.clone(),
            max_retry: info.max_retry,
            retried: info.retried,
            last_error: info.last_error.clone(),
            last_failed_at: info.last_failed_at.map(rfc3339),
            timeout: info.timeout,
            deadline: info.deadline.map(rfc3339),
            group: info.group.clone(),
            next_process_at: info.next_process_at.map(rfc3339),
            is_orphaned: info.is_orphaned,
            is_undecodable: info.is_undecodable,
            retention: info.retention,
            completed_at: info.completed_at.map(rfc3339),
            result: result.map(|result| DataView::of(result)),
            result_base64: result.and_then(|result| base64_unless_text(result)),
        }
    }
}

/// Everything about a task, in JSON.
#[derive(Debug, Serialize)]
pub(crate) struct DetailsView {
    #[serde(flatten)]
    info: TaskView,
    decode_error: Option<String>,
    pending_since: Option<String>,
    archived_at: Option<String>,
    kept_until: Option<String>,
    grouped_at: Option<String>,
    lock: Option<LockView>,
    lease_expires_at: Option<String>,
    owner: Option<String>,
    progress: Option<ProgressView>,
}

#[derive(Debug, Serialize)]
struct LockView {
    key: String,
    holder: Option<String>,
    is_held_by_task: bool,
    expires_at: Option<String>,
}

impl From<&UniqueLock> for LockView {
    fn from(lock: &UniqueLock) -> Self {
        Self {
            key: lock.key.clone(),
            holder: lock.holder.clone(),
            is_held_by_task: lock.is_held_by_task,
            expires_at: lock.expires_at.map(rfc3339),
        }
    }
}

#[derive(Debug, Serialize)]
struct ProgressView {
    done: u64,
    total: u64,
    percent: Option<u64>,
    message: Option<String>,
}

impl From<&RunProgress> for ProgressView {
    fn from(progress: &RunProgress) -> Self {
        Self {
            done: progress.done(),
            total: progress.total(),
            percent: progress.percent(),
            message: progress.text().map(str::to_owned),
        }
    }
}

impl From<&TaskDetails> for DetailsView {
    fn from(details: &TaskDetails) -> Self {
        Self {
            info: TaskView::from(&details.info),
            decode_error: details.decode_error.clone(),
            pending_since: details.pending_since.map(rfc3339),
            archived_at: details.archived_at.map(rfc3339),
            kept_until: details.kept_until.map(rfc3339),
            grouped_at: details.grouped_at.map(rfc3339),
            lock: details.lock.as_ref().map(LockView::from),
            lease_expires_at: details.lease_expires_at.map(rfc3339),
            owner: details.owner.clone(),
            progress: details.progress.as_ref().map(ProgressView::from),
        }
    }
}

/// The table of the tasks of a state: asynq's columns.
pub(crate) fn task_table(state: TaskState) -> Table {
    match state {
        TaskState::Active => Table::new(["ID", "Type", "Payload", "Orphaned"]),
        TaskState::Scheduled => Table::new(["ID", "Type", "Payload", "Process In"]),
        TaskState::Retry => Table::new([
            "ID",
            "Type",
            "Payload",
            "Next Retry",
            "Last Error",
            "Last Failed",
            "Retried",
            "Max Retry",
        ]),
        TaskState::Archived => Table::new(["ID", "Type", "Payload", "Last Failed", "Last Error"]),
        TaskState::Completed => Table::new(["ID", "Type", "Payload", "CompletedAt", "Result"]),
        TaskState::Aggregating => Table::new(["ID", "Type", "Payload", "Group"]),
        _ => Table::new(["ID", "Type", "Payload"]),
    }
}

/// A row of [`task_table`].
pub(crate) fn task_row(info: &TaskInfo, state: TaskState, now: DateTime<Utc>) -> Vec<String> {
    let payload = match info.is_undecodable {
        true => "(the message does not decode)".to_owned(),
        false => cell(&info.payload),
    };
    let mut row = vec![
        printable(&info.id).into_owned(),
        printable(&info.task_type).into_owned(),
        payload,
    ];
    let due = || {
        let due = info.next_process_at.map(|at| until(at, now));
        due.unwrap_or_default()
    };
    let maybe_time = |at: Option<DateTime<Utc>>| at.map(time).unwrap_or_default();
    match state {
        TaskState::Active => row.push(yes_or_no(info.is_orphaned).to_owned()),
        TaskState::Scheduled => row.push(due()),
        TaskState::Retry => row.extend([
            due(),
            cell(info.last_error.as_bytes()),
            maybe_time(info.last_failed_at),
            info.retried.to_string(),
            info.max_retry.to_string(),
        ]),
        TaskState::Archived => row.extend([
            maybe_time(info.last_failed_at),
            cell(info.last_error.as_bytes()),
        ]),
        TaskState::Completed => row.extend([maybe_time(info.completed_at), cell(&info.result)]),
        TaskState::Aggregating => row.push(printable(&info.group).into_owned()),
        _ => {}
    }
    row
}
