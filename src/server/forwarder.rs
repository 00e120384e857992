//! Moves tasks that are due to pending: each at its second while the queues are watched, otherwise
//! at an interval.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use rand::Rng;
use tokio_util::sync::CancellationToken;

use super::queues::Queues;
use super::service::Backoff;
use super::wakeups::Wakeups;
use crate::broker::Broker;
use crate::error::Result;

/// Servers that wait for the same second spread over this time.
const SPREAD_MS: i64 = 15;
/// How long to wait for word of what is due next after what was due has been moved.
const WORD_PAUSE: Duration = Duration::from_millis(50);

/// asynq: `forwarder`.
pub(super) struct Forwarder {
    pub(super) broker: Broker,
    pub(super) queues: Queues,
    pub(super) wakeups: Arc<Wakeups>,
    pub(super) interval: Duration,
}

impl Forwarder {
    /// Forwards until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) {
        stop.run_until_cancelled(self.work()).await;
    }

    async fn work(&self) {
        let mut backoff = Backoff::new();
        loop {
            let result = if self.wakeups.is_watched() {
                self.forward_first_due().await
            } else {
                self.forward_all().await
            };
            match result {
                Ok(()) => backoff.reset(),
                Err(error) => {
                    tracing::warn!(%error, "could not forward due tasks, will be tried again");
                    tokio::time::sleep(backoff.pause()).await;
                }
            }
        }
    }

    /// Waits for the task that is due first and forwards its queue.
    async fn forward_first_due(&self) -> Result<()> {
        let Some((queue, at_ms)) = self.wakeups.first_due() else {
            self.wakeups.due_changed().await;
            return Ok(());
        };
        let spread = rand::rng().random_range(0..SPREAD_MS);
        let left_ms = at_ms + spread - Utc::now().timestamp_millis();
        if let Ok(left @ 1..) = u64::try_from(left_ms) {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(left)) => {}
                // something else may be due earlier now
                () = self.wakeups.due_changed() => return Ok(()),
            }
        }
        self.broker.forward(self.queues.get(queue)).await?;
        // the watcher sees the sets change and says what is due next
        let _ = tokio::time::timeout(WORD_PAUSE, self.wakeups.due_changed()).await;
        Ok(())
    }

    /// Forwards all queues, then waits for the interval or for watching to begin.
    async fn forward_all(&self) -> Result<()> {
        let mut first_error = Ok(());
        for queue in self.queues.all() {
            // one queue that cannot be forwarded does not stop the others
            if let Err(error) = self.broker.forward(queue).await {
                tracing::debug!(queue = queue.queue(), %error, "could not forward due tasks");
                first_error = first_error.and(Err(error));
            }
        }
        first_error?;
        let _ = tokio::time::timeout(self.interval, self.wakeups.due_changed()).await;
        Ok(())
    }
}
