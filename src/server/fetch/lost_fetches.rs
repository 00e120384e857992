//! Restores the tasks of lost fetches. These tasks are active, but no server runs them.

use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
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
/// at the earliest: after 30 s of lease and 30 s of grace.
const MAX_AGE: Duration = Duration::from_secs(55);

/// Looks through *active* for tasks with the owner token of a lost fetch, and returns them to *pending*.
pub(in crate::server) struct Restorer {
    pub(in crate::server) broker: Broker,
    pub(in crate::server) lost: mpsc::UnboundedReceiver<LostFetch>,
}

/// The search for the tasks of one fetch. Times are passed in.
struct Search {
    fetch: LostFetch,
    /// How many searches have succeeded.
    succeeded: usize,
    next_at: Instant,
}

impl Service for Restorer {
    const NAME: &'static str = "restorer";

    /// After the stop, there is one more search for each fetch that is left.
    async fn run(mut self, stop: CancellationToken) {
        // A search without an answer does not hold up the others.
        let mut searches = FuturesUnordered::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(fetch) = self.lost.recv() => {
                    let search = Search::new(fetch, clock::monotonic());
                    searches.push(search_often(&self.broker, search, &stop));
                }
                Some(()) = searches.next(), if !searches.is_empty() => {}
            }
        }
        while let Ok(fetch) = self.lost.try_recv() {
            let search = Search::new(fetch, clock::monotonic());
            searches.push(search_often(&self.broker, search, &stop));
        }
        while searches.next().await.is_some() {}
    }
}

/// Searches for the tasks of a fetch after each of the pauses. After the stop, there is one more search.
async fn search_often(broker: &Broker, mut search: Search, stop: &CancellationToken) {
    let mut is_last = false;
    while !is_last && search.is_wanted(clock::monotonic()) {
        let pause = tokio::time::sleep_until(search.next_at);
        is_last = stop.run_until_cancelled(pause).await.is_none();
        search_once(broker, &mut search).await;
    }
}

/// Searches once for the tasks of a fetch.
async fn search_once(broker: &Broker, search: &mut Search) {
    let queue = &search.fetch.queue;
    match broker.restore_fetch(queue, &search.fetch.owner).await {
        Ok(tasks) => {
            if tasks > 0 {
                tracing::info!(
                    queue = queue.queue(),
                    tasks,
                    "restored the tasks of a fetch whose reply was lost"
                );
            }
            search.has_succeeded(clock::monotonic());
        }
        Err(error) => {
            tracing::debug!(queue = queue.queue(), %error, "the search for the tasks of a lost fetch failed");
            search.has_failed(clock::monotonic());
        }
    }
}

impl Search {
    fn new(fetch: LostFetch, now: Instant) -> Self {
        Self {
            fetch,
            succeeded: 0,
            next_at: now,
        }
    }

    /// Whether there is to be another search.
    fn is_wanted(&self, now: Instant) -> bool {
        let age = now.saturating_duration_since(self.fetch.sent_at);
        age < MAX_AGE && self.succeeded < PAUSES.len()
    }

    fn has_succeeded(&mut self, now: Instant) {
        self.succeeded += 1;
        self.next_at = now + PAUSES.get(self.succeeded).copied().unwrap_or_default();
    }

    fn has_failed(&mut self, now: Instant) {
        self.next_at = now + FAILED_PAUSE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(now: Instant) -> Search {
        let fetch = LostFetch {
            queue: QueueKeys::new("q"),
            owner: Str::from_static("owner"),
            sent_at: now,
        };
        Search::new(fetch, now)
    }

    #[test]
    fn six_searches_are_made_after_growing_pauses() {
        let sent_at = clock::monotonic();
        let (mut search, mut made_at) = (search(sent_at), Vec::new());
        while search.is_wanted(search.next_at) {
            let now = search.next_at;
            made_at.push((now - sent_at).as_millis());
            search.has_succeeded(now);
        }
        assert_eq!(made_at, [0, 500, 2_500, 7_500, 19_500, 44_500]);
    }

    #[test]
    fn a_search_that_fails_is_repeated_every_second_until_the_fetch_is_too_old() {
        let sent_at = clock::monotonic();
        let (mut search, mut made) = (search(sent_at), 0);
        while search.is_wanted(search.next_at) {
            made += 1;
            search.has_failed(search.next_at);
        }
        assert_eq!(made, MAX_AGE.as_secs());
    }
}
