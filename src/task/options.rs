//! The enqueue options and the methods that set them.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// The queue of a task if no queue is set.
pub const DEFAULT_QUEUE: &str = "default";
/// How many times a failed task is retried if no [`Task::max_retry`](crate::Task::max_retry) is set.
pub const DEFAULT_MAX_RETRY: u32 = 25;
/// How long one run may take if neither a timeout nor a deadline is set: 30 minutes.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// One enqueue option. The names are asynq's.
///
/// Options apply in order. A later option overrides an earlier one of the same kind, and the
/// options of the enqueue call come after the options of the task.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub enum TaskOption {
    /// The queue. Default: [`DEFAULT_QUEUE`].
    Queue(String),
    /// How many times a failed task may be retried. Default: [`DEFAULT_MAX_RETRY`].
    MaxRetry(u32),
    /// The task's id, unique within its queue. Default: a random UUID v4.
    TaskId(String),
    /// How long one run may take. Redis stores whole seconds: a fraction is cut off, and less than a
    /// second becomes one second. Zero means "not set".
    ///
    /// Default: no limit if there is a deadline, otherwise [`DEFAULT_TIMEOUT`].
    Timeout(Duration),
    /// The time by which every run must be finished, in whole seconds. Default: none.
    Deadline(DateTime<Utc>),
    /// Refuses the task while another task of the same queue, type and payload has the unique lock.
    /// Otherwise this task takes the lock for this long.
    ///
    /// A fraction of a second is cut off. Below [`MIN_UNIQUE_TTL`](crate::MIN_UNIQUE_TTL) and above
    /// [`MAX_UNIQUE_TTL`](crate::MAX_UNIQUE_TTL) the task is refused as invalid.
    Unique(Duration),
    /// Processes the task no earlier than this time. If the time is past, the task is pending at once.
    ProcessAt(DateTime<Utc>),
    /// Processes the task no earlier than this long after the enqueue call.
    ProcessIn(Duration),
    /// How long a completed task and its result are kept, in whole seconds; less than a second becomes
    /// one second. Default: zero, the task is deleted.
    Retention(Duration),
    /// The group in which the task waits for aggregation. Default: none.
    Group(String),
    /// Sets one header. The value replaces an earlier value of the same name.
    Header(String, String),
}

/// Defines the option methods of a type. Each method appends an option to `self.$field`.
macro_rules! option_methods {
    ($($field:ident).+) => {
        /// Appends an option. Each of the methods below appends one kind of option.
        pub fn option(mut self, option: $crate::task::TaskOption) -> Self {
            self.$($field).+.push(option);
            self
        }

        /// Sets the queue. Default: `"default"`. asynq: `Queue`.
        pub fn queue(self, name: impl Into<String>) -> Self {
            self.option($crate::task::TaskOption::Queue(name.into()))
        }

        /// Sets how many times a failed task may be retried. Default: 25. asynq: `MaxRetry`.
        pub fn max_retry(self, n: u32) -> Self {
            self.option($crate::task::TaskOption::MaxRetry(n))
        }

        /// Sets the task's id. Default: a random UUID v4. asynq: `TaskID`.
        pub fn task_id(self, id: impl Into<String>) -> Self {
            self.option($crate::task::TaskOption::TaskId(id.into()))
        }

        /// Sets how long one run may take, in whole seconds. Zero means "not set". Default: 30
        /// minutes if no deadline is set. asynq: `Timeout`.
        ///
        /// A fraction of a second is cut off, but less than a second becomes one second.
        pub fn timeout(self, limit: std::time::Duration) -> Self {
            self.option($crate::task::TaskOption::Timeout(limit))
        }

        /// Sets the time by which every run must be finished, in whole seconds. Default: none.
        /// asynq: `Deadline`.
        pub fn deadline(self, at: chrono::DateTime<chrono::Utc>) -> Self {
            self.option($crate::task::TaskOption::Deadline(at))
        }

        /// Refuses the task while another task of the same queue, type and payload has the unique
        /// lock. Otherwise this task takes the lock for `ttl`: whole seconds, from 1 second to 100
        /// years. asynq: `Unique`.
        pub fn unique(self, ttl: std::time::Duration) -> Self {
            self.option($crate::task::TaskOption::Unique(ttl))
        }

        /// Processes the task no earlier than this time, by the clock of Redis. asynq: `ProcessAt`.
        ///
        /// Redis stores the whole second: a fraction of a second is cut off, so the task may be processed
        /// up to one second before this time. For a time that has passed, the task is pending at once.
        pub fn process_at(self, at: chrono::DateTime<chrono::Utc>) -> Self {
            self.option($crate::task::TaskOption::ProcessAt(at))
        }

        /// Processes the task this long after Redis has stored it, by the clock of Redis. asynq:
        /// `ProcessIn`.
        ///
        /// Redis stores the whole second in which the delay ends, and the task is due when that second
        /// begins. So it is processed up to one second before the delay has ended, and no earlier: with a
        /// delay of 5 s, after 4 to 5 s. If it must wait for the whole delay, add a second.
        pub fn process_in(self, delay: std::time::Duration) -> Self {
            self.option($crate::task::TaskOption::ProcessIn(delay))
        }

        /// Keeps the completed task and its result for this long, in whole seconds; less than a second
        /// becomes one second. Default: zero, the task is deleted. asynq: `Retention`.
        pub fn retention(self, keep: std::time::Duration) -> Self {
            self.option($crate::task::TaskOption::Retention(keep))
        }

        /// Puts the task into this group, where it waits for aggregation. asynq: `Group`.
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
