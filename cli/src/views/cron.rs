//! Entries of schedulers.

use chrono::{DateTime, Utc};
use rasynq::{EnqueueEvent, SchedulerEntryInfo};
use serde::Serialize;

use super::rfc3339;
use crate::output::{DataView, Table, base64_unless_text, cell, printable, relative, time, until};

/// An entry, in JSON.
#[derive(Debug, Serialize)]
pub(crate) struct EntryView {
    id: String,
    spec: String,
    task_type: String,
    payload: DataView,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
    options: Vec<String>,
    next: Option<String>,
    previous: Option<String>,
}

impl From<&SchedulerEntryInfo> for EntryView {
    fn from(entry: &SchedulerEntryInfo) -> Self {
        Self {
            id: entry.id.clone(),
            spec: entry.spec.clone(),
            task_type: entry.task_type.clone(),
            payload: DataView::of(&entry.payload),
            payload_base64: base64_unless_text(&entry.payload),
            options: entry.options.clone(),
            next: entry.next.map(rfc3339),
            previous: entry.previous.map(rfc3339),
        }
    }
}

/// What an entry has enqueued, in JSON.
#[derive(Debug, Serialize)]
pub(crate) struct EntryHistoryView {
    entry_id: String,
    events: Vec<EventView>,
}

#[derive(Debug, Serialize)]
struct EventView {
    task_id: String,
    enqueued_at: String,
}

impl EntryHistoryView {
    pub(crate) fn of(entry_id: &str, events: &[EnqueueEvent]) -> Self {
        let views = events.iter().map(|event| EventView {
            task_id: event.task_id.clone(),
            enqueued_at: rfc3339(event.enqueued_at),
        });
        Self {
            entry_id: entry_id.to_owned(),
            events: views.collect(),
        }
    }
}

/// The entries, as asynq's command shows them.
pub(crate) fn entry_table(entries: &[SchedulerEntryInfo], now: DateTime<Utc>) -> Table {
    let mut table = Table::new([
        "EntryID", "Spec", "Type", "Payload", "Options", "Next", "Prev",
    ]);
    for entry in entries {
        table.row([
            printable(&entry.id).into_owned(),
            printable(&entry.spec).into_owned(),
            printable(&entry.task_type).into_owned(),
            cell(&entry.payload),
            cell(format!("[{}]", entry.options.join(" ")).as_bytes()),
            entry.next.map_or("never".to_owned(), |at| until(at, now)),
            entry
                .previous
                .map_or("N/A".to_owned(), |at| relative(at, now)),
        ]);
    }
    table
}

/// What an entry has enqueued, as asynq's command shows it.
pub(crate) fn event_table(events: &[EnqueueEvent]) -> Table {
    let mut table = Table::new(["TaskID", "EnqueuedAt"]);
    for event in events {
        table.row([
            printable(&event.task_id).into_owned(),
            time(event.enqueued_at),
        ]);
    }
    table
}
