//! Moves due tasks to *pending*, or into their groups. asynq: `forwarder`.
//!
//! While Redis notifies this server, each task is moved in the second in which it is due. Otherwise the due
//! tasks of all queues are moved at an interval.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::background::Service;
use crate::broker::Broker;
use crate::clock;
use crate::server::queues::Queues;
use crate::server::wake::Wakeups;

/// Each server adds a random delay below this one, because several servers wait for the same second.
const SPREAD_MS: u64 = 15;
/// The longest sleep. A sleep does not notice that Redis' clock was set, or that this machine was suspended.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);
/// The pause before a queue that could not be forwarded is tried again.
const FAILED_PAUSE_MS: i64 = 2_000;

pub(in crate::server) struct Forwarder {
    pub(in crate::server) broker: Broker,
    pub(in crate::server) queues: Queues,
    pub(in crate::server) wakeups: Arc<Wakeups>,
    pub(in crate::server) interval: Duration,
}

impl Service for Forwarder {
    const NAME: &'static str = "forwarder";

    async fn run(self, stop: CancellationToken) {
        let forward_forever = async {
            loop {
                if self.wakeups.is_tracking() {
                    self.forward_first_due().await;
                } else {
                    self.forward_all().await;
                }
            }
        };
        stop.run_until_cancelled(forward_forever).await;
    }
}

impl Forwarder {
    /// Waits for the task that is due first, and forwards its queue.
    async fn forward_first_due(&self) {
        let Some((queue, due_ms)) = self.wakeups.first_due() else {
            return self.wakeups.due_changed().await;
        };
        let now_ms = self.broker.clock().now_unix_millis();
        let spread_ms = clock::draw(0..SPREAD_MS) as i64;
        let left_ms = due_ms.saturating_add(spread_ms).saturating_sub(now_ms);
        if let Ok(left_ms @ 1..) = u64::try_from(left_ms) {
            let left = Duration::from_millis(left_ms).min(LONGEST_SLEEP);
            let _ = tokio::time::timeout(left, self.wakeups.due_changed()).await;
            return;
        }
        let keys = &self.queues.get(queue).keys;
        match self.broker.forward(keys).await {
            Ok(()) => self.wakeups.forwarded(queue),
            Err(error) => {
                tracing::warn!(queue = keys.queue(), %error, "could not forward due tasks, will be tried again");
                // Meanwhile the other queues are forwarded.
                let next_ms = now_ms.saturating_add(FAILED_PAUSE_MS);
                self.wakeups.set_due(queue, Some(next_ms));
            }
        }
    }

    /// Forwards all queues, then waits for the interval, or until tracking begins.
    async fn forward_all(&self) {
        for queue in self.queues.all() {
            // A queue that cannot be forwarded does not stop the others.
            if let Err(error) = self.broker.forward(&queue.keys).await {
                tracing::warn!(queue = queue.name(), %error, "could not forward due tasks, will be tried again");
            }
        }
        let _ = tokio::time::timeout(self.interval, self.wakeups.due_changed()).await;
    }
}
