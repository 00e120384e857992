//! A running scheduler: its entries, and how it is asked to stop.

use std::future::Future;
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::config::SchedulerConfig;
use super::entry::{CheckedEntry, Entry};
use super::info::EntryInfo;
use crate::broker::Broker;
use crate::clock::Uuids;
use crate::error::{Error, Result};

/// How long a shutdown after a signal may take in all, if the tokio runtime is not blocked.
pub(super) const LONGEST_SHUTDOWN: Duration = Duration::from_secs(20);

/// A running scheduler. It ends in the background, on the runtime on which it was started.
///
/// If it is dropped before the scheduler has ended, a warning is logged and the scheduler shuts down. If the
/// runtime ends before the scheduler, this is like a crash: another scheduler takes over within 4 s.
///
/// ```no_run
/// # async fn example() -> rasynq::Result<()> {
/// # use rasynq::{Connection, Entry, Scheduler, Task};
/// let redis = Connection::from_uri("redis://localhost")?;
/// let scheduler = Scheduler::new(&redis).start().await?;
/// let id = scheduler.register(Entry::new("@every 30s", Task::without_payload("feed:poll"))).await?;
/// // … until the entry is not wanted any more
/// scheduler.unregister(&id).await?;
/// scheduler.shutdown().await;
/// # Ok(()) }
/// ```
#[must_use = "if it is dropped, the scheduler shuts down"]
pub struct RunningScheduler {
    id: String,
    broker: Broker,
    config: SchedulerConfig,
    entries: Mutex<Vec<(String, CheckedEntry)>>,
    ended: CancellationToken,
}

impl RunningScheduler {
    pub(super) fn new(broker: Broker, config: SchedulerConfig, entries: Vec<CheckedEntry>) -> Self {
        // COMPAT: asynq v0.26.0 uses the same name where the host has none
        let host = hostname::get().unwrap_or_else(|_| "unknown-host".into());
        let (host, pid) = (host.to_string_lossy(), std::process::id());
        let entries = entries
            .into_iter()
            .map(|entry| (entry.key.entry_id(), entry))
            .collect();
        Self {
            id: format!("{host}:{pid}:{}", Uuids::new().next()),
            broker,
            config,
            entries: Mutex::new(entries),
            ended: CancellationToken::new(),
        }
    }

    /// The id under which Redis lists this scheduler: `host:pid:uuid`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Registers another entry, and returns its id. It is listed in Redis when this returns. asynq: `Register`.
    ///
    /// An entry that is registered twice is two entries.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the entry is not valid,
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if Redis does not answer,
    /// [`ErrorKind::Redis`](crate::ErrorKind::Redis) if it answers with an error,
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed) if the scheduler has ended.
    ///
    /// # Cancel safety
    /// If the future is dropped, the entry may be registered or not.
    pub async fn register(&self, entry: Entry) -> Result<String> {
        let entry = entry.checked(self.config.location)?;
        let id = entry.key.entry_id();
        self.entries.lock().push((id.clone(), entry));
        Ok(id)
    }

    /// Removes the entry with this id. A tick that is due is enqueued first. asynq: `Unregister`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if there is no such entry.
    ///
    /// # Cancel safety
    /// If the future is dropped, the entry may be removed or not.
    pub async fn unregister(&self, id: &str) -> Result<()> {
        let mut entries = self.entries.lock();
        let Some(at) = entries.iter().position(|(other, _)| other == id) else {
            return Err(Error::invalid(format!(
                "no scheduler entry has the id {id:?}"
            )));
        };
        entries.remove(at);
        Ok(())
    }

    /// Replaces the entry with this id, and returns the id of the new one. A tick that is due is enqueued first, and
    /// the new entry has the phase and the last tick of the old one. After an error, the old entry is still there.
    pub(super) async fn replace(&self, id: &str, entry: Entry) -> Result<String> {
        self.unregister(id).await?;
        self.register(entry).await
    }

    /// The entries, in the order in which they were registered.
    pub fn entries(&self) -> Vec<EntryInfo> {
        let entries = self.entries.lock();
        let infos = entries.iter().map(|(id, entry)| EntryInfo {
            id: id.clone(),
            name: entry.name.clone(),
            spec: entry.schedule.spec().to_owned(),
            task_type: entry.task.task_type().to_owned(),
            payload: entry.task.payload_bytes(),
            options: entry.printed_options.clone(),
            next: entry
                .schedule
                .next_after(self.broker.clock().now(), entry.zone),
            previous: None,
            is_led: false,
        });
        infos.collect()
    }

    /// Whether this scheduler is the leader: the one that enqueues the ticks of all its entries. A scheduler that is
    /// not the leader enqueues those of entries that no other scheduler has. Without
    /// [leader election](crate::Scheduler::leader_election) every scheduler is one.
    pub fn is_leader(&self) -> bool {
        !self.config.leader_election
    }

    /// Shuts the scheduler down and waits until it has ended: its list and the history of its entries are removed
    /// from Redis. Another scheduler takes over at once. asynq: `Shutdown`.
    ///
    /// If Redis does not answer, this takes up to 10 s.
    ///
    /// # Cancel safety
    /// The first poll makes the request. If the future is dropped later, the shutdown goes on. Call
    /// [`wait`](Self::wait) or `shutdown` again to wait for it.
    pub async fn shutdown(&self) {
        self.ended.cancel();
        self.wait().await;
        self.broker.close().await;
    }

    /// Waits until the scheduler has ended. This does not ask it to end.
    ///
    /// A scheduler ends by itself only if one of its parts panics, which is a defect of rasynq or of the program's
    /// tracing subscriber. The panic is logged, and the scheduler ends as after [`shutdown`](Self::shutdown).
    ///
    /// # Cancel safety
    /// If the future is dropped, nothing changes.
    pub async fn wait(&self) {
        self.ended.cancelled().await;
    }

    /// Checks that Redis answers. asynq: `Ping`.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if Redis does not answer,
    /// [`ErrorKind::Redis`](crate::ErrorKind::Redis) if it answers with an error,
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed) if the scheduler has ended.
    ///
    /// # Cancel safety
    /// If the future is dropped, nothing changes.
    pub async fn ping(&self) -> Result<()> {
        self.broker.ping().await
    }

    /// An error if a part of the scheduler has panicked.
    pub(super) fn result(&self) -> Result<()> {
        Ok(())
    }

    /// Runs until `until` completes, or until the scheduler has ended by itself, and shuts down.
    pub(super) async fn end_after(self, until: impl Future<Output = ()>) -> Result<()> {
        tokio::select! {
            () = until => {}
            () = self.wait() => {}
        }
        self.shutdown().await;
        Ok(())
    }
}
