//! Deletes completed tasks whose retention has ended. asynq: `janitor`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::background::{Periodic, Turns};
use crate::broker::Broker;
use crate::clock;
use crate::error::Result;
use crate::server::queues::Queues;
use crate::server::wake::Wakeups;

/// How many calls are in flight at once.
const MAX_CALLS: usize = 16;

pub(in crate::server) struct Janitor {
    pub(in crate::server) broker: Broker,
    pub(in crate::server) queues: Queues,
    pub(in crate::server) wakeups: Arc<Wakeups>,
    pub(in crate::server) interval: Duration,
    /// The most tasks that one call deletes.
    pub(in crate::server) batch_size: usize,
}

impl Periodic for Janitor {
    const NAME: &'static str = "janitor";
    /// How many tasks were deleted.
    type Done = u64;

    async fn pass(&mut self) -> Result<u64> {
        let turns = Turns::new(MAX_CALLS);
        let mut deleted = 0;
        let mut first_error = None;
        // Queues that this pass asks again only after an interval, as the next pass would.
        let mut not_before: HashMap<usize, Instant> = HashMap::new();
        // Each round deletes one batch of each queue. So a queue with many tasks does not make others wait.
        loop {
            let (now, now_ms) = (clock::monotonic(), self.broker.clock().now_unix_millis());
            let round = self.queues.all().filter(|queue| {
                let later = not_before.get(&queue.index).is_some_and(|at| now < *at);
                !later && self.wakeups.may_have_expired(queue.index, now_ms)
            });
            let calls = round.map(async |queue| {
                let call = self.broker.expire_completed(&queue.keys, self.batch_size);
                (queue, turns.take(call).await)
            });
            let replies = join_all(calls).await;
            if replies.is_empty() {
                return first_error.map_or(Ok(deleted), Err);
            }
            for (queue, reply) in replies {
                match reply {
                    Ok(tasks) => {
                        deleted += tasks as u64;
                        if tasks >= self.batch_size {
                            continue;
                        }
                        self.wakeups.cleaned(queue.index);
                    }
                    Err(error) => {
                        tracing::debug!(queue = queue.name(), %error, "could not delete completed tasks");
                        first_error.get_or_insert(error);
                    }
                }
                not_before.insert(queue.index, clock::monotonic() + self.interval);
            }
        }
    }
}
