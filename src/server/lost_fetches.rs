//! Fetches whose reply was lost: what they took is in active, and nobody runs it.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::broker::{Broker, Str};
use crate::wire::QueueKeys;

/// A fetch that got no reply.
pub(super) struct LostFetch {
    pub(super) queue: QueueKeys,
    /// Its name.
    pub(super) owner: Str,
    pub(super) asked_at: Instant,
}

/// After how long it is looked again for what a fetch took: the call may still be on its way to
/// Redis when the first look finds nothing.
const LOOKS: [Duration; 6] = [
    Duration::ZERO,
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(12),
    Duration::from_secs(25),
];
/// The pause before a look that failed is made again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Past this age a fetch is left to the recoverers. Before it, no recoverer (which waits for 30 s
/// after the lease's 30 s) can have given a task of it to a Go worker, which would leave the name.
const TOO_OLD: Duration = Duration::from_secs(55);

/// A fetch, and its next look.
struct Waiting {
    fetch: LostFetch,
    look: usize,
    at: Instant,
}

/// Gives back what lost fetches took, until `stop`; then once more for those that are left.
pub(super) async fn give_back(
    broker: Broker,
    mut lost: mpsc::UnboundedReceiver<LostFetch>,
    stop: CancellationToken,
) {
    let mut waiting: Vec<Waiting> = Vec::new();
    loop {
        let next = waiting.iter().map(|waiting| waiting.at).min();
        tokio::select! {
            () = stop.cancelled() => break,
            Some(fetch) = lost.recv() => waiting.push(Waiting { fetch, look: 0, at: Instant::now() }),
            () = tokio::time::sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                waiting.retain(|waiting| waiting.fetch.asked_at.elapsed() < TOO_OLD);
                let now = Instant::now();
                let due = waiting.iter_mut().filter(|waiting| waiting.at <= now);
                join_all(due.map(|waiting| waiting.look(&broker))).await;
                waiting.retain(|waiting| waiting.look < LOOKS.len());
            }
        }
    }
    while let Ok(fetch) = lost.try_recv() {
        let at = Instant::now();
        waiting.push(Waiting { fetch, look: 0, at });
    }
    waiting.retain(|waiting| waiting.fetch.asked_at.elapsed() < TOO_OLD);
    join_all(waiting.iter_mut().map(|waiting| waiting.look(&broker))).await;
}

impl Waiting {
    /// Looks once, and sets the time of the next look.
    async fn look(&mut self, broker: &Broker) {
        let queue = &self.fetch.queue;
        match broker.reclaim(queue, &self.fetch.owner).await {
            Ok(tasks) => {
                if tasks > 0 {
                    tracing::info!(
                        queue = queue.queue(),
                        tasks,
                        "gave back tasks of a fetch whose reply was lost"
                    );
                }
                self.look += 1;
                self.at = Instant::now() + LOOKS.get(self.look).copied().unwrap_or_default();
            }
            Err(error) => {
                tracing::debug!(queue = queue.queue(), %error, "could not look for lost tasks");
                self.at = Instant::now() + LOOK_AGAIN;
            }
        }
    }
}
