//! The settings of a server, with asynq's names and defaults.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::aggregate::GroupSettings;
use crate::broker::{ArchiveLimits, DEFAULT_ARCHIVE_MAX_AGE, DEFAULT_ARCHIVE_MAX_SIZE};
use crate::error::{Error, Result};
use crate::retry_delay::RetryDelay;
use crate::run::TaskContext;
use crate::task::Task;

/// The average polling interval while all queues are empty. It applies only while Redis cannot notify
/// the server.
pub const DEFAULT_TASK_CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// The polling interval for due tasks in scheduled and retry. It applies only while Redis cannot notify
/// the server.
pub const DEFAULT_DELAYED_TASK_CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// How long a shutdown waits for running handlers.
pub const DEFAULT_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(8);
/// The interval of health checks.
pub const DEFAULT_HEALTH_CHECK_INTERVAL: Duration = Duration::from_secs(15);
/// The interval at which completed tasks whose retention has ended are deleted.
pub const DEFAULT_JANITOR_INTERVAL: Duration = Duration::from_secs(8);
/// How many completed tasks one call deletes at most.
pub const DEFAULT_JANITOR_BATCH_SIZE: usize = 100;
/// How long a cancelled handler may take to answer.
pub const DEFAULT_CANCEL_GRACE: Duration = Duration::from_secs(1);
/// How many runs of a task may be lost in a row.
pub const DEFAULT_MAX_LOST_RUNS: u32 = 5;
/// The highest concurrency of one server.
const MAX_CONCURRENCY: usize = 1 << 20;
/// The highest setting of `janitor_batch_size`.
const MAX_JANITOR_BATCH_SIZE: usize = 10_000;
/// The longest interval, a year. A longer setting is cut to it.
const LONGEST_INTERVAL: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The interval of heartbeats. asynq has no setting for it either.
pub(super) const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);
/// The interval at which tasks whose leases have expired are recovered. asynq has no setting for it either.
pub(super) const RECOVER_INTERVAL: Duration = Duration::from_secs(60);
/// How often the looks for servers that are gone may come.
pub(super) const GONE_SERVERS_INTERVAL: Duration = Duration::from_secs(1);

pub(super) type HealthCheck = Arc<dyn Fn(Result<()>) + Send + Sync>;
pub(super) type IsFailure = Arc<dyn Fn(&anyhow::Error) -> bool + Send + Sync>;
pub(super) type ErrorHandler = Arc<dyn Fn(&TaskContext, &Task, &anyhow::Error) + Send + Sync>;

/// What happens to a task without a registered handler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnknownType {
    /// The run fails: the task is retried, and archived when no retry is left. This is the default,
    /// and asynq's behaviour.
    #[default]
    Fail,
    /// The task is scheduled again, uncounted, so that a server with a handler for it can run it.
    Defer {
        /// How long until the task is due again, in whole seconds (fractions are cut). At least 1 s:
        /// the server would do nothing but fetch the task and put it back.
        after: Duration,
    },
    /// The task is archived at once.
    Archive,
}

/// What happens to a cancelled task whose handler does not answer within the
/// [grace period](crate::Server::cancel_grace), or to any task whose handler returns the error
/// [`RunEnded::Canceled`](crate::RunEnded). Another answer or error of the handler decides as usual.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CancelPolicy {
    /// The run fails: the task is retried, and archived when no retry is left. This is the default,
    /// and asynq's behaviour.
    #[default]
    Fail,
    /// The task is archived at once.
    Archive,
    /// The task is revoked: it is deleted, and neither retried nor archived.
    Revoke,
}

/// What happens to a task whose server has disappeared: its lease has expired, or its process has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LostLease {
    /// The lost run counts as a failure: the task is retried, and archived when no retry is left. This
    /// is the default, and asynq's behaviour.
    #[default]
    Fail,
    /// The task is due again at once, uncounted, even if no retry is left.
    Defer,
}

/// All settings of a server.
#[derive(Clone)]
pub(super) struct Config {
    pub(super) concurrency: usize,
    pub(super) prefetch: usize,
    pub(super) queues: BTreeMap<String, u32>,
    /// A queue that was added twice.
    pub(super) repeated_queue: Option<String>,
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
    pub(super) max_lost_runs: u32,
    pub(super) archive_max_size: u64,
    pub(super) archive_max_age: Duration,
    pub(super) groups: GroupSettings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            concurrency: 0,
            prefetch: 0,
            queues: BTreeMap::new(),
            repeated_queue: None,
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
            max_lost_runs: DEFAULT_MAX_LOST_RUNS,
            archive_max_size: DEFAULT_ARCHIVE_MAX_SIZE,
            archive_max_age: DEFAULT_ARCHIVE_MAX_AGE,
            groups: GroupSettings::default(),
        }
    }
}

impl Config {
    /// Checks the settings, and replaces zeros by defaults where asynq does so.
    pub(super) fn checked(mut self) -> Result<Self> {
        if self.concurrency == 0 {
            self.concurrency = std::thread::available_parallelism().map_or(1, usize::from);
        }
        if self.janitor_batch_size == 0 {
            self.janitor_batch_size = DEFAULT_JANITOR_BATCH_SIZE;
        }
        for (name, value, most) in [
            ("concurrency", self.concurrency, MAX_CONCURRENCY),
            ("prefetch", self.prefetch, MAX_CONCURRENCY),
            (
                "janitor_batch_size",
                self.janitor_batch_size,
                MAX_JANITOR_BATCH_SIZE,
            ),
        ] {
            if value > most {
                let text = format!("{name} is {value}, it must be at most {most}");
                return Err(Error::invalid(text));
            }
        }
        if let Some(name) = self.repeated_queue {
            let text = format!("queue {name:?} is added twice, it can have one weight");
            return Err(Error::invalid(text));
        }
        self.queues = super::queues::validate(&self.queues)?;
        self.groups = self.groups.checked(&self.queues)?;
        self.bound_intervals();
        if self.strict_priority && self.weights_are_equal() {
            tracing::warn!(
                "strict_priority has no effect: no queue has a higher weight than another"
            );
        }
        if self.health_check.is_none()
            && self.health_check_interval != DEFAULT_HEALTH_CHECK_INTERVAL
        {
            tracing::warn!("health_check_interval has no effect without a health_check");
        }
        if let UnknownType::Defer { after } = self.unknown_type
            && after < Duration::from_secs(1)
        {
            let text = format!("unknown_type defers for {after:?}, it must be at least 1s");
            return Err(Error::invalid(text));
        }
        if self.max_lost_runs == 0 {
            let text = "max_lost_runs is 0, it must be at least 1";
            return Err(Error::invalid(text));
        }
        if self.archive_max_size == 0 {
            let text = "archive_max_size is 0, it must be at least 1";
            return Err(Error::invalid(text));
        }
        if self.archive_max_age < Duration::from_secs(1) {
            let age = self.archive_max_age;
            let text = format!("archive_max_age is {age:?}, it must be at least 1s");
            return Err(Error::invalid(text));
        }
        Ok(self)
    }

    pub(super) fn archive_limits(&self) -> ArchiveLimits {
        ArchiveLimits {
            max_size: self.archive_max_size,
            max_age_secs: self.archive_max_age.as_secs(),
        }
    }

    fn weights_are_equal(&self) -> bool {
        let mut weights = self.queues.values();
        let first = weights.next();
        weights.all(|weight| Some(weight) == first)
    }

    /// Replaces intervals of zero by their defaults, and cuts those that are too long.
    fn bound_intervals(&mut self) {
        for (interval, default) in [
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
        ] {
            if interval.is_zero() {
                *interval = default;
            }
            *interval = (*interval).min(LONGEST_INTERVAL);
        }
        // Zero means none.
        self.cancel_grace = self.cancel_grace.min(LONGEST_INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_means_the_default_and_no_time_is_longer_than_a_year() {
        let config = Config {
            task_check_interval: Duration::ZERO,
            shutdown_timeout: Duration::ZERO,
            janitor_batch_size: 0,
            cancel_grace: Duration::MAX,
            ..Config::default()
        };
        let checked = config.checked().expect("zeros are fine");
        assert_eq!(checked.cancel_grace, LONGEST_INTERVAL);
        assert!(checked.concurrency >= 1);
        assert_eq!(checked.task_check_interval, DEFAULT_TASK_CHECK_INTERVAL);
        assert_eq!(checked.shutdown_timeout, DEFAULT_SHUTDOWN_TIMEOUT);
        assert_eq!(checked.janitor_batch_size, DEFAULT_JANITOR_BATCH_SIZE);
        assert_eq!(checked.queues, BTreeMap::from([("default".to_owned(), 1)]));
    }

    #[test]
    fn a_queue_that_is_added_twice_or_a_pause_of_nothing_is_refused() {
        let twice = Config {
            repeated_queue: Some("mail".to_owned()),
            ..Config::default()
        };
        let spinning = Config {
            unknown_type: UnknownType::Defer {
                after: Duration::from_millis(999),
            },
            ..Config::default()
        };
        for (config, text) in [
            (
                twice,
                "queue \"mail\" is added twice, it can have one weight",
            ),
            (
                spinning,
                "unknown_type defers for 999ms, it must be at least 1s",
            ),
        ] {
            let error = config.checked().err().expect("it is refused");
            assert_eq!(error.to_string(), text);
        }
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
