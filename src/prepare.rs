//! Prepares tasks for the broker: for clients, schedulers and aggregators.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::broker::{Broker, NewTask};
use crate::clock::Uuids;
use crate::error::{Error, Result};
use crate::task::{Composed, Task, TaskInfo, TaskOption};
use crate::wire::{self, DueTime, Placement, TaskState};

/// What a run may add to a message: an error text, and a few numbers.
const RESERVE: usize = 128 << 10;

/// The task that the broker stores, and the description that the caller gets.
///
/// `options` come after those of the task, `now` is the time by Redis' clock. If no option sets an id, it is drawn
/// from `uuids`.
///
/// # Errors
/// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid): the task or an option is refused.
pub(crate) fn prepare(
    broker: &Broker,
    task: Task,
    options: Vec<TaskOption>,
    now: DateTime<Utc>,
    uuids: &Uuids,
) -> Result<(NewTask, TaskInfo)> {
    let Composed {
        id_is_random,
        message,
        placement,
        unique_ttl_secs,
    } = task.compose(options, now, uuids)?;
    let (state, next_process_at, wait) = match placement {
        Placement::Pending => (TaskState::Pending, Some(now), Duration::ZERO),
        Placement::Scheduled(due) => {
            let (at, wait) = match due {
                DueTime::At(at) => (at, (at - now).to_std().unwrap_or_default()),
                DueTime::After(delay) => (now + delay, delay),
            };
            (TaskState::Scheduled, Some(at), wait)
        }
        Placement::Group => (TaskState::Aggregating, None, Duration::ZERO),
    };
    let first_run_at = next_process_at.unwrap_or(now).timestamp();
    if message.deadline != 0 && message.deadline <= first_run_at {
        tracing::warn!(
            task_id = message.id,
            task_type = message.r#type,
            queue = message.queue,
            "the deadline of a task is over before it can run, so no run can succeed"
        );
    }
    let lock = unique_ttl_secs.map(|ttl_secs| {
        // COMPAT: asynq v0.26.0 cuts the sum of wait and TTL to whole seconds
        let ttl = wait.saturating_add(Duration::from_secs(ttl_secs));
        (message.unique_key.clone(), ttl.as_secs())
    });
    let task = NewTask {
        keys: broker.keys(&message.queue),
        id: message.id.as_str().into(),
        id_is_random,
        message: wire::encode(&message),
        placement,
        group: message.group_key.clone(),
        lock,
    };
    let (size, limit) = (task.message.len(), broker.max_argument() - RESERVE);
    if size > limit {
        let text = format!(
            "the task has {size} bytes with its headers and names, Redis takes at most {limit}"
        );
        return Err(Error::invalid(text).with_task_id(message.id));
    }
    let info = TaskInfo::new(message, state, next_process_at, None);
    Ok((task, info))
}
