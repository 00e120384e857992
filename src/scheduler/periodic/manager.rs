//! [`PeriodicTaskManager`]: the builder of a periodic task manager.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::provider::{ConfigProvider, GuardedProvider};
use super::running::RunningPeriodicTaskManager;
use super::syncer::{Syncer, answer_time};
use crate::background::Signals;
use crate::error::{Error, Result};
use crate::scheduler::Scheduler;
use crate::scheduler::running::LONGEST_SHUTDOWN;

/// How often the provider is asked if nothing else is set: 3 min.
pub const DEFAULT_SYNC_INTERVAL: Duration = Duration::from_secs(3 * 60);
/// The longest sync interval, a day.
const MAX_SYNC_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// Runs a [`Scheduler`] whose entries come from a [`ConfigProvider`], and follow it while the program runs. asynq:
/// `PeriodicTaskManager`.
///
/// At each sync the manager asks the provider for all entries, registers those that are new, unregisters those
/// that are gone, and leaves the others alone. Two equal entries are two; entries that differ only in their headers
/// are two. Entries that were registered with the [`Scheduler`] itself are none of the manager's business.
///
/// An entry has *changed* if another one of its name takes its place, or, without names, if the only one of its type
/// and spec does. Entries of the same name take each other's places in order. A changed entry goes on where it was: `@every` keeps its phase, and a tick that was due is not
/// lost.
///
/// | what is wrong | at the start | later |
/// |---|---|---|
/// | the provider fails, panics, or does not answer | the start fails | logged; the entries stay as they are |
/// | an entry that no client could enqueue: a blank type, an invalid option | the start fails | logged; the entries stay as they are |
/// | a spec that does not parse | logged; the entry is left out | logged; the entry is left out, or stays as it was before |
/// | Redis refuses an entry, or does not answer | logged; tried again | logged; tried again |
///
/// ```no_run
/// # async fn example() -> rasynq::Result<()> {
/// use rasynq::{Connection, Entry, MemoryConfigs, PeriodicTaskManager, Scheduler, Task};
///
/// let redis = Connection::from_uri("redis://localhost")?;
/// let configs = MemoryConfigs::new([Entry::new("@hourly", Task::without_payload("report"))]);
/// let manager = PeriodicTaskManager::new(Scheduler::new(&redis), configs.clone()).start().await?;
///
/// configs.insert(Entry::new("@every 30s", Task::without_payload("feed:poll"))); // takes effect at once
/// manager.shutdown().await;
/// # Ok(()) }
/// ```
#[must_use = "a periodic task manager does nothing until it is run or started"]
pub struct PeriodicTaskManager {
    scheduler: Scheduler,
    provider: GuardedProvider,
    sync_interval: Duration,
}

impl PeriodicTaskManager {
    /// A manager of this scheduler's entries. asynq: `NewPeriodicTaskManager`.
    pub fn new(scheduler: Scheduler, provider: impl ConfigProvider) -> Self {
        Self {
            scheduler,
            provider: GuardedProvider::new(provider),
            sync_interval: Duration::ZERO,
        }
    }

    /// How often the provider is asked. It is also asked when it says that something has
    /// [changed](ConfigProvider::changed). Default, and the meaning of zero: 3 min. At most a day. asynq:
    /// `SyncInterval`.
    ///
    /// A provider that does not answer for longer than this (and longer than 30 s) counts as failed, at the start too.
    pub fn sync_interval(mut self, interval: Duration) -> Self {
        self.sync_interval = interval;
        self
    }

    /// Starts the manager and its scheduler, runs them until SIGTERM or SIGINT, and shuts them down. asynq: `Run`.
    ///
    /// Signals have the same effects as in [`Scheduler::run`].
    ///
    /// # Errors
    /// Those of [`start`](Self::start). [`ErrorKind::Internal`](crate::ErrorKind::Internal) if a part of the
    /// scheduler has panicked, so that the scheduler has shut down.
    ///
    /// # Cancel safety
    /// If the future is dropped, the scheduler shuts down as if its
    /// [`RunningPeriodicTaskManager`] were dropped.
    pub async fn run(self) -> Result<()> {
        // Listen before anything runs, so that an early signal counts.
        let signals = Signals::listen(LONGEST_SHUTDOWN)?;
        match signals.started(self.start()).await? {
            Some(running) => running.end_after(signals.shutdown()).await,
            None => Ok(()),
        }
    }

    /// Starts the manager and its scheduler, runs them until `until` completes, and shuts them down. It does not
    /// listen for signals of the operating system.
    ///
    /// # Errors
    /// Those of [`run`](Self::run).
    ///
    /// # Cancel safety
    /// That of [`run`](Self::run).
    pub async fn run_until(self, until: impl Future<Output = ()>) -> Result<()> {
        self.start().await?.end_after(until).await
    }

    /// Asks the provider, starts the scheduler, and returns once the entries are registered. Those that Redis refuses
    /// are logged and tried again in the background. asynq: `Start`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the provider fails (its error is the source) or does not
    /// answer in time, or for an entry or a setting that is not valid. Otherwise those of [`Scheduler::start`].
    ///
    /// # Cancel safety
    /// If the future is dropped before it completes, the scheduler shuts down.
    pub async fn start(self) -> Result<RunningPeriodicTaskManager> {
        let interval = match self.sync_interval {
            Duration::ZERO => DEFAULT_SYNC_INTERVAL,
            interval => interval,
        };
        if interval > MAX_SYNC_INTERVAL {
            return Err(Error::invalid(format!(
                "sync_interval is {interval:?}, it must be at most {MAX_SYNC_INTERVAL:?}"
            )));
        }
        let asking = self.provider.ask(answer_time(interval)).await;
        let wanted = asking.map_err(|failure| failure.error)?;
        let zone = self.scheduler.config.location;
        let scheduler = Arc::new(self.scheduler.start().await?);
        let mut syncer = Syncer::new(self.provider, Arc::clone(&scheduler), zone, interval);
        syncer.sync(wanted).await;
        Ok(RunningPeriodicTaskManager::new(scheduler, syncer))
    }
}
