//! Puts the tasks of aggregation sets back into their groups, if the server that was aggregating them has not
//! stored their aggregate in time. Every server does this, with an aggregator or without. asynq: `recoverer`.

use futures_util::stream::{self, StreamExt};

use crate::background::Periodic;
use crate::broker::Broker;
use crate::error::Result;
use crate::server::queues::Queues;

/// How many queues are looked at at the same time, so that a queue without an answer delays no other queue.
const QUEUES_AT_ONCE: usize = 16;

pub(in crate::server) struct Reclaimer {
    pub(in crate::server) broker: Broker,
    pub(in crate::server) queues: Queues,
}

impl Periodic for Reclaimer {
    const NAME: &'static str = "reclaimer";
    /// How many tasks are back in their groups.
    type Done = u64;

    async fn pass(&mut self) -> Result<u64> {
        let passes = self.queues.all().map(|queue| {
            let reclaim = self.broker.reclaim_sets(&queue.keys);
            async move { (queue, reclaim.await) }
        });
        let passes: Vec<_> = passes.collect();
        let mut done = stream::iter(passes).buffer_unordered(QUEUES_AT_ONCE);
        let mut result = Ok(0);
        while let Some((queue, reclaimed)) = done.next().await {
            match reclaimed {
                Ok(reclaimed) => {
                    if reclaimed.sets > 0 {
                        tracing::warn!(
                            queue = queue.name(),
                            sets = reclaimed.sets,
                            tasks = reclaimed.tasks,
                            "aggregation sets were not aggregated in time, their tasks are back in their groups"
                        );
                    }
                    result = result.map(|before| before + reclaimed.tasks);
                }
                // A queue that cannot be reclaimed does not stop the others.
                Err(error) => {
                    tracing::debug!(queue = queue.name(), %error, "could not reclaim aggregation sets");
                    result = result.and(Err(error));
                }
            }
        }
        result
    }
}
