//! Fetches tasks for free slots and starts their runs. asynq: `processor`.
//!
//! One call to a queue brings many tasks. Two fetches may be in flight at once: while one half of the
//! slots runs, the other half is fetched. A fetch holds the permits of the slots that it asks for, so a
//! task that it brings can run at once, unless tasks are prefetched.

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
use crate::server::ack::{Acknowledgements, Batch, ExpectedFetch};
use crate::server::queues::{Queues, ServedQueue};
use crate::server::run::{Executor, FetchedTask, HeldRuns};
use crate::server::wake::Wakeups;

/// How many times a small fetch yields before it is sent, as long as that frees more slots.
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
    /// To [`LostFetches`](super::LostFetches): fetches whose reply was lost or came too late.
    pub(in crate::server) lost: mpsc::UnboundedSender<LostFetch>,
}

/// A fetch over several queues: its replies, and the permits that it holds.
struct Fetch {
    permits: OwnedSemaphorePermit,
    replies: Vec<QueueReply>,
}

/// The reply of one queue to one call.
struct QueueReply {
    queue: usize,
    owner: Str,
    sent_at: Instant,
    tasks: Vec<RawTask>,
    /// The queue had as many tasks as were asked for, so it may have more.
    may_have_more: bool,
}

impl Service for Processor {
    const NAME: &'static str = "processor";

    async fn run(self, stop: CancellationToken) {
        let slots = Arc::new(Semaphore::new(self.sizing.capacity));
        let mut fetches: FuturesUnordered<BoxFuture<'_, Fetch>> = FuturesUnordered::new();
        let mut requested = 0;
        // Without tracking, all queues are asked at this time.
        let mut poll_at = self.next_poll();
        // While it is set, few acknowledgements wait for the next fetch.
        let mut expected = None;
        loop {
            let now = clock::monotonic();
            let load = Load {
                held: self.held.counted(),
                requested,
                fetches: fetches.len(),
            };
            let any_to_ask = self.gates.any_to_ask(self.queues.is_strict(), now);
            let least = self.sizing.least(load).filter(|_| any_to_ask);
            match least {
                // One free slot is enough, so the fetch is near.
                Some(1) => {
                    expected.get_or_insert_with(|| self.acknowledgements.expect_fetch());
                }
                _ => expected = None,
            }
            let pause_end = self.gates.first_pause_end(now);
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(fetch) = fetches.next(), if !fetches.is_empty() => {
                    requested -= fetch.permits.num_permits();
                    self.start_runs(fetch);
                }
                () = sleep_until(pause_end), if pause_end.is_some() => {}
                permits = acquire(&slots, least.unwrap_or(1)), if least.is_some() => {
                    let permits = self.add_free_slots(permits, &slots, load).await;
                    requested += permits.num_permits();
                    fetches.push(Box::pin(self.fetch(permits, expected.take(), &stop)));
                }
                () = self.held.one_released(), if self.sizing.room(load) == 0 => {}
                () = self.gates.opened(), if !any_to_ask => {}
                () = tokio::time::sleep_until(poll_at), if !self.wakeups.is_tracking() => {
                    poll_at = self.next_poll();
                    self.gates.open_all();
                }
            }
        }
        drop(expected);
        // The tasks of the fetches in flight run; those that are prefetched are requeued.
        while let Some(fetch) = fetches.next().await {
            self.start_runs(fetch);
        }
        self.acknowledgements.fetching_has_ended();
    }
}

impl Processor {
    /// COMPAT: asynq v0.26.0 polls at random times as well, between half the interval and one and a
    /// half
    fn next_poll(&self) -> Instant {
        clock::monotonic() + clock::jitter(self.task_check_interval, 0.5..1.5)
    }

    /// Adds the permits of the other free slots, as many as one fetch may ask for.
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
            // Handlers that are about to finish free their slots.
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

    /// Starts the runs of what a fetch has brought. Permits that are not needed become free.
    fn start_runs(&self, fetch: Fetch) {
        let mut permits = fetch.permits;
        for reply in fetch.replies {
            let queue = self.queues.get(reply.queue);
            if reply.tasks.is_empty() {
                continue;
            }
            if reply.sent_at.elapsed() >= LEASE {
                // Another server may have the tasks by now. The others are restored.
                tracing::warn!(
                    queue = queue.name(),
                    "a fetch took longer than the leases of its tasks"
                );
                self.restore(queue, reply.owner, reply.sent_at);
                continue;
            }
            let mut tasks = Vec::with_capacity(reply.tasks.len());
            for RawTask { id, message } in reply.tasks {
                // A fetch never brings more tasks than it has permits.
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

    fn restore(&self, queue: &ServedQueue, owner: Str, sent_at: Instant) {
        let _ = self.lost.send(LostFetch {
            queue: queue.keys.clone(),
            owner,
            sent_at,
        });
    }
}

impl Processor {
    /// One fetch over all open queues, for as many tasks as there are permits. `expected` ends once
    /// the first call has taken the acknowledgements that it carries.
    async fn fetch(
        &self,
        permits: OwnedSemaphorePermit,
        expected: Option<ExpectedFetch<'_>>,
        stop: &CancellationToken,
    ) -> Fetch {
        let want = permits.num_permits();
        let replies = match self.queues.is_strict() {
            true => self.fetch_in_strict_order(want, expected, stop).await,
            false => self.fetch_by_weight(want, expected, stop).await,
        };
        Fetch { permits, replies }
    }

    async fn fetch_in_strict_order(
        &self,
        mut want: usize,
        mut expected: Option<ExpectedFetch<'_>>,
        stop: &CancellationToken,
    ) -> Vec<QueueReply> {
        let mut replies = Vec::new();
        for queue in self.gates.to_ask(true, clock::monotonic()) {
            if want == 0 || stop.is_cancelled() {
                break;
            }
            if let Some(reply) = self.ask(queue, want, expected.take()).await {
                want -= reply.tasks.len();
                replies.push(reply);
            }
        }
        replies
    }

    async fn fetch_by_weight(
        &self,
        mut want: usize,
        mut expected: Option<ExpectedFetch<'_>>,
        stop: &CancellationToken,
    ) -> Vec<QueueReply> {
        let mut open = self.gates.to_ask(false, clock::monotonic());
        let mut replies = Vec::new();
        while want > 0 && !open.is_empty() && !stop.is_cancelled() {
            // Another fetch may have drained some of them.
            let now = clock::monotonic();
            open.retain(|queue| self.gates.takes_a_fetch(*queue, now));
            let shares = self.queues.distribute(want, &open, |n| clock::draw(0..n));
            let asked: Vec<_> = open.iter().copied().filter(|q| shares[*q] > 0).collect();
            // All calls of a round are sent in one poll. The first one ends the expectation.
            let calls = asked
                .iter()
                .map(|queue| self.ask(*queue, shares[*queue], expected.take()));
            let round = join_all(calls).await;
            for (queue, reply) in asked.into_iter().zip(round) {
                if !reply.as_ref().is_some_and(|reply| reply.may_have_more) {
                    open.retain(|other| *other != queue);
                }
                want -= reply.as_ref().map_or(0, |reply| reply.tasks.len());
                replies.extend(reply);
            }
        }
        replies
    }

    /// Asks one queue. `None`: the call failed, or the queue is paused.
    async fn ask(
        &self,
        queue: usize,
        want: usize,
        expected: Option<ExpectedFetch<'_>>,
    ) -> Option<QueueReply> {
        let carried = self.acknowledgements.take_for_fetch(queue);
        drop(expected);
        let call = FetchCall::new(self, queue);
        let fetched = match carried {
            None => {
                let keys = &call.queue.keys;
                self.broker.dequeue(keys, want, &call.owner).await
            }
            Some(batch) => call.exchange(batch, want).await,
        };
        match fetched {
            Ok(fetched) => call.succeeded(fetched, want),
            Err(error) => {
                call.failed(&error);
                None
            }
        }
    }
}

/// A call to one queue that is in flight. If it is dropped without a reply, it is a lost fetch.
struct FetchCall<'p> {
    processor: &'p Processor,
    queue: &'p ServedQueue,
    owner: Str,
    sent_at: Instant,
    /// No reply has come, so Redis may have moved tasks.
    may_be_lost: bool,
    has_plenty: bool,
}

impl<'p> FetchCall<'p> {
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
                clock::now(),
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

    fn succeeded(mut self, fetched: Fetched, want: usize) -> Option<QueueReply> {
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
        Some(QueueReply {
            queue,
            owner: self.owner.clone(),
            sent_at: self.sent_at,
            tasks,
            may_have_more: self.has_plenty,
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

impl Drop for FetchCall<'_> {
    fn drop(&mut self) {
        let Processor { gates, .. } = self.processor;
        gates.fetch_ended(self.queue.index, self.has_plenty);
        if self.may_be_lost {
            let owner = self.owner.clone();
            self.processor.restore(self.queue, owner, self.sent_at);
        }
    }
}

/// Owner tokens, unique among all fetches of all servers. They are short, because each fetched task
/// carries one.
pub(in crate::server) struct OwnerTokens {
    server: String,
    next: AtomicU64,
}

impl OwnerTokens {
    pub(in crate::server) fn new() -> Self {
        Self {
            server: clock::unique_name(),
            next: AtomicU64::new(1),
        }
    }

    fn next(&self) -> Str {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        Str::from(format!("{}:{n:x}", self.server))
    }
}

async fn sleep_until(at: Option<Instant>) {
    tokio::time::sleep_until(at.unwrap_or_else(clock::monotonic)).await;
}

async fn acquire(slots: &Arc<Semaphore>, least: usize) -> OwnedSemaphorePermit {
    match Arc::clone(slots).acquire_many_owned(least as u32).await {
        Ok(permits) => permits,
        // The semaphore is never closed.
        Err(_) => std::future::pending().await,
    }
}
