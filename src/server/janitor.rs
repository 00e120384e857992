//! Deletes completed tasks whose retention has ended.

use super::queues::Queues;
use super::service::Part;
use crate::broker::Broker;
use crate::error::Result;

/// asynq: `janitor`.
pub(super) struct Janitor {
    pub(super) broker: Broker,
    pub(super) queues: Queues,
    /// The most tasks that one script call deletes.
    pub(super) batch_size: usize,
}

impl Part for Janitor {
    const NAME: &'static str = "janitor";

    async fn run_once(&mut self) -> Result<()> {
        let mut first_error = Ok(());
        for queue in self.queues.all() {
            if let Err(error) = self.broker.expire_completed(queue, self.batch_size).await {
                tracing::debug!(queue = queue.queue(), %error, "could not delete completed tasks");
                first_error = first_error.and(Err(error));
            }
        }
        first_error
    }
}
