//! A server at work, and its end.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::heartbeater::Heartbeater;
use super::status::{Identity, Status};
use crate::broker::Broker;
use crate::error::Result;

/// What stops what, in the order in which a shutdown does it.
#[derive(Default)]
pub(super) struct Stop {
    pub(super) fetching: CancellationToken,
    pub(super) beginning: CancellationToken,
    pub(super) abort: CancellationToken,
    pub(super) parts: CancellationToken,
    pub(super) heart: CancellationToken,
}

/// A server at work. Dropped without [`shutdown`](Self::shutdown), it ends at once and leaves its
/// tasks to their leases, as a crash would.
#[must_use = "dropped, the server ends at once as in a crash"]
pub struct RunningServer {
    pub(super) broker: Broker,
    pub(super) identity: Arc<Identity>,
    pub(super) status: Arc<Status>,
    pub(super) workers: TaskTracker,
    pub(super) shutdown_timeout: Duration,
    pub(super) stop: Stop,
    pub(super) processor: JoinHandle<()>,
    pub(super) syncer: JoinHandle<()>,
    pub(super) heartbeater: JoinHandle<Heartbeater>,
    pub(super) parts: Vec<JoinHandle<()>>,
}

/// How long a shutdown, once its handlers have ended, goes on with a Redis that does not listen.
const LAST_WORDS: Duration = Duration::from_secs(5);

impl RunningServer {
    /// The id under which asynqmon shows this server.
    pub fn server_id(&self) -> &str {
        &self.identity.server_id
    }

    /// Stops fetching tasks; those that run go on. Calling it again has no effect. asynq: `Stop`.
    pub fn stop(&self) {
        if !self.stop.fetching.is_cancelled() {
            tracing::info!(server_id = self.server_id(), "fetches no more tasks");
            self.status.set_stopped();
            self.stop.fetching.cancel();
        }
    }

    /// Asks Redis for a sign of life. asynq: `Ping`.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) where Redis does not answer,
    /// [`ErrorKind::Redis`](crate::ErrorKind::Redis) where it answers with an error.
    ///
    /// # Cancel safety
    /// Changes nothing; may be dropped at any time.
    pub async fn ping(&self) -> Result<()> {
        self.broker.ping().await
    }

    /// Shuts the server down: fetches no more, waits up to the shutdown timeout for running
    /// handlers, gives the tasks of the others back as next in their queues, tells Redis the rest
    /// and disconnects. asynq: `Shutdown`.
    ///
    /// A Redis that does not listen holds it up for another 7 s at most. A blocking handler that
    /// does not return is left behind: its task has been given back.
    ///
    /// It cannot fail; what Redis could not be told is in the log, and comes back through leases.
    ///
    /// # Cancel safety
    /// Not safe: dropped half-way, the server ends at once, as in a crash. What was running is run
    /// again after its lease.
    pub async fn shutdown(mut self) {
        tracing::info!(server_id = self.server_id(), "shutting down");
        self.stop();
        self.stop.beginning.cancel();
        self.workers.close();
        let finished = async {
            let _ = (&mut self.processor).await;
            self.workers.wait().await;
        };
        if tokio::time::timeout(self.shutdown_timeout, finished)
            .await
            .is_err()
        {
            self.stop.abort.cancel();
            self.workers.wait().await;
            self.processor.abort();
        }
        let last = Instant::now() + LAST_WORDS;
        // with the last worker and the processor went the inlet: the syncer ends once all is told
        if timeout_at(last, &mut self.syncer).await.is_err() {
            tracing::error!("Redis was not told how some tasks ended, their leases will expire");
            self.syncer.abort();
        }
        self.stop.parts.cancel();
        let parts = futures_util::future::join_all(self.parts.iter_mut());
        if timeout_at(last, parts).await.is_err() {
            self.parts.iter().for_each(JoinHandle::abort);
        }
        self.status.set_closed();
        self.stop.heart.cancel();
        if let Ok(heartbeater) = (&mut self.heartbeater).await
            && let Ok(Err(error)) = timeout_at(last, heartbeater.clear()).await
        {
            tracing::warn!(%error, "could not remove the server's state, it will expire");
        }
        self.broker.close().await;
        tracing::info!(server_id = self.identity.server_id, "shut down");
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        // owned tasks do not outlive their owner
        self.stop.fetching.cancel();
        self.stop.beginning.cancel();
        self.stop.abort.cancel();
        self.stop.parts.cancel();
        self.stop.heart.cancel();
        self.syncer.abort();
    }
}
