//! Moves tasks that are due to pending: each at its second while the queues are watched, otherwise
//! at an interval.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use rand::Rng;
use tokio_util::sync::CancellationToken;

use super::queues::Queues;
use super::wakeups::Wakeups;
use crate::broker::Broker;

/// Servers that wait for the same second spread over this time.
const SPREAD_MS: i64 = 15;
/// The longest sleep by a clock that does not notice when ours is set, or the machine stood still.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);
/// How long to leave a queue alone that could not be forwarded.
const FAILED_PAUSE_MS: i64 = 2_000;

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
        loop {
            if self.wakeups.is_watched() {
                self.forward_first_due().await;
            } else {
                self.forward_all().await;
            }
        }
    }

    /// Waits for the task that is due first and forwards its queue.
    async fn forward_first_due(&self) {
        let Some((queue, at_ms)) = self.wakeups.first_due() else {
            return self.wakeups.due_changed().await;
        };
        let spread = rand::rng().random_range(0..SPREAD_MS);
        let now_ms = Utc::now().timestamp_millis();
        let left_ms = at_ms.saturating_add(spread).saturating_sub(now_ms);
        if let Ok(left @ 1..) = u64::try_from(left_ms) {
            tokio::select! {
                // now and then our clock is asked again, which may have been set
                () = tokio::time::sleep(Duration::from_millis(left).min(LONGEST_SLEEP)) => {}
                // something else may be due earlier now
                () = self.wakeups.due_changed() => {}
            }
            return;
        }
        let keys = self.queues.get(queue);
        match self.broker.forward(keys).await {
            Ok(()) => self.wakeups.forwarded(queue),
            Err(error) => {
                tracing::warn!(queue = keys.queue(), %error, "could not forward due tasks, will be tried again");
                // the others go on
                self.wakeups
                    .set_due(queue, Some(now_ms.saturating_add(FAILED_PAUSE_MS)));
            }
        }
    }

    /// Forwards all queues, then waits for the interval or for watching to begin.
    async fn forward_all(&self) {
        for queue in self.queues.all() {
            // one queue that cannot be forwarded does not stop the others
            if let Err(error) = self.broker.forward(queue).await {
                tracing::warn!(queue = queue.queue(), %error, "could not forward due tasks, will be tried again");
            }
        }
        let _ = tokio::time::timeout(self.interval, self.wakeups.due_changed()).await;
    }
}
