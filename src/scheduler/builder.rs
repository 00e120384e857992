//! [`Scheduler`]: the builder of a scheduler. It has the settings and the entries, and starts the scheduler.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;

use super::config::SchedulerConfig;
use super::entry::Entry;
use super::info::EntryInfo;
use super::running::{LONGEST_SHUTDOWN, RunningScheduler};
use super::start;
use crate::background::Signals;
use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::task::TaskInfo;

/// The builder of a scheduler: set its options, register entries, then start it with [`run`](Self::run),
/// [`run_until`](Self::run_until) or [`start`](Self::start).
///
/// A scheduler enqueues the task of each [`Entry`] at each of its ticks. Several schedulers may have the same
/// entries, in one process or in many: they elect a leader, and each tick is enqueued once. If the leader dies,
/// another scheduler takes over within 4 s. asynq: `Scheduler`, `SchedulerOpts`.
///
/// ```no_run
/// # async fn example() -> rasynq::Result<()> {
/// use rasynq::{Connection, Entry, Scheduler, Task};
///
/// let redis = Connection::from_uri("redis://localhost")?;
/// Scheduler::new(&redis)
///     .location(rasynq::Tz::Europe__Berlin)
///     .register(Entry::new("0 6 * * 1-5", Task::without_payload("report:daily")).queue("low"))
///     .register(Entry::new("@every 30s", Task::without_payload("feed:poll")))
///     .run()
///     .await?; // until SIGTERM or SIGINT
/// # Ok(()) }
/// ```
#[must_use = "a scheduler does nothing until it is run or started"]
pub struct Scheduler {
    connection: Connection,
    pub(super) config: SchedulerConfig,
    entries: Vec<Entry>,
}

impl Scheduler {
    /// Creates the builder of a scheduler on this Redis, with asynq's defaults.
    pub fn new(connection: &Connection) -> Self {
        Self {
            connection: connection.clone(),
            config: SchedulerConfig::default(),
            entries: Vec::new(),
        }
    }

    /// The time zone in which specs are read that do not name one. Default: UTC. asynq: `Location`.
    pub fn location(mut self, zone: Tz) -> Self {
        self.config.location = zone;
        self
    }

    /// How often the scheduler writes its list of entries, which asynqmon shows. It is also written at the start and
    /// after each change, and expires after two intervals. Default, and the meaning of zero: 10 s. From 1 s to a
    /// day. asynq: `HeartbeatInterval`.
    pub fn heartbeat_interval(mut self, interval: Duration) -> Self {
        self.config.heartbeat_interval = interval;
        self
    }

    /// Whether schedulers with the same entries agree who enqueues a tick. Default: yes.
    ///
    /// Without it this scheduler enqueues every tick of its entries, whatever others do: two such schedulers enqueue
    /// everything twice, as asynq's do. Its entries then have no past: `@every` counts from the start, and
    /// [`Missed::Once`](crate::Missed::Once) has no effect.
    pub fn leader_election(mut self, elect: bool) -> Self {
        self.config.leader_election = elect;
        self
    }

    /// A function that is called at each tick before its task is enqueued. A tick that is tried again calls it once.
    /// It should return soon. If it panics, this is logged and the task is enqueued. asynq: `PreEnqueueFunc`.
    pub fn before_enqueue(mut self, hook: impl Fn(&EntryInfo) + Send + Sync + 'static) -> Self {
        self.config.before_enqueue = Some(Arc::new(hook));
        self
    }

    /// A function that is called when the task of a tick was enqueued, with its info, or could not be enqueued, with
    /// the error. asynq: `PostEnqueueFunc`, `EnqueueErrorHandler`. If another scheduler has enqueued the tick, it is not
    /// called.
    ///
    /// A tick that fails because Redis is away, or refuses the task, is tried again until the next tick of the entry.
    /// It calls the function once with the first error, and once more when it succeeds. A duplicate of a unique task
    /// and a conflicting task id are not tried again. The function should return soon. If it panics, this is logged.
    pub fn after_enqueue(
        mut self,
        hook: impl Fn(&EntryInfo, Result<&TaskInfo, &Error>) + Send + Sync + 'static,
    ) -> Self {
        self.config.after_enqueue = Some(Arc::new(hook));
        self
    }

    /// Adds an entry. If it is not valid, this is an error of [`start`](Self::start). More entries may be registered
    /// with a [`RunningScheduler`]. asynq: `Register`.
    ///
    /// An entry that is registered twice is two entries: see [`Entry::name`].
    pub fn register(mut self, entry: Entry) -> Self {
        self.entries.push(entry);
        self
    }

    /// Starts the scheduler, runs it until SIGTERM or SIGINT, and shuts it down. SIGTSTP has no effect. asynq:
    /// `Run`.
    ///
    /// A second SIGTERM or SIGINT during the shutdown, and a shutdown that takes longer than 20 s, end the process as
    /// described at [`Server::serve`](crate::Server::serve). To handle signals yourself, use
    /// [`run_until`](Self::run_until).
    ///
    /// # Errors
    /// Those of [`start`](Self::start). [`ErrorKind::Internal`](crate::ErrorKind::Internal) if a part of the
    /// scheduler has panicked, so that the scheduler has shut down.
    ///
    /// # Cancel safety
    /// If the future is dropped, the scheduler shuts down as if its [`RunningScheduler`] were dropped.
    pub async fn run(self) -> Result<()> {
        // Listen before anything runs, so that an early signal counts.
        let signals = Signals::listen(LONGEST_SHUTDOWN)?;
        match signals.started(self.start()).await? {
            Some(running) => running.end_after(signals.shutdown()).await,
            None => Ok(()),
        }
    }

    /// Starts the scheduler, runs it until `until` completes, and shuts it down. It does not listen for signals of
    /// the operating system.
    ///
    /// # Errors
    /// Those of [`run`](Self::run).
    ///
    /// # Cancel safety
    /// If the future is dropped, the scheduler shuts down as if its [`RunningScheduler`] were dropped.
    pub async fn run_until(self, until: impl Future<Output = ()>) -> Result<()> {
        self.start().await?.end_after(until).await
    }

    /// Starts the scheduler and returns once its entries are registered and listed in Redis. asynq: `Start`.
    ///
    /// If a single server does not answer, the scheduler starts without it, as asynq's does: its ticks fail until Redis
    /// answers. The version of Redis is then checked when it is reached, and one that is too old is an error in the log. A
    /// server or a proxy without the command `HELLO` is not reached in this way.
    ///
    /// # Errors
    /// - [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for a wrong setting or entry. The error names the entry.
    /// - [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if a cluster or a sentinel cannot be reached.
    /// - [`ErrorKind::Redis`](crate::ErrorKind::Redis) if Redis refuses the connection or a command.
    /// - [`ErrorKind::UnsupportedRedis`](crate::ErrorKind::UnsupportedRedis) if Redis is too old.
    ///
    /// # Cancel safety
    /// If the future is dropped before it completes, no task has been enqueued. What was written to Redis expires.
    pub async fn start(self) -> Result<RunningScheduler> {
        let config = self.config.checked()?;
        let zone = config.location;
        let entries = self.entries.into_iter().map(|entry| entry.checked(zone));
        let entries = entries.collect::<Result<_>>()?;
        start(&self.connection, config, entries).await
    }
}
