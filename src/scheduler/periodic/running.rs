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

impl Drop for RunningPeriodicTaskManager {
    fn drop(&mut self) {
        // The syncer may hold the scheduler a little longer.
        self.scheduler.request_shutdown();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono_tz::Tz;
    use tokio::time::timeout;

    use super::*;
    use crate::connection::Connection;
    use crate::scheduler::Scheduler;
    use crate::scheduler::periodic::MemoryConfigs;
    use crate::scheduler::periodic::provider::GuardedProvider;
    use crate::test_support::RedisServer;

    #[tokio::test]
    async fn a_dropped_manager_shuts_down_although_its_syncer_still_holds_the_scheduler() {
        let redis = RedisServer::start().await;
        let connection = Connection::from_uri(&redis.uri()).expect("a URI");
        let scheduler = Scheduler::new(&connection).start().await.expect("started");
        let scheduler = Arc::new(scheduler);
        let provider = GuardedProvider::new(MemoryConfigs::new([]));
        let interval = Duration::from_secs(60);
        let syncer = Syncer::new(provider, Arc::clone(&scheduler), Tz::UTC, interval);
        drop(RunningPeriodicTaskManager::new(
            Arc::clone(&scheduler),
            syncer,
        ));
        let ended = timeout(Duration::from_secs(5), scheduler.wait()).await;
        ended.expect("it has ended");
    }
}
