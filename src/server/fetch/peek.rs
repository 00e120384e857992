//! Peeks: how many tasks of a queue are pending. A peek takes no slot and moves nothing.

use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::timeout;

use super::sweep::{PEEK_WINDOW, Sweeper};

/// How long a sweep waits for a peek. A queue that has not answered by then is asked by a fetch.
const PEEK_PATIENCE: Duration = Duration::from_secs(1);

impl Sweeper {
    /// Those of the queues that may have tasks.
    pub(super) async fn without_empty(&self, queues: Vec<usize>) -> Vec<usize> {
        let mut left = Vec::new();
        for window in queues.chunks(PEEK_WINDOW) {
            let peeked = window.iter().zip(self.peek(window).await);
            left.extend(
                peeked
                    .filter(|(_, pending)| *pending != Some(0))
                    .map(|(queue, _)| queue),
            );
        }
        left
    }

    /// How many tasks of each queue are pending. `None`: the queue has not answered. The gate of an empty
    /// queue is closed.
    pub(super) async fn peek(&self, queues: &[usize]) -> Vec<Option<usize>> {
        let mut pending = vec![None; queues.len()];
        let peek = async |(index, queue): (usize, &usize)| {
            let counted = self.broker.count_pending(&self.queues.get(*queue).keys);
            (index, counted.await.ok())
        };
        let mut peeks: FuturesUnordered<_> = queues.iter().enumerate().map(peek).collect();
        let all = async {
            while let Some((index, counted)) = peeks.next().await {
                pending[index] = counted;
                if counted == Some(0) {
                    self.wakeups.drained(queues[index], false, true);
                }
            }
        };
        // Without an answer in time, the queue counts as one that may have tasks.
        let _ = timeout(PEEK_PATIENCE, all).await;
        pending
    }
}
