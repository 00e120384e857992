//! What is enqueued: a task, its options, and how they compose into the stored message.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Datelike, Utc};

use crate::error::{Error, Result};
use crate::unique::Uuids;
use crate::wire::keys;
use crate::wire::{QueueKeys, TaskMessage};

/// The queue of a task that names none.
pub const DEFAULT_QUEUE: &str = "default";
/// How often a failed task is tried again where no [`Task::max_retry`] is given.
pub const DEFAULT_MAX_RETRY: u32 = 25;
/// How long a run may take where neither a timeout nor a deadline is given.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// The shortest TTL that a unique lock may have.
pub const MIN_UNIQUE_TTL: Duration = Duration::from_secs(1);

/// The longest TTL that a unique lock may have: a hundred years.
pub const MAX_UNIQUE_TTL: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The most bytes that a task's type and payload may have together: a message of 512 MiB is the
/// largest that Redis takes, and this leaves a mebibyte for the rest.
pub const MAX_TASK_SIZE: usize = 511 << 20;

/// The longest timeout and retention: what a Go duration holds, some 292 years.
const LONGEST: Duration = Duration::from_nanos(i64::MAX as u64);

/// A unit of work: a type, a payload, headers, and options of its own.
///
/// The same type is what [`Client::enqueue`](crate::Client::enqueue) takes and what a handler is
/// given. asynq: `Task`.
///
/// ```
/// use rasynq::Task;
/// let task = Task::new("email:welcome", r#"{"user_id":42}"#).queue("critical").max_retry(5);
/// assert_eq!(task.task_type(), "email:welcome");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a task is nothing until it is enqueued"]
pub struct Task {
    task_type: String,
    payload: Option<Bytes>,
    headers: BTreeMap<String, String>,
    options: Vec<TaskOption>,
}

/// One enqueue option, under asynq's name.
///
/// Options compose in order: a later one overrides an earlier one of its kind, and those of the
/// enqueue call come after those on the task.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub enum TaskOption {
    /// The queue. Default [`DEFAULT_QUEUE`].
    Queue(String),
    /// How often the task may be retried. Default [`DEFAULT_MAX_RETRY`].
    MaxRetry(u32),
    /// The task's id, unique within its queue. Default: a random UUID v4.
    TaskId(String),
    /// How long one run may take; whole seconds are stored, fractions cut. Zero counts as not given.
    ///
    /// Default: no limit but the deadline; [`DEFAULT_TIMEOUT`] where there is no deadline either.
    /// Below one second it is stored as 0, which is the same as none: 500 ms without a deadline
    /// become [`DEFAULT_TIMEOUT`] when the task runs. So it is in asynq.
    Timeout(Duration),
    /// When the last run must have ended, to the second. Default: none.
    Deadline(DateTime<Utc>),
    /// Refuse the task while another of the same queue, type and payload holds this lock.
    ///
    /// Cut to whole seconds; below [`MIN_UNIQUE_TTL`] and above [`MAX_UNIQUE_TTL`] it is refused.
    Unique(Duration),
    /// Process no earlier than this. A time that has passed means at once.
    ProcessAt(DateTime<Utc>),
    /// As [`ProcessAt`](Self::ProcessAt), counted from the enqueue call.
    ProcessIn(Duration),
    /// How long a completed task and its result are kept; whole seconds. Default: not at all.
    Retention(Duration),
    /// Wait in this group for aggregation. Default: none.
    Group(String),
    /// Set one header; the value replaces an earlier one of the same name.
    Header(String, String),
}

/// Gives a type the option methods, each of which appends to `$self.$options`.
macro_rules! option_methods {
    ($($field:ident).+) => {
        /// Appends an option; the named methods are shorthands for this.
        pub fn option(mut self, option: $crate::task::TaskOption) -> Self {
            self.$($field).+.push(option);
            self
        }

        /// Puts the task into this queue. Default `"default"`. asynq: `Queue`.
        pub fn queue(self, name: impl Into<String>) -> Self {
            self.option($crate::task::TaskOption::Queue(name.into()))
        }

        /// Retries a failed run at most this often. Default 25. asynq: `MaxRetry`.
        pub fn max_retry(self, n: u32) -> Self {
            self.option($crate::task::TaskOption::MaxRetry(n))
        }

        /// Gives the task this id. Default: a random UUID v4. asynq: `TaskID`.
        pub fn task_id(self, id: impl Into<String>) -> Self {
            self.option($crate::task::TaskOption::TaskId(id.into()))
        }

        /// Ends a run after this long (whole seconds; zero counts as not given). Default 30
        /// minutes where no deadline is given. asynq: `Timeout`.
        ///
        /// Fractions are cut, so that less than a second is no timeout: the default holds then.
        pub fn timeout(self, limit: std::time::Duration) -> Self {
            self.option($crate::task::TaskOption::Timeout(limit))
        }

        /// Ends every run at this time (to the second). Default: none. asynq: `Deadline`.
        pub fn deadline(self, at: chrono::DateTime<chrono::Utc>) -> Self {
            self.option($crate::task::TaskOption::Deadline(at))
        }

        /// Refuses the task while another of the same queue, type and payload holds the lock,
        /// which this one takes for `ttl` (whole seconds, from 1 to those of 100 years). asynq:
        /// `Unique`.
        pub fn unique(self, ttl: std::time::Duration) -> Self {
            self.option($crate::task::TaskOption::Unique(ttl))
        }

        /// Processes the task no earlier than this time. asynq: `ProcessAt`.
        pub fn process_at(self, at: chrono::DateTime<chrono::Utc>) -> Self {
            self.option($crate::task::TaskOption::ProcessAt(at))
        }

        /// Processes the task no earlier than this long after the enqueue call. asynq:
        /// `ProcessIn`.
        pub fn process_in(self, delay: std::time::Duration) -> Self {
            self.option($crate::task::TaskOption::ProcessIn(delay))
        }

        /// Keeps the completed task and its result for this long (whole seconds). Default: not
        /// at all. asynq: `Retention`.
        pub fn retention(self, keep: std::time::Duration) -> Self {
            self.option($crate::task::TaskOption::Retention(keep))
        }

        /// Lets the task wait in this group for aggregation. asynq: `Group`.
        pub fn group(self, name: impl Into<String>) -> Self {
            self.option($crate::task::TaskOption::Group(name.into()))
        }

        /// Sets a header. asynq: `Header`.
        pub fn header(self, name: impl Into<String>, value: impl Into<String>) -> Self {
            self.option($crate::task::TaskOption::Header(name.into(), value.into()))
        }
    };
}
pub(crate) use option_methods;

impl Task {
    /// A task of this type with this payload. The payload's bytes are kept as they are.
    pub fn new(task_type: impl Into<String>, payload: impl Into<Bytes>) -> Self {
        Self {
            task_type: task_type.into(),
            payload: Some(payload.into()),
            headers: BTreeMap::new(),
            options: Vec::new(),
        }
    }

    /// A task of this type with no payload at all: Go's nil.
    ///
    /// It differs from an empty payload in its unique lock only, exactly as in asynq.
    pub fn without_payload(task_type: impl Into<String>) -> Self {
        Self {
            task_type: task_type.into(),
            payload: None,
            headers: BTreeMap::new(),
            options: Vec::new(),
        }
    }

    /// A task as a worker finds it in Redis.
    pub(crate) fn from_message(message: &TaskMessage) -> Self {
        Self {
            task_type: message.r#type.clone(),
            payload: Some(message.payload.clone()),
            headers: message.headers.clone(),
            options: Vec::new(),
        }
    }

    option_methods!(options);

    /// The name by which handlers are chosen.
    pub fn task_type(&self) -> &str {
        &self.task_type
    }

    /// The payload; empty where there is none.
    pub fn payload(&self) -> &[u8] {
        self.payload.as_deref().unwrap_or_default()
    }

    /// The payload without a copy; empty where there is none.
    pub fn payload_bytes(&self) -> Bytes {
        self.payload.clone().unwrap_or_default()
    }

    /// The headers that came with the task. Those given as options are added when it is enqueued.
    pub fn headers(&self) -> &BTreeMap<String, String> {
        &self.headers
    }
}

/// A task composed with its options: what the broker is asked to store.
#[derive(Clone, Debug)]
pub(crate) struct Composed {
    pub(crate) message: TaskMessage,
    /// The id was drawn for it.
    pub(crate) id_is_random: bool,
    pub(crate) placement: Placement,
    /// The time for which the lock is taken beyond the process-at time; `None`: not unique.
    pub(crate) unique_ttl_secs: Option<u64>,
}

/// Where a new task goes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Placement {
    Pending,
    Scheduled { at: DateTime<Utc> },
    Group,
}

impl Task {
    /// Composes the task's options and then `call`'s, as of `now`, draws an id where none is given, and refuses what asynq refuses.
    pub(crate) fn compose(
        self,
        call: Vec<TaskOption>,
        now: DateTime<Utc>,
        uuids: &Uuids,
    ) -> Result<Composed> {
        if self.task_type.trim().is_empty() {
            return Err(Error::invalid("task type is blank"));
        }
        let mut queue = None;
        let mut id = None;
        let mut max_retry = DEFAULT_MAX_RETRY;
        let mut timeout = Duration::ZERO;
        let mut deadline = None;
        let mut unique = None;
        let mut process_at = now;
        let mut retention = Duration::ZERO;
        let mut group = String::new();
        let mut headers = self.headers;
        for option in self.options.into_iter().chain(call) {
            match option {
                TaskOption::Queue(name) => {
                    keys::validate_queue_name(&name).map_err(|e| Error::invalid(e.to_string()))?;
                    queue = Some(name);
                }
                TaskOption::MaxRetry(n) => max_retry = n,
                TaskOption::TaskId(given) => {
                    if given.trim().is_empty() {
                        return Err(Error::invalid("task id is blank"));
                    }
                    id = Some(given);
                }
                TaskOption::Timeout(limit) => timeout = limit,
                TaskOption::Deadline(at) => deadline = Some(printable(at, "deadline")?),
                TaskOption::Unique(ttl) => {
                    if ttl < MIN_UNIQUE_TTL {
                        return Err(Error::invalid(format!(
                            "unique TTL is {ttl:?}, it must be at least {MIN_UNIQUE_TTL:?}"
                        )));
                    }
                    if ttl > MAX_UNIQUE_TTL {
                        return Err(Error::invalid(format!(
                            "unique TTL is {ttl:?}, it must be at most {MAX_UNIQUE_TTL:?}"
                        )));
                    }
                    unique = Some(ttl);
                }
                TaskOption::ProcessAt(at) => process_at = printable(at, "process at")?,
                TaskOption::ProcessIn(delay) => {
                    process_at = chrono::TimeDelta::from_std(delay)
                        .ok()
                        .and_then(|delay| now.checked_add_signed(delay))
                        .ok_or_else(|| {
                            Error::invalid(format!("process in {delay:?} is out of range"))
                        })
                        .and_then(|at| printable(at, "process in"))?;
                }
                TaskOption::Retention(keep) => retention = keep,
                TaskOption::Group(name) => {
                    if name.trim().is_empty() {
                        return Err(Error::invalid("group is blank"));
                    }
                    group = name;
                }
                TaskOption::Header(name, value) => {
                    headers.insert(name, value);
                }
            }
        }
        // COMPAT: asynq v0.26.0 counts a deadline at the epoch as none.
        let deadline_unix_secs = deadline.map_or(0, |at| at.timestamp());
        if deadline_unix_secs == 0 && timeout.is_zero() {
            timeout = DEFAULT_TIMEOUT;
        }
        let queue = queue.unwrap_or_else(|| DEFAULT_QUEUE.to_owned());
        let unique_key = match unique {
            Some(_) => QueueKeys::new(&queue).unique(&self.task_type, self.payload.as_deref()),
            None => String::new(),
        };
        let placement = if process_at > now {
            Placement::Scheduled { at: process_at }
        } else if !group.is_empty() {
            Placement::Group
        } else {
            Placement::Pending
        };
        let size = self.task_type.len() + self.payload.as_ref().map_or(0, Bytes::len);
        if size > MAX_TASK_SIZE {
            return Err(Error::invalid(format!(
                "type and payload have {size} bytes, they must have at most {MAX_TASK_SIZE}"
            )));
        }
        Ok(Composed {
            id_is_random: id.is_none(),
            unique_ttl_secs: unique.map(|ttl| ttl.as_secs()),
            placement,
            message: TaskMessage {
                r#type: self.task_type,
                payload: self.payload.unwrap_or_default(),
                headers,
                id: id.unwrap_or_else(|| uuids.next()),
                queue,
                retry: i32::try_from(max_retry).map_err(|_| {
                    Error::invalid(format!("max retry {max_retry} is above {}", i32::MAX))
                })?,
                timeout: secs(timeout, "timeout")?,
                deadline: deadline_unix_secs,
                unique_key,
                retention: secs(retention, "retention")?,
                group_key: group,
                ..TaskMessage::default()
            },
        })
    }
}

/// Whole seconds, as many as a Go duration holds: a Go worker that reads more goes wrong.
fn secs(duration: Duration, what: &str) -> Result<i64> {
    if duration > LONGEST {
        return Err(Error::invalid(format!(
            "{what} is {duration:?}, it must be at most {LONGEST:?}"
        )));
    }
    i64::try_from(duration.as_secs())
        .map_err(|_| Error::invalid(format!("{what} {duration:?} is out of range")))
}

/// Refuses a time that Go cannot print, by which asynqmon would show nothing of the queue.
fn printable(at: DateTime<Utc>, what: &str) -> Result<DateTime<Utc>> {
    if (0..=9999).contains(&at.year()) {
        Ok(at)
    } else {
        Err(Error::invalid(format!(
            "{what} is in the year {}, it must be between 0 and 9999",
            at.year()
        )))
    }
}

/// Something that [`Client::enqueue`](crate::Client::enqueue) takes: a [`Task`], or a value of a
/// type that is a [`TaskKind`](crate::TaskKind).
///
/// The marker `M` is found by the compiler; one never writes it.
pub trait IntoTask<M = ()> {
    /// The task, or an error that says why the value could not be encoded.
    fn into_task(self) -> Result<Task>;
}

impl IntoTask for Task {
    fn into_task(self) -> Result<Task> {
        Ok(self)
    }
}
