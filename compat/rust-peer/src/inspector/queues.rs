//! The calls about queues.

use rasynq::Inspector;
use serde_json::{Value, json};

use super::{Form, done};
use crate::failure::Failure;

pub(super) async fn queue_info(inspector: &Inspector, queue: &str) -> Result<Value, Failure> {
    let info = inspector.queue_info(queue).await?;
    let memory = inspector.memory_usage(queue).await?;
    Ok(json!({
        "queue": info.queue,
        "size": info.size(),
        "groups": info.groups,
        "pending": info.pending,
        "active": info.active,
        "scheduled": info.scheduled,
        "retry": info.retry,
        "archived": info.archived,
        "completed": info.completed,
        "aggregating": info.aggregating,
        "processed": info.processed,
        "failed": info.failed,
        "processed_total": info.processed_total,
        "failed_total": info.failed_total,
        "paused": info.is_paused(),
        "latency_ms": u64::try_from(info.latency.as_millis()).unwrap_or(u64::MAX),
        "memory_bytes": memory,
    }))
}

pub(super) async fn history(inspector: &Inspector, form: &Form) -> Result<Value, Failure> {
    let days = u32::try_from(form.n)
        .map_err(|_| Failure::invalid(format!("{} is no number of days", form.n)))?;
    let history = inspector.history(&form.queue, days).await?;
    let history = history.iter();
    Ok(history
        .map(|day| {
            json!({
                "queue": day.queue,
                "date": day.date.to_string(),
                "processed": day.processed,
                "failed": day.failed,
            })
        })
        .collect())
}

pub(super) async fn delete_queue(inspector: &Inspector, form: &Form) -> Result<Value, Failure> {
    let delete = inspector.delete_queue(&form.queue);
    done(if form.force {
        delete.force().await
    } else {
        delete.await
    })
}

pub(super) async fn groups(inspector: &Inspector, queue: &str) -> Result<Value, Failure> {
    let groups = inspector.groups(queue).await?;
    let groups = groups.iter();
    Ok(groups
        .map(|group| json!({"group": group.group, "size": group.size}))
        .collect())
}
