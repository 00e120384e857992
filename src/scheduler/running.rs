//! A running scheduler: its entries, how it is asked to stop, and the order in which its parts end.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;

use super::core::Core;
use super::entry::Entry;
use super::entry_state::EntryLead;
use super::info::EntryInfo;
use crate::background::{ServiceHandle, Services};
use crate::broker::Str;
use crate::clock;
use crate::error::{Error, ErrorKind, Result, warn_unless_outage};

/// How long a shutdown after a signal may take in all, if the tokio runtime is not blocked.
pub(super) const LONGEST_SHUTDOWN: Duration = Duration::from_secs(20);
/// How long a shutdown waits for ticks in flight, and for hooks.
const LAST_TICKS: Duration = Duration::from_secs(3);
/// How long it takes after that to remove what shows the scheduler, if Redis does not answer.
const LAST_CALLS: Duration = Duration::from_secs(2);
/// The same after a start that has failed.
pub(super) const FAILED_START: Duration = Duration::from_secs(1);

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
    pub(super) core: Arc<Core>,
    /// Fires when the scheduler is asked to end.
    pub(super) shutdown: CancellationToken,
    /// Fires when a part of the scheduler has panicked.
    pub(super) failed: CancellationToken,
    /// Fires when the scheduler has ended.
    pub(super) ended: CancellationToken,
}

impl RunningScheduler {
    /// The id under which Redis lists this scheduler: `host:pid:uuid`.
    pub fn id(&self) -> &str {
        &self.core.id
    }

    /// Registers another entry, and returns its id. asynq: `Register`.
    ///
    /// It is listed in Redis when this returns, unless Redis is away: then its ticks fail until Redis is back.
    ///
    /// An entry that is registered twice is two entries: see [`Entry::name`].
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the entry is not valid,
    /// [`ErrorKind::Redis`](crate::ErrorKind::Redis) if Redis refuses the note of the entry,
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed) if the scheduler has ended.
    ///
    /// # Cancel safety
    /// If the future is dropped, the entry may be registered or not.
    pub async fn register(&self, entry: Entry) -> Result<String> {
        let mut ids = self.add(vec![entry]).await?;
        self.show_changes().await;
        ids.pop()
            .ok_or_else(|| Error::new(ErrorKind::Internal, "an entry has no id"))
    }

    /// Removes the entry with this id. A tick that is due is enqueued first, if Redis answers the first attempt. asynq:
    /// `Unregister`.
    ///
    /// If this scheduler leads the entry, its history is deleted, and what is known of its ticks is forgotten. Other
    /// schedulers that have the entry go on with its later ticks.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if there is no such entry,
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed) if the scheduler has ended.
    ///
    /// # Cancel safety
    /// If the future is dropped, the entry may be removed or not.
    pub async fn unregister(&self, id: &str) -> Result<()> {
        self.remove(id).await?;
        self.show_changes().await;
        Ok(())
    }

    /// Registers entries, and returns their ids in order. If this fails, none of them is
    /// registered. The list in Redis is left to [`show_changes`](Self::show_changes).
    pub(super) async fn add(&self, entries: Vec<Entry>) -> Result<Vec<String>> {
        let zone = self.core.location;
        let checked = entries.into_iter().map(|entry| entry.checked(zone));
        let checked = checked.collect::<Result<_>>()?;
        self.check_open()?;
        self.core.register(checked).await
    }

    /// Unregisters an entry. If this fails, the entry stays. The list in Redis is left to
    /// [`show_changes`](Self::show_changes).
    pub(super) async fn remove(&self, id: &str) -> Result<()> {
        self.check_open()?;
        self.core.unregister(id).await
    }

    /// Puts an entry in the place of the one with this id, for the periodic task manager, and returns its id. A tick of
    /// the old one that is due is enqueued first. The phase of `@every` is kept. If this fails, the old entry stays. The
    /// list in Redis is left to [`show_changes`](Self::show_changes).
    pub(super) async fn replace(&self, id: &str, entry: Entry) -> Result<String> {
        let entry = entry.checked(self.core.location)?;
        self.check_open()?;
        self.core.replace(id, entry).await
    }

    /// Learns which of the entries this scheduler leads, and lists them. What fails is left to the background, which
    /// logs it. Calls at the same time share one pass.
    pub(super) async fn show_changes(&self) {
        let core = &self.core;
        let change = core.changes.fetch_add(1, Ordering::AcqRel) + 1;
        let mut shown = core.shown.lock().await;
        if *shown >= change {
            return;
        }
        // Whoever has counted his change has made it before.
        let changes = core.changes.load(Ordering::Acquire);
        if core.show_change().await.is_err() {
            core.list_changed.notify_one();
        }
        *shown = changes;
    }

    /// The entries, in the order in which they were registered.
    pub fn entries(&self) -> Vec<EntryInfo> {
        self.core.entries.lock().infos(self.core.now_ms())
    }

    /// Whether this scheduler is the leader: the one that enqueues the ticks of all its entries. A scheduler that is
    /// not the leader enqueues those of entries that no other scheduler has. Without
    /// [leader election](crate::Scheduler::leader_election) every scheduler is one.
    pub fn is_leader(&self) -> bool {
        !self.ended.is_cancelled() && self.core.is_leader()
    }

    /// Shuts the scheduler down and waits until it has ended. Its list is removed from Redis, and the history of its
    /// entries too if no other scheduler is left. Another scheduler takes over within 1 s. asynq: `Shutdown`.
    ///
    /// If Redis does not answer, this takes up to 8 s.
    ///
    /// # Cancel safety
    /// The first poll makes the request. If the future is dropped later, the shutdown goes on. Call
    /// [`wait`](Self::wait) or `shutdown` again to wait for it.
    pub async fn shutdown(&self) {
        self.request_shutdown();
        self.wait().await;
    }

    /// Asks the scheduler to end, without waiting.
    pub(super) fn request_shutdown(&self) {
        self.shutdown.cancel();
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
        self.core.broker.ping().await
    }

    /// Runs until `until` completes, or until the scheduler has ended by itself, and shuts down.
    pub(super) async fn end_after(self, until: impl Future<Output = ()>) -> Result<()> {
        tokio::select! {
            () = until => {}
            () = self.wait() => {}
        }
        self.shutdown().await;
        self.result()
    }

    /// An error if a part of the scheduler has panicked.
    pub(super) fn result(&self) -> Result<()> {
        if self.failed.is_cancelled() {
            let text = "a part of the scheduler has panicked, so the scheduler has shut down";
            return Err(Error::new(ErrorKind::Internal, text));
        }
        Ok(())
    }

    fn check_open(&self) -> Result<()> {
        if self.shutdown.is_cancelled() || self.ended.is_cancelled() {
            return Err(Error::new(ErrorKind::Closed, "the scheduler was shut down"));
        }
        Ok(())
    }
}

impl Drop for RunningScheduler {
    fn drop(&mut self) {
        if !self.ended.is_cancelled() {
            tracing::warn!(
                scheduler_id = self.id(),
                "a running scheduler was dropped, shutting it down"
            );
            self.request_shutdown();
        }
    }
}

impl Core {
    /// Learns at once which entries this scheduler leads now, and lists them.
    pub(super) async fn show_change(&self) -> Result<()> {
        self.renew_leads().await?;
        self.write_list().await
    }

    /// From now on, this scheduler says that it leads nothing.
    fn lead_nothing(&self) {
        self.leads.lock().is_leader = false;
        let mut entries = self.entries.lock();
        for keyed in entries.all_keyed() {
            entries.set_lead(&keyed.key, EntryLead::Other);
        }
    }

    /// Gives up all entries, and removes what shows the scheduler. Registrations that are on their way end before,
    /// and later ones are refused: they would show it again.
    pub(super) async fn leave(&self) -> Result<()> {
        let _no_registration = self.registering.lock().await;
        let _no_pass = self.passing.lock().await;
        let _no_write = self.listing.lock().await;
        self.leads.lock().has_left = true;
        self.broker.check_open("remove the scheduler's list")?;
        let (keys, all) = {
            let entries = self.entries.lock();
            (entries.keys(), entries.all_keyed())
        };
        let others = match self.elects {
            true => self.broker.leave(&self.id, &keys).await?,
            false => {
                self.forget_notes().await?;
                0
            }
        };
        self.broker.clear_scheduler(&self.keys).await?;
        if others == 0 {
            let ids: Vec<Str> = all.iter().map(|keyed| keyed.id.clone().into()).collect();
            self.broker.delete_histories(&ids).await?;
        }
        Ok(())
    }
}

/// Owns the started parts of a scheduler, and ends them in order.
pub(super) struct SchedulerSupervisor {
    pub(super) core: Arc<Core>,
    pub(super) shutdown: CancellationToken,
    pub(super) ticker: ServiceHandle,
    pub(super) services: Services,
    pub(super) failed: CancellationToken,
    pub(super) ended: CancellationToken,
}

impl SchedulerSupervisor {
    /// Waits until a shutdown is asked for, and carries it out.
    pub(super) async fn run(mut self) {
        let _ended = self.ended.clone().drop_guard();
        let scheduler_id = self.core.id.as_str();
        tokio::select! {
            () = self.shutdown.cancelled() => {}
            () = self.failed.cancelled() => self.shutdown.cancel(),
        }
        tracing::info!(scheduler_id, "scheduler shutting down");
        self.core.broker.give_up_when_lost();
        // The lease is renewed until no tick is in flight.
        self.ticker.stop(clock::monotonic() + LAST_TICKS).await;
        // A hook that takes all that time does not keep the scheduler listed.
        let deadline = clock::monotonic() + LAST_CALLS;
        self.services.stop(deadline).await;
        let left = timeout_at(deadline, self.core.leave()).await;
        self.core.lead_nothing();
        match left {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                warn_unless_outage!(error, scheduler_id, %error, "could not remove the scheduler's list, it will expire");
            }
            Err(_) => {
                tracing::warn!(
                    scheduler_id,
                    "the scheduler's list could not be removed in time, it will expire"
                );
            }
        }
        self.core.broker.close().await;
        tracing::info!(scheduler_id, "scheduler shut down");
    }
}

#[cfg(test)]
#[path = "running_tests.rs"]
mod tests;
