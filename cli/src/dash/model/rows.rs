//! What the screens show: the dashboard's own rows, so that the model and the drawing depend on nothing that only Redis
//! can fill.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use rasynq::TaskState;

/// The states in the order in which the screens show them.
pub(crate) const STATES: [TaskState; 7] = [
    TaskState::Pending,
    TaskState::Active,
    TaskState::Scheduled,
    TaskState::Retry,
    TaskState::Archived,
    TaskState::Completed,
    TaskState::Aggregating,
];

/// A queue at one moment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct QueueRow {
    pub(crate) name: String,
    /// How many tasks are in each of [`STATES`].
    pub(crate) sizes: [u64; 7],
    /// Whether the number of aggregating tasks is an estimate.
    pub(crate) is_estimate: bool,
    pub(crate) orphaned: u64,
    pub(crate) groups: u64,
    pub(crate) processed_today: u64,
    pub(crate) failed_today: u64,
    pub(crate) processed_total: u64,
    pub(crate) failed_total: u64,
    pub(crate) paused_since: Option<DateTime<Utc>>,
    pub(crate) latency: Duration,
    /// By Redis' clock.
    pub(crate) read_at: DateTime<Utc>,
}

impl QueueRow {
    pub(crate) fn size_of(&self, state: TaskState) -> u64 {
        let index = STATES.iter().position(|of| *of == state);
        index.map_or(0, |index| self.sizes[index])
    }

    /// How many tasks there are, in all states.
    pub(crate) fn size(&self) -> u64 {
        self.sizes.iter().sum()
    }
}

/// A task in a list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TaskRow {
    pub(crate) id: String,
    pub(crate) queue: String,
    pub(crate) task_type: String,
    pub(crate) payload: Bytes,
    pub(crate) state: TaskState,
    pub(crate) retried: u32,
    pub(crate) max_retry: u32,
    pub(crate) last_error: String,
    pub(crate) last_failed_at: Option<DateTime<Utc>>,
    pub(crate) next_process_at: Option<DateTime<Utc>>,
    pub(crate) completed_at: Option<DateTime<Utc>>,
    pub(crate) group: String,
    pub(crate) is_orphaned: bool,
    /// Its message does not decode: only the id and the state are known.
    pub(crate) is_undecodable: bool,
    pub(crate) result: Bytes,
}

/// All that is known of one task: each fact is a name and a text, and longer contents follow.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TaskFacts {
    pub(crate) row: TaskRow,
    pub(crate) decode_error: Option<String>,
    pub(crate) pending_since: Option<DateTime<Utc>>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) deadline: Option<DateTime<Utc>>,
    pub(crate) retention: Duration,
    /// When it is deleted, if it is completed.
    pub(crate) kept_until: Option<DateTime<Utc>>,
    pub(crate) archived_at: Option<DateTime<Utc>>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) lease_expires_at: Option<DateTime<Utc>>,
    /// The server that runs it.
    pub(crate) owner: Option<String>,
    pub(crate) lock: Option<LockFacts>,
    pub(crate) progress: Option<ProgressFacts>,
}

/// The lock of a unique task.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LockFacts {
    pub(crate) key: String,
    pub(crate) holder: Option<String>,
    pub(crate) is_held_by_task: bool,
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

/// How far a run has come.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ProgressFacts {
    pub(crate) done: u64,
    /// 0: unknown.
    pub(crate) total: u64,
    pub(crate) message: String,
}

/// A group of tasks that wait for aggregation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GroupRow {
    pub(crate) name: String,
    pub(crate) size: u64,
}

/// A server.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ServerRow {
    pub(crate) id: String,
    pub(crate) host: String,
    pub(crate) pid: u32,
    pub(crate) concurrency: u32,
    pub(crate) queues: Vec<(String, u32)>,
    pub(crate) is_strict: bool,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) status: String,
    pub(crate) workers: Vec<WorkerRow>,
}

/// A run of a task on a server.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WorkerRow {
    pub(crate) task_id: String,
    pub(crate) task_type: String,
    pub(crate) queue: String,
    pub(crate) payload: Bytes,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) deadline: Option<DateTime<Utc>>,
}

/// A scheduler.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SchedulerRow {
    pub(crate) host: String,
    pub(crate) pid: u32,
    pub(crate) is_leader: bool,
    pub(crate) entries: u64,
}

/// An entry of a scheduler.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EntryRow {
    pub(crate) id: String,
    pub(crate) spec: String,
    pub(crate) task_type: String,
    pub(crate) payload: Bytes,
    pub(crate) options: Vec<String>,
    pub(crate) next: Option<DateTime<Utc>>,
    pub(crate) previous: Option<DateTime<Utc>>,
}

impl EntryRow {
    /// The queue in which its tasks are, by its options.
    pub(crate) fn queue(&self) -> String {
        let queue = self
            .options
            .iter()
            .filter_map(|option| option.strip_prefix("Queue(\"")?.strip_suffix("\")"))
            .next_back();
        queue.unwrap_or(rasynq::DEFAULT_QUEUE).to_owned()
    }
}

/// A task that an entry has enqueued.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TickRow {
    pub(crate) task_id: String,
    pub(crate) enqueued_at: DateTime<Utc>,
}
