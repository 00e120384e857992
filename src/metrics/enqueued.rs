//! Tasks that clients and schedulers of this process have enqueued.

use std::sync::LazyLock;

use super::ON;
use super::bounded::BoundedTable;
use super::catalogue::TASKS_ENQUEUED;
use super::series::Counter;
use crate::error::{ErrorKind, Result};

/// By the queue, and then by the type.
static QUEUES: LazyLock<BoundedTable<EnqueuedInQueue>> = LazyLock::new(BoundedTable::new);

struct EnqueuedInQueue {
    queue: String,
    types: BoundedTable<EnqueuedOfType>,
}

struct EnqueuedOfType {
    enqueued: Counter,
    duplicate: Counter,
    conflict: Counter,
    failed: Counter,
}

/// A call of Redis has stored or refused a task, or has failed.
pub(crate) fn enqueued<T>(queue: &str, task_type: &str, result: &Result<T>) {
    if !ON {
        return;
    }
    let queue = QUEUES.get_or_add(queue, |queue| EnqueuedInQueue {
        queue: queue.to_owned(),
        types: BoundedTable::new(),
    });
    let of_type = queue.types.get_or_add(task_type, |task_type| {
        let counter = |outcome| {
            let labels = [
                ("queue", &*queue.queue),
                ("type", task_type),
                ("outcome", outcome),
            ];
            Counter::new(TASKS_ENQUEUED, &labels)
        };
        EnqueuedOfType {
            enqueued: counter("enqueued"),
            duplicate: counter("duplicate"),
            conflict: counter("conflict"),
            failed: counter("failed"),
        }
    });
    let counter = match result.as_ref().map_err(|error| error.kind()) {
        Ok(_) => &of_type.enqueued,
        Err(ErrorKind::DuplicateTask) => &of_type.duplicate,
        Err(ErrorKind::TaskIdConflict) => &of_type.conflict,
        Err(_) => &of_type.failed,
    };
    counter.add(1);
}
