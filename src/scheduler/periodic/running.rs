//! A running periodic task manager.

use std::future::Future;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::syncer::Syncer;
use crate::background::ServiceHandle;
use crate::error::Result;
use crate::scheduler::{EntryInfo, RunningScheduler};

/// A running [`PeriodicTaskManager`](super::PeriodicTaskManager).
///
/// If it is dropped before it has ended, its scheduler ends as a dropped [`RunningScheduler`] does.
#[must_use = "if it is dropped, the periodic task manager shuts down at once"]
pub struct RunningPeriodicTaskManager {
    scheduler: Arc<RunningScheduler>,
    stop: CancellationToken,
    /// Stops when it is dropped.
    _syncer: ServiceHandle,
}

impl RunningPeriodicTaskManager {
    pub(super) fn new(scheduler: Arc<RunningScheduler>, syncer: Syncer) -> Self {
        let stop = CancellationToken::new();
        // The syncer catches its panics, so nobody has to hear that it has failed.
        let failed = CancellationToken::new();
        Self {
            scheduler,
            _syncer: ServiceHandle::start(syncer, stop.clone(), failed),
            stop,
        }
    }

    /// The id of its scheduler: `host:pid:uuid`.
    pub fn id(&self) -> &str {
        self.scheduler.id()
    }

    /// The entries of its scheduler.
    pub fn entries(&self) -> Vec<EntryInfo> {
        self.scheduler.entries()
    }

    /// Whether its scheduler is the leader: see [`RunningScheduler::is_leader`].
    pub fn is_leader(&self) -> bool {
        self.scheduler.is_leader()
    }

    /// Makes no more syncs, shuts the scheduler down, and waits until it has ended. It does not wait for a provider
    /// that has not answered yet. asynq: `Shutdown`.
    ///
    /// # Cancel safety
    /// That of [`RunningScheduler::shutdown`].
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.scheduler.shutdown().await;
    }

    /// Waits until the scheduler has ended. This does not ask it to end.
    ///
    /// # Cancel safety
    /// If the future is dropped, nothing changes.
    pub async fn wait(&self) {
        self.scheduler.wait().await;
    }

    /// Checks that Redis answers: see [`RunningScheduler::ping`].
    ///
    /// # Errors
    /// Those of [`RunningScheduler::ping`].
    pub async fn ping(&self) -> Result<()> {
        self.scheduler.ping().await
    }

    /// Shuts down after `until`, or after the scheduler has ended by itself.
    pub(super) async fn end_after(self, until: impl Future<Output = ()>) -> Result<()> {
        tokio::select! {
            () = until => {}
            () = self.wait() => {}
        }
        self.shutdown().await;
        self.scheduler.result()
    }
}
