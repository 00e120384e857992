//! What a server can be told, with asynq's names and defaults.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::broker::ArchiveLimits;
use crate::error::{Error, Result};
use crate::retry_delay::RetryDelay;
use crate::run::TaskContext;
use crate::task::Task;

/// How long an idle server waits before it looks for tasks again, on average. It applies only
/// while the queues cannot be watched.
pub const DEFAULT_TASK_CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// How often due tasks are looked for. It applies only while the queues cannot be watched.
pub const DEFAULT_DELAYED_TASK_CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// How long a shutdown waits for handlers.
pub const DEFAULT_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(8);
/// How often the health check is made.
pub const DEFAULT_HEALTH_CHECK_INTERVAL: Duration = Duration::from_secs(15);
/// How often completed tasks whose retention has ended are deleted.
pub const DEFAULT_JANITOR_INTERVAL: Duration = Duration::from_secs(8);
/// How many of them one call deletes.
pub const DEFAULT_JANITOR_BATCH_SIZE: usize = 100;
/// How long a cancelled handler has to answer.
pub const DEFAULT_CANCEL_GRACE: Duration = Duration::from_secs(1);
/// How many tasks the archive of a queue holds.
pub const DEFAULT_ARCHIVE_MAX_SIZE: u64 = 10_000;
/// How long an archived task is kept.
pub const DEFAULT_ARCHIVE_MAX_AGE: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// The most workers of one server.
const MAX_CONCURRENCY: usize = 1 << 20;
/// The most completed tasks that one call deletes.
const MAX_JANITOR_BATCH_SIZE: usize = 10_000;
/// A longer interval is as good as this one.
const LONGEST_INTERVAL: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How often the heart beats. asynq has no setting for it either.
pub(super) const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);
/// How often expired leases are looked for. asynq has no setting for it either.
pub(super) const RECOVER_INTERVAL: Duration = Duration::from_secs(60);

pub(super) type HealthCheck = Arc<dyn Fn(Result<()>) + Send + Sync>;
pub(super) type IsFailure = Arc<dyn Fn(&anyhow::Error) -> bool + Send + Sync>;
pub(super) type ErrorHandler = Arc<dyn Fn(&TaskContext, &Task, &anyhow::Error) + Send + Sync>;

/// What becomes of a task that no handler is registered for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnknownType {
    /// It fails like any other: retried, archived at its limit. asynq's way, and the default.
    #[default]
    Fail,
    /// It goes back, uncounted, and is due again after this long: for a worker that knows it.
    GiveBack {
        /// The pause, cut to whole seconds.
        after: Duration,
    },
    /// It is archived at once.
    Archive,
}

/// What becomes of a cancelled task whose handler did not answer in time, or answered with the
/// cancellation itself. Any other answer counts as always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CancelPolicy {
    /// It fails: retried, archived at its limit. asynq's way, and the default.
    #[default]
    Fail,
    /// It is archived at once.
    Archive,
    /// It is done with: neither retried nor archived.
    Revoke,
}

/// What becomes of a task whose server is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LostLease {
    /// It counts as failed: retried, archived at its limit. asynq's way, and the default.
    #[default]
    Fail,
    /// It goes back, uncounted, whatever its limit.
    GiveBack,
}

/// All settings of a server.
#[derive(Clone)]
pub(super) struct Config {
    pub(super) concurrency: usize,
    pub(super) prefetch: usize,
    pub(super) queues: BTreeMap<String, u32>,
    pub(super) strict_priority: bool,
    pub(super) task_check_interval: Duration,
    pub(super) delayed_task_check_interval: Duration,
    pub(super) shutdown_timeout: Duration,
    pub(super) health_check: Option<HealthCheck>,
    pub(super) health_check_interval: Duration,
    pub(super) janitor_interval: Duration,
    pub(super) janitor_batch_size: usize,
    pub(super) retry_delay: RetryDelay,
    pub(super) is_failure: Option<IsFailure>,
    pub(super) error_handler: Option<ErrorHandler>,
    pub(super) exhausted: Option<ErrorHandler>,
    pub(super) unknown_type: UnknownType,
    pub(super) after_cancel: CancelPolicy,
    pub(super) cancel_grace: Duration,
    pub(super) lost_lease: LostLease,
    pub(super) archive_max_size: u64,
    pub(super) archive_max_age: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            concurrency: 0,
            prefetch: 0,
            queues: BTreeMap::new(),
            strict_priority: false,
            task_check_interval: DEFAULT_TASK_CHECK_INTERVAL,
            delayed_task_check_interval: DEFAULT_DELAYED_TASK_CHECK_INTERVAL,
            shutdown_timeout: DEFAULT_SHUTDOWN_TIMEOUT,
            health_check: None,
            health_check_interval: DEFAULT_HEALTH_CHECK_INTERVAL,
            janitor_interval: DEFAULT_JANITOR_INTERVAL,
            janitor_batch_size: DEFAULT_JANITOR_BATCH_SIZE,
            retry_delay: RetryDelay::exponential(),
            is_failure: None,
            error_handler: None,
            exhausted: None,
            unknown_type: UnknownType::default(),
            after_cancel: CancelPolicy::default(),
            cancel_grace: DEFAULT_CANCEL_GRACE,
            lost_lease: LostLease::default(),
            archive_max_size: DEFAULT_ARCHIVE_MAX_SIZE,
            archive_max_age: DEFAULT_ARCHIVE_MAX_AGE,
        }
    }
}

impl Config {
    /// The settings with zeros replaced by defaults where asynq does so, or what is wrong.
    pub(super) fn checked(mut self) -> Result<Self> {
        if self.concurrency == 0 {
            self.concurrency = std::thread::available_parallelism().map_or(1, usize::from);
        }
        if self.concurrency > MAX_CONCURRENCY {
            return Err(Error::invalid(format!(
                "concurrency is {}, it must be at most {MAX_CONCURRENCY}",
                self.concurrency
            )));
        }
        if self.prefetch > MAX_CONCURRENCY {
            return Err(Error::invalid(format!(
                "prefetch is {}, it must be at most {MAX_CONCURRENCY}",
                self.prefetch
            )));
        }
        self.queues = super::queues::validate(&self.queues)?;
        let zero_means = [
            (&mut self.task_check_interval, DEFAULT_TASK_CHECK_INTERVAL),
            (
                &mut self.delayed_task_check_interval,
                DEFAULT_DELAYED_TASK_CHECK_INTERVAL,
            ),
            (&mut self.shutdown_timeout, DEFAULT_SHUTDOWN_TIMEOUT),
            (
                &mut self.health_check_interval,
                DEFAULT_HEALTH_CHECK_INTERVAL,
            ),
            (&mut self.janitor_interval, DEFAULT_JANITOR_INTERVAL),
        ];
        for (value, default) in zero_means {
            if value.is_zero() {
                *value = default;
            }
            // longer than any process lives
            *value = (*value).min(LONGEST_INTERVAL);
        }
        if self.janitor_batch_size == 0 {
            self.janitor_batch_size = DEFAULT_JANITOR_BATCH_SIZE;
        }
        if self.janitor_batch_size > MAX_JANITOR_BATCH_SIZE {
            return Err(Error::invalid(format!(
                "janitor_batch_size is {}, it must be at most {MAX_JANITOR_BATCH_SIZE}",
                self.janitor_batch_size
            )));
        }
        if self.archive_max_size == 0 {
            return Err(Error::invalid(
                "archive_max_size is 0, it must be at least 1",
            ));
        }
        if self.archive_max_age < Duration::from_secs(1) {
            return Err(Error::invalid(format!(
                "archive_max_age is {:?}, it must be at least 1s",
                self.archive_max_age
            )));
        }
        Ok(self)
    }

    pub(super) fn archive(&self) -> ArchiveLimits {
        ArchiveLimits {
            max_size: self.archive_max_size,
            max_age_secs: self.archive_max_age.as_secs(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_means_the_default() {
        let config = Config {
            task_check_interval: Duration::ZERO,
            shutdown_timeout: Duration::ZERO,
            janitor_batch_size: 0,
            ..Config::default()
        };
        let checked = config.checked().expect("zeros are fine");
        assert!(checked.concurrency >= 1);
        assert_eq!(checked.task_check_interval, DEFAULT_TASK_CHECK_INTERVAL);
        assert_eq!(checked.shutdown_timeout, DEFAULT_SHUTDOWN_TIMEOUT);
        assert_eq!(checked.janitor_batch_size, DEFAULT_JANITOR_BATCH_SIZE);
        assert_eq!(checked.queues, BTreeMap::from([("default".to_owned(), 1)]));
    }

    #[test]
    fn an_error_names_the_field_its_value_and_the_bound() {
        let config = Config {
            concurrency: 1 << 30,
            ..Config::default()
        };
        let error = config.checked().err().expect("too many").to_string();
        assert_eq!(
            error,
            "concurrency is 1073741824, it must be at most 1048576"
        );
    }
}
