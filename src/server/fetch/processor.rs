//! Fetches tasks for free slots and starts their runs. asynq: `processor`.
//!
//! One fetch brings many tasks of one queue. A sweep fetches from the open queues. Two sweeps may be in
//! flight at once: the tasks for one half of the slots are fetched while those of the other half run. A
//! sweep holds the permits of the slots for which it asks, so each of its tasks has a slot when it arrives.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::gate::Gates;
use super::lost_fetches::LostFetch;
use super::sizing::{Load, Sizing};
use crate::background::Service;
use crate::broker::{Broker, Fetched, LEASE, RawTask, Str};
use crate::clock;
use crate::error::{Error, ErrorKind, Result};
use crate::server::ack::{Acknowledgements, Batch, ExpectedSweep};
use crate::server::queues::{Queues, ServedQueue};
use crate::server::run::{Executor, FetchedTask, HeldRuns};
use crate::server::wake::Wakeups;

/// How many times a small sweep yields before it starts, as long as that frees more slots.
const MAX_YIELDS: usize = 4;

pub(in crate::server) struct Processor {
    pub(in crate::server) broker: Broker,
    pub(in crate::server) queues: Queues,
    pub(in crate::server) gates: Arc<Gates>,
    pub(in crate::server) wakeups: Arc<Wakeups>,
    pub(in crate::server) held: Arc<HeldRuns>,
    pub(in crate::server) executor: Arc<Executor>,
    pub(in crate::server) acknowledgements: Arc<Acknowledgements>,
    pub(in crate::server) sizing: Sizing,
    pub(in crate::server) task_check_interval: Duration,
    pub(in crate::server) owners: OwnerTokens,
    /// To the [`Restorer`](super::Restorer): fetches whose reply was lost, or arrived too late.
    pub(in crate::server) lost: mpsc::UnboundedSender<LostFetch>,
}

/// A finished sweep: its replies, and the permits that it holds.
struct Sweep {
    permits: OwnedSemaphorePermit,
    replies: Vec<FetchReply>,
}

/// The tasks that one fetch has brought.
struct FetchReply {
    queue: usize,
    owner: Str,
    sent_at: Instant,
    tasks: Vec<RawTask>,
    /// The queue had as many tasks as were asked for, so it may have more.
    has_plenty: bool,
}

impl Service for Processor {
    const NAME: &'static str = "processor";

    async fn run(self, stop: CancellationToken) {
        let slots = Arc::new(Semaphore::new(self.sizing.capacity));
        let mut sweeps: FuturesUnordered<BoxFuture<'_, Sweep>> = FuturesUnordered::new();
        let mut requested = 0;
        // Without tracking, the gates of all drained queues open at this time.
        let mut poll_at = self.next_poll();
        // While it is set, a few acknowledgements of done tasks wait for the next sweep.
        let mut expected = None;
        loop {
            let now = clock::monotonic();
            let load = Load {
                held: self.held.counted_for_limit(),
                requested,
                sweeps: sweeps.len(),
            };
            let any_to_ask = self.gates.any_to_ask(self.queues.is_strict(), now);
            let slots_needed = self.sizing.slots_needed(load).filter(|_| any_to_ask);
            match slots_needed {
                // The next free slot starts the sweep.
                Some(1) => {
                    expected.get_or_insert_with(|| self.acknowledgements.expect_sweep());
                }
                _ => expected = None,
            }
            let pause_end = self.gates.first_pause_end(now);
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(sweep) = sweeps.next(), if !sweeps.is_empty() => {
                    requested -= sweep.permits.num_permits();
                    self.start_runs(sweep);
                }
                () = clock::sleep_until(pause_end) => {}
                permits = acquire(&slots, slots_needed.unwrap_or(1)), if slots_needed.is_some() => {
                    let permits = self.add_free_slots(permits, &slots, load).await;
                    requested += permits.num_permits();
                    sweeps.push(Box::pin(self.sweep(permits, expected.take(), &stop)));
                }
                () = self.held.headroom_changed(), if self.sizing.headroom(load) == 0 => {}
                () = self.gates.opened(), if !any_to_ask => {}
                () = tokio::time::sleep_until(poll_at), if !self.wakeups.is_tracking() => {
                    poll_at = self.next_poll();
                    self.gates.open_all();
                }
            }
        }
        drop(expected);
        // Starts the runs of the sweeps in flight. In a shutdown, the executor requeues prefetched tasks.
        while let Some(sweep) = sweeps.next().await {
            self.start_runs(sweep);
        }
        self.acknowledgements.fetching_has_ended();
    }
}

impl Processor {
    /// COMPAT: asynq v0.26.0 also polls after 0.5 to 1.5 times the interval
    fn next_poll(&self) -> Instant {
        clock::monotonic() + clock::jitter(self.task_check_interval, 0.5..1.5)
    }

    /// Adds the permits of the other free slots, as many as one sweep may ask for.
    async fn add_free_slots(
        &self,
        mut permits: OwnedSemaphorePermit,
        slots: &Arc<Semaphore>,
        load: Load,
    ) -> OwnedSemaphorePermit {
        let taken = permits.num_permits();
        for _ in 0..MAX_YIELDS {
            let free = slots.available_permits();
            if self.sizing.is_worth_a_call(taken + free) {
                break;
            }
            // Runs that are about to finish free their slots.
            tokio::task::yield_now().await;
            if slots.available_permits() <= free {
                break;
            }
        }
        let size = self.sizing.size(load, taken, slots.available_permits());
        if let Ok(more) = Arc::clone(slots).try_acquire_many_owned((size - taken) as u32) {
            permits.merge(more);
        }
        permits
    }

    /// Starts the runs of the tasks that a sweep has brought. Permits that are not needed become free.
    fn start_runs(&self, sweep: Sweep) {
        let (mut permits, now) = (sweep.permits, clock::monotonic());
        for reply in sweep.replies {
            let queue = self.queues.get(reply.queue);
            if reply.tasks.is_empty() {
                continue;
            }
            if now.saturating_duration_since(reply.sent_at) >= LEASE {
                // Other servers may have some of the tasks by now. The remaining tasks are restored.
                tracing::warn!(
                    queue = queue.name(),
                    "a fetch took longer than the leases of its tasks"
                );
                self.report_lost(queue, reply.owner, reply.sent_at);
                continue;
            }
            let mut tasks = Vec::with_capacity(reply.tasks.len());
            for RawTask { id, message } in reply.tasks {
                // A sweep never brings more tasks than it has permits.
                let Some(permit) = permits.split(1) else {
                    break;
                };
                tasks.push(FetchedTask {
                    queue: queue.clone(),
                    id,
                    owner: reply.owner.clone(),
                    raw: message,
                    sent_at: reply.sent_at,
                    permit,
                });
            }
            for run in self.held.hold(&self.broker, tasks) {
                self.executor.execute(run);
            }
        }
    }

    fn report_lost(&self, queue: &ServedQueue, owner: Str, sent_at: Instant) {
        let _ = self.lost.send(LostFetch {
            queue: queue.keys.clone(),
            owner,
            sent_at,
        });
    }
}

impl Processor {
    /// Fetches from the open queues, at most as many tasks as there are permits. `expected` is dropped once
    /// the first fetch has taken the acknowledgements that it carries.
    async fn sweep(
        &self,
        permits: OwnedSemaphorePermit,
        expected: Option<ExpectedSweep<'_>>,
        stop: &CancellationToken,
    ) -> Sweep {
        let want = permits.num_permits();
        let replies = match self.queues.is_strict() {
            true => self.sweep_in_strict_order(want, expected, stop).await,
            false => self.sweep_by_weight(want, expected, stop).await,
        };
        Sweep { permits, replies }
    }

    async fn sweep_in_strict_order(
        &self,
        mut want: usize,
        mut expected: Option<ExpectedSweep<'_>>,
        stop: &CancellationToken,
    ) -> Vec<FetchReply> {
        let mut replies = Vec::new();
        for queue in self.gates.to_ask(true, clock::monotonic()) {
            if want == 0 || stop.is_cancelled() {
                break;
            }
            if let Some(reply) = self.fetch(queue, want, expected.take()).await {
                want -= reply.tasks.len();
                replies.push(reply);
            }
        }
        replies
    }

    async fn sweep_by_weight(
        &self,
        mut want: usize,
        mut expected: Option<ExpectedSweep<'_>>,
        stop: &CancellationToken,
    ) -> Vec<FetchReply> {
        let mut open = self.gates.to_ask(false, clock::monotonic());
        let mut replies = Vec::new();
        while want > 0 && !open.is_empty() && !stop.is_cancelled() {
            // Another sweep may have drained some of these queues.
            let now = clock::monotonic();
            open.retain(|queue| self.gates.takes_a_fetch(*queue, now));
            let shares = self.queues.distribute(want, &open, |n| clock::draw(0..n));
            let asked: Vec<_> = open.iter().copied().filter(|q| shares[*q] > 0).collect();
            // The fetches of one round are sent together. The first one takes `expected`.
            let fetches = asked
                .iter()
                .map(|queue| self.fetch(*queue, shares[*queue], expected.take()));
            let round = join_all(fetches).await;
            for (queue, reply) in asked.into_iter().zip(round) {
                if !reply.as_ref().is_some_and(|reply| reply.has_plenty) {
                    open.retain(|other| *other != queue);
                }
                want -= reply.as_ref().map_or(0, |reply| reply.tasks.len());
                replies.extend(reply);
            }
        }
        replies
    }

    /// Fetches from one queue. `None`: the fetch failed, or the queue is paused.
    async fn fetch(
        &self,
        queue: usize,
        want: usize,
        expected: Option<ExpectedSweep<'_>>,
    ) -> Option<FetchReply> {
        let carried = self.acknowledgements.take_for_fetch(queue);
        drop(expected);
        let fetch = Fetch::new(self, queue);
        let fetched = match carried {
            None => {
                let keys = &fetch.queue.keys;
                self.broker.dequeue(keys, want, &fetch.owner).await
            }
            Some(batch) => fetch.exchange(batch, want).await,
        };
        match fetched {
            Ok(fetched) => fetch.succeeded(fetched, want),
            Err(error) => {
                fetch.failed(&error);
                None
            }
        }
    }
}

/// A fetch in flight. If it is dropped without a reply, it is reported as a lost fetch.
struct Fetch<'p> {
    processor: &'p Processor,
    queue: &'p ServedQueue,
    owner: Str,
    sent_at: Instant,
    /// No reply has arrived, so Redis may have moved tasks.
    may_be_lost: bool,
    has_plenty: bool,
}

impl<'p> Fetch<'p> {
    fn new(processor: &'p Processor, queue: usize) -> Self {
        processor.gates.fetch_started(queue);
        Self {
            processor,
            queue: processor.queues.get(queue),
            owner: processor.owners.next(),
            sent_at: clock::monotonic(),
            may_be_lost: true,
            has_plenty: false,
        }
    }

    /// Fetches, and acknowledges done tasks in the same call.
    async fn exchange(&self, batch: Batch<'_>, want: usize) -> Result<Fetched> {
        let exchanged = self
            .processor
            .broker
            .exchange(
                &self.queue.keys,
                &batch.acknowledgements(),
                batch.active_range(),
                want,
                &self.owner,
                self.processor.broker.clock().now(),
            )
            .await;
        match exchanged {
            Ok((fetched, written)) => {
                batch.finish(written);
                fetched
            }
            Err(error) => {
                batch.fail(&error);
                Err(error)
            }
        }
    }

    fn succeeded(mut self, fetched: Fetched, want: usize) -> Option<FetchReply> {
        self.may_be_lost = false;
        let Processor { gates, wakeups, .. } = self.processor;
        let queue = self.queue.index;
        gates.fetch_succeeded(queue);
        let Fetched::Tasks { tasks, dropped } = fetched else {
            wakeups.drained(queue, true, true);
            return None;
        };
        if dropped > 0 {
            tracing::warn!(
                queue = self.queue.name(),
                ids = dropped,
                "dropped pending ids whose task is gone or already active"
            );
        }
        self.has_plenty = tasks.len() == want;
        if !self.has_plenty {
            wakeups.drained(queue, false, tasks.is_empty());
        }
        Some(FetchReply {
            queue,
            owner: self.owner.clone(),
            sent_at: self.sent_at,
            tasks,
            has_plenty: self.has_plenty,
        })
    }

    fn failed(mut self, error: &Error) {
        tracing::warn!(queue = self.queue.name(), %error, "could not fetch tasks");
        // A fetch that Redis has refused has moved nothing.
        self.may_be_lost = error.kind() != ErrorKind::Redis;
        let Processor { gates, .. } = self.processor;
        gates.fetch_failed(self.queue.index, clock::monotonic());
    }
}

impl Drop for Fetch<'_> {
    fn drop(&mut self) {
        let Processor { gates, .. } = self.processor;
        gates.fetch_ended(self.queue.index, self.has_plenty);
        if self.may_be_lost {
            let owner = self.owner.clone();
            self.processor.report_lost(self.queue, owner, self.sent_at);
        }
    }
}

/// Owner tokens, unique among all fetches of all servers. They are short, because each fetched task
/// stores one.
pub(in crate::server) struct OwnerTokens {
    prefix: String,
    next: AtomicU64,
}

impl OwnerTokens {
    pub(in crate::server) fn new() -> Self {
        Self {
            prefix: clock::unique_name(),
            next: AtomicU64::new(1),
        }
    }

    fn next(&self) -> Str {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        Str::from(format!("{}:{n:x}", self.prefix))
    }
}

async fn acquire(slots: &Arc<Semaphore>, least: usize) -> OwnedSemaphorePermit {
    match Arc::clone(slots).acquire_many_owned(least as u32).await {
        Ok(permits) => permits,
        // The semaphore is never closed.
        Err(_) => std::future::pending().await,
    }
}
