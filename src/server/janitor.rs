//! Deletes completed tasks whose retention has ended.

use std::sync::Arc;

use chrono::Utc;

use super::queues::Queues;
use super::service::Part;
use super::wakeups::Wakeups;
use crate::broker::Broker;
use crate::error::Result;

/// asynq: `janitor`.
pub(super) struct Janitor {
    pub(super) broker: Broker,
    pub(super) queues: Queues,
    pub(super) wakeups: Arc<Wakeups>,
    /// The most tasks that one script call deletes.
    pub(super) batch_size: usize,
}

impl Part for Janitor {
    const NAME: &'static str = "janitor";

    async fn run_once(&mut self) -> Result<()> {
        let mut first_error = Ok(());
        let now_ms = Utc::now().timestamp_millis();
        for (i, queue) in self.queues.all().enumerate() {
            if !self.wakeups.has_expired(i, now_ms) {
                continue;
            }
            match self.broker.expire_completed(queue, self.batch_size).await {
                Ok(_) => self.wakeups.cleaned(i),
                Err(error) => {
                    tracing::debug!(queue = queue.queue(), %error, "could not delete completed tasks");
                    first_error = first_error.and(Err(error));
                }
            }
        }
        first_error
    }
}
