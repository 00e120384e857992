//! Moves tasks that are due to pending.

use super::queues::Queues;
use super::service::Part;
use crate::broker::Broker;
use crate::error::Result;

/// asynq: `forwarder`.
pub(super) struct Forwarder {
    pub(super) broker: Broker,
    pub(super) queues: Queues,
}

impl Part for Forwarder {
    const NAME: &'static str = "forwarder";

    async fn run_once(&mut self) -> Result<()> {
        let mut first_error = Ok(());
        for queue in self.queues.all() {
            // one queue that cannot be forwarded does not stop the others
            if let Err(error) = self.broker.forward(queue).await {
                tracing::debug!(queue = queue.queue(), %error, "could not forward due tasks");
                first_error = first_error.and(Err(error));
            }
        }
        first_error
    }
}
