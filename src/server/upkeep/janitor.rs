//! Deletes completed tasks whose retention has ended. asynq: `janitor`.

use std::sync::Arc;

use crate::background::Periodic;
use crate::broker::Broker;
use crate::error::Result;
use crate::server::queues::Queues;
use crate::server::wake::Wakeups;

pub(in crate::server) struct Janitor {
    pub(in crate::server) broker: Broker,
    pub(in crate::server) queues: Queues,
    pub(in crate::server) wakeups: Arc<Wakeups>,
    /// The most tasks that one call deletes.
    pub(in crate::server) batch_size: usize,
}

impl Periodic for Janitor {
    const NAME: &'static str = "janitor";
    /// How many tasks were deleted.
    type Done = u64;

    async fn pass(&mut self) -> Result<u64> {
        let mut deleted = 0;
        let mut first_error = None;
        let now_ms = self.broker.clock().now_unix_millis();
        for queue in self.queues.all() {
            if !self.wakeups.may_have_expired(queue.index, now_ms) {
                continue;
            }
            let expired = self.broker.expire_completed(&queue.keys, self.batch_size);
            match expired.await {
                Ok(tasks) => {
                    deleted += tasks;
                    self.wakeups.cleaned(queue.index);
                }
                Err(error) => {
                    tracing::debug!(queue = queue.name(), %error, "could not delete completed tasks");
                    first_error.get_or_insert(error);
                }
            }
        }
        first_error.map_or(Ok(deleted), Err)
    }
}
