//! What Redis replies when queues and tasks are inspected.

use bytes::Bytes;

use super::Str;
use crate::wire::TaskState;

/// What a queue has, and its counters.
#[derive(Debug)]
pub(crate) struct QueueSizes {
    /// The time of Redis (unix µs).
    pub(crate) now_micros: i64,
    pub(crate) pending: u64,
    pub(crate) active: u64,
    /// How many active tasks have a lease that has expired.
    pub(crate) orphaned: u64,
    pub(crate) scheduled: u64,
    pub(crate) retry: u64,
    pub(crate) archived: u64,
    pub(crate) completed: u64,
    pub(crate) groups: u64,
    /// How many groups were counted for `aggregating`.
    pub(crate) counted_groups: u64,
    pub(crate) aggregating: u64,
    pub(crate) processed: u64,
    pub(crate) failed: u64,
    pub(crate) processed_total: u64,
    pub(crate) failed_total: u64,
    /// The time of the pause (unix s), if the queue is paused.
    pub(crate) paused_since: Option<i64>,
    /// Since when the next pending task is pending (unix ns).
    pub(crate) pending_since: Option<i64>,
}

/// Where tasks of one state are listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TaskPlace {
    /// The list or the sorted set of a state. Aggregating tasks have none.
    State(TaskState),
    /// A group.
    Group(Str),
}

/// A task id where it is listed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ListedId {
    /// The id. It need not be UTF-8.
    pub(crate) id: Bytes,
    /// Its score, unless it is in a list.
    pub(crate) score: Option<f64>,
}

/// Tasks that were read. Large messages end a part before all its tasks are read.
#[derive(Debug)]
pub(crate) struct TaskPart {
    /// The time of Redis (unix s).
    pub(crate) now: i64,
    /// `None`: the task is gone, or in another state. In the order of the ids.
    pub(crate) tasks: Vec<Option<ListedTask>>,
}

/// A task as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct ListedTask {
    pub(crate) message: Bytes,
    pub(crate) result: Option<Bytes>,
    /// Since when it is pending (unix ns).
    pub(crate) pending_since: Option<i64>,
    /// When its lease expires (unix s). In a list: only if it is active.
    pub(crate) lease: Option<i64>,
}

/// All that is stored of a task.
#[derive(Debug)]
pub(crate) struct StoredDetails {
    /// The time of Redis (unix s).
    pub(crate) now: i64,
    pub(crate) state: TaskState,
    pub(crate) task: ListedTask,
    /// The group in which it waits, or that it joins when it is due.
    pub(crate) group: Option<Str>,
    /// The key of its unique lock.
    pub(crate) lock: Option<Str>,
    /// The owner that holds its lease: see [`owner_name`](crate::wire::keys::owner_name). `None`: not a server of ours.
    pub(crate) owner: Option<String>,
    /// Its score, if it is in a sorted set (unix s).
    pub(crate) score: Option<i64>,
}

/// A unique lock.
#[derive(Debug)]
pub(crate) struct StoredLock {
    /// The id of the task that holds it; empty if its key has a wrong type. `None`: nobody does.
    pub(crate) holder: Option<Bytes>,
    /// How long until it expires (ms). `None`: it does not expire.
    pub(crate) ttl_ms: Option<u64>,
}

/// A node of a cluster.
#[derive(Debug)]
pub(crate) struct StoredNode {
    pub(crate) id: String,
    pub(crate) address: String,
}
