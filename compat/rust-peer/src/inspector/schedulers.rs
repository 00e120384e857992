//! The calls about schedulers.

use rasynq::Inspector;
use serde_json::{Value, json};

use super::{Form, Page};
use crate::failure::Failure;
use crate::form::{data, unix_time};

/// How many enqueue events of an entry are kept.
const LONGEST_HISTORY: u64 = 1000;

pub(super) async fn scheduler_entries(inspector: &Inspector) -> Result<Value, Failure> {
    let entries = inspector.scheduler_entries().await?;
    let entries = entries.iter().map(|entry| {
        json!({
            "id": entry.id,
            "spec": entry.spec,
            "type": entry.task_type,
            "payload": data(&entry.payload),
            "opts": entry.options,
            "next": unix_time(entry.next),
            "prev": unix_time(entry.previous),
        })
    });
    Ok(entries.collect())
}

pub(super) async fn enqueue_events(inspector: &Inspector, form: &Form) -> Result<Value, Failure> {
    let (number, size) = match form.page() {
        Page::One { number, size } => (number, size),
        Page::Whole => (1, LONGEST_HISTORY),
    };
    let events = inspector.enqueue_events(&form.entry, number, size).await?;
    let events = events.iter();
    Ok(events
        .map(|event| json!({"task": event.task_id, "at": unix_time(Some(event.enqueued_at))}))
        .collect())
}
