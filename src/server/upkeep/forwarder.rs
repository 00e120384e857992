//! Moves due tasks to *pending*, or into their groups. asynq: `forwarder`.
//!
//! While Redis notifies this server, each task is moved in the second in which it is due. Otherwise the due
//! tasks of all queues are moved at an interval. Each delayed set is forwarded by itself, in bounded calls that
//! take turns: neither many due tasks nor a failure makes the tasks of another set late.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::background::{Backoff, Service, ToldFailures, Turns};
use crate::broker::{Broker, DelayedSet};
use crate::clock;
use crate::error::{Result, warn_if};
use crate::server::queues::{Queues, ServedQueue};
use crate::server::wake::Wakeups;

/// Each server adds a random delay below this one, because several servers wait for the same second.
const SPREAD_MS: u64 = 15;
/// The longest sleep. A sleep does not notice that this machine was suspended.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);
/// How many calls are in flight at once.
const MAX_CALLS: usize = 16;
/// The most tasks of the first call for a set, and of the next ones. A task costs Redis about 3 µs.
const FIRST_BATCH: usize = 100;
const NEXT_BATCH: usize = 500;

pub(in crate::server) struct Forwarder {
    pub(in crate::server) broker: Broker,
    pub(in crate::server) queues: Queues,
    pub(in crate::server) wakeups: Arc<Wakeups>,
    pub(in crate::server) interval: Duration,
}

/// What is known of one delayed set.
struct SetState {
    /// Its due tasks are being forwarded.
    is_in_progress: bool,
    /// The end of the pause after a failure.
    not_before: Instant,
    backoff: Backoff,
}

impl Service for Forwarder {
    const NAME: &'static str = "forwarder";

    async fn run(self, stop: CancellationToken) {
        stop.run_until_cancelled(self.forward_forever()).await;
    }
}

impl Forwarder {
    async fn forward_forever(&self) {
        let turns = Turns::new(MAX_CALLS);
        let mut forwarding = FuturesUnordered::new();
        let mut sets: Vec<[SetState; 2]> = self
            .queues
            .all()
            .map(|_| DelayedSet::ALL.map(|_| SetState::new()))
            .collect();
        let mut told = ToldFailures::default();
        // Without tracking, all sets are forwarded at this time. When tracking ends, they are at once.
        let mut poll_at = clock::monotonic();
        loop {
            let now = clock::monotonic();
            let mut sleep_until = now + LONGEST_SLEEP;
            let due_times = if self.wakeups.is_tracking() {
                poll_at = now;
                self.due_times(now)
            } else if poll_at <= now {
                poll_at = now + self.interval;
                self.all_due_at(now)
            } else {
                Vec::new()
            };
            if !self.wakeups.is_tracking() {
                sleep_until = sleep_until.min(poll_at);
            }
            for (queue, set, due_at) in due_times {
                let state = &mut sets[queue][set as usize];
                let start_at = due_at.max(state.not_before);
                if state.is_in_progress {
                    continue;
                } else if start_at <= now {
                    state.is_in_progress = true;
                    let queue = self.queues.get(queue);
                    forwarding.push(self.forward(queue, set, &turns));
                } else {
                    sleep_until = sleep_until.min(start_at);
                }
            }
            tokio::select! {
                Some((queue, set, result)) = forwarding.next(), if !forwarding.is_empty() => {
                    sets[queue][set as usize].ended(result.is_ok(), clock::monotonic());
                    match result {
                        Ok(()) => {
                            told.succeeded(&(queue, set as usize));
                            self.wakeups.forwarded(queue, set);
                        }
                        Err(error) => {
                            let is_news = told.failed((queue, set as usize), &error);
                            let queue = self.queues.get(queue).name();
                            warn_if!(is_news, queue, %error, "could not forward due tasks, will be tried again");
                        }
                    }
                }
                () = self.wakeups.due_changed() => {}
                () = self.broker.clock().was_set() => {}
                () = tokio::time::sleep_until(sleep_until) => {}
            }
        }
    }

    /// When the sets with tasks are due.
    fn due_times(&self, now: Instant) -> Vec<(usize, DelayedSet, Instant)> {
        let now_ms = self.broker.clock().now_unix_millis();
        let spread_ms = clock::draw(0..SPREAD_MS) as i64;
        let due_times = self.wakeups.due_times().into_iter();
        let in_time = due_times.map(|(queue, set, due_ms)| {
            let left_ms = due_ms.saturating_add(spread_ms).saturating_sub(now_ms);
            let left = Duration::from_millis(u64::try_from(left_ms).unwrap_or(0));
            // A time in the far future may be beyond what an `Instant` can hold.
            (queue, set, now + left.min(LONGEST_SLEEP))
        });
        in_time.collect()
    }

    fn all_due_at(&self, now: Instant) -> Vec<(usize, DelayedSet, Instant)> {
        let all = self.queues.all();
        all.flat_map(|queue| DelayedSet::ALL.map(|set| (queue.index, set, now)))
            .collect()
    }

    /// Forwards all due tasks of a set.
    async fn forward(
        &self,
        queue: &ServedQueue,
        set: DelayedSet,
        turns: &Turns,
    ) -> (usize, DelayedSet, Result<()>) {
        let mut batch = FIRST_BATCH;
        let result = loop {
            let call = self.broker.forward(&queue.keys, set, batch);
            match turns.take(call).await {
                Ok(true) => batch = NEXT_BATCH,
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        (queue.index, set, result)
    }
}

impl SetState {
    fn new() -> Self {
        Self {
            is_in_progress: false,
            not_before: clock::monotonic(),
            backoff: Backoff::new(),
        }
    }

    fn ended(&mut self, succeeded: bool, now: Instant) {
        self.is_in_progress = false;
        if succeeded {
            self.backoff.reset();
        } else {
            self.not_before = now + self.backoff.pause();
        }
    }
}
