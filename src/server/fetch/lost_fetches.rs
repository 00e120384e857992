//! Restores the tasks of lost fetches. These tasks are active, but no server runs them.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::background::Service;
use crate::broker::{Broker, Str};
use crate::clock;
use crate::wire::QueueKeys;

/// A fetch without a reply.
pub(in crate::server) struct LostFetch {
    pub(in crate::server) queue: QueueKeys,
    /// Its owner token.
    pub(in crate::server) owner: Str,
    pub(in crate::server) sent_at: Instant,
}

/// The pauses before the searches for the tasks of a lost fetch. There are several searches, because the
/// call may reach Redis after the first search.
const PAUSES: [Duration; 6] = [
    Duration::ZERO,
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(12),
    Duration::from_secs(25),
];
/// The pause before a failed search is repeated.
const FAILED_PAUSE: Duration = Duration::from_secs(1);
/// The tasks of an older fetch are left to the recoverers. A recoverer takes a task 60 s after its fetch
/// at the earliest: after 30 s of lease and 30 s of grace. After that a Go server may have the task, with
/// our owner token still in its hash.
const MAX_AGE: Duration = Duration::from_secs(55);

/// Looks through *active* for tasks with the owner token of a lost fetch, and returns them to *pending*.
pub(in crate::server) struct Restorer {
    pub(in crate::server) broker: Broker,
    pub(in crate::server) lost: mpsc::UnboundedReceiver<LostFetch>,
}

/// The search for the tasks of one fetch.
struct Search {
    fetch: LostFetch,
    /// How many searches have succeeded.
    succeeded: usize,
    next_at: Instant,
}

impl Service for Restorer {
    const NAME: &'static str = "restorer";

    /// After the stop, one more search is made for each fetch that is left.
    async fn run(mut self, stop: CancellationToken) {
        let mut searches: Vec<Search> = Vec::new();
        loop {
            let next_at = searches.iter().map(|search| search.next_at).min();
            tokio::select! {
                () = stop.cancelled() => break,
                Some(fetch) = self.lost.recv() => searches.push(Search::of(fetch)),
                () = tokio::time::sleep_until(next_at.unwrap_or_else(clock::monotonic)), if next_at.is_some() => {
                    searches.retain(Search::is_recent);
                    let now = clock::monotonic();
                    let due = searches.iter_mut().filter(|search| search.next_at <= now);
                    join_all(due.map(|search| search.make(&self.broker))).await;
                    searches.retain(|search| search.succeeded < PAUSES.len());
                }
            }
        }
        while let Ok(fetch) = self.lost.try_recv() {
            searches.push(Search::of(fetch));
        }
        searches.retain(Search::is_recent);
        join_all(searches.iter_mut().map(|search| search.make(&self.broker))).await;
    }
}

impl Search {
    fn of(fetch: LostFetch) -> Self {
        Self {
            fetch,
            succeeded: 0,
            next_at: clock::monotonic(),
        }
    }

    fn is_recent(&self) -> bool {
        self.fetch.sent_at.elapsed() < MAX_AGE
    }

    /// Searches once, and sets the time of the next search.
    async fn make(&mut self, broker: &Broker) {
        let queue = &self.fetch.queue;
        let pause = match broker.restore_fetch(queue, &self.fetch.owner).await {
            Ok(tasks) => {
                if tasks > 0 {
                    tracing::info!(
                        queue = queue.queue(),
                        tasks,
                        "restored the tasks of a fetch whose reply was lost"
                    );
                }
                self.succeeded += 1;
                PAUSES.get(self.succeeded).copied().unwrap_or_default()
            }
            Err(error) => {
                tracing::debug!(queue = queue.queue(), %error, "the search for the tasks of a lost fetch failed");
                FAILED_PAUSE
            }
        };
        self.next_at = clock::monotonic() + pause;
    }
}
