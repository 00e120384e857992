//! One sweep: fetches from the open queues. The runs of a fetch start as soon as its reply is here.

use std::sync::Arc;

use futures_util::future::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::asked_slots::AskedSlots;
use super::budget::{FetchBudget, FetchBudgets};
use super::gate::Gates;
use super::loading::Loading;
use super::lost_fetches::LostFetch;
use super::owner_tokens::OwnerTokens;
use crate::broker::{Broker, FetchLimits, Fetched, LEASE, LargeTask, PendingTask, RawTask, Str};
use crate::clock;
use crate::error::{Error, ErrorKind, Result, warn_if};
use crate::guard::told;
use crate::server::ack::{Acknowledgements, Batch, ExpectedSweep};
use crate::server::owner::Listing;
use crate::server::queues::{Queues, ServedQueue};
use crate::server::run::{Executor, FetchedTask, HeldRuns};
use crate::server::wake::Wakeups;

/// If more queues than this are open, a sweep may first peek which of them have tasks. A peek takes no slot, so many
/// queues can be asked at the same time.
const WORTH_A_PEEK: usize = 4;
/// How many queues are peeked at in one round trip. In strict order the first round trip asks fewer.
pub(super) const PEEK_WINDOW: usize = 256;
const FIRST_PEEK_WINDOW: usize = 16;

/// A fetch that is over. The runs of its tasks have started.
struct Asked<'p> {
    queue: usize,
    /// The slots that it has not needed.
    left: AskedSlots<'p>,
    /// It got no task.
    is_empty: bool,
    /// The queue had as many tasks as were asked for, or as the budget allowed, so it may have more.
    has_plenty: bool,
}

/// What a sweep by weight waits for.
enum Step<'p> {
    Asked(Asked<'p>),
    /// These queues may have tasks.
    Peeked(Vec<usize>),
}

/// Makes the sweeps of a server.
pub(in crate::server) struct Sweeper {
    /// By the index of the queue.
    pub(in crate::server) budgets: FetchBudgets,
    pub(in crate::server) broker: Broker,
    pub(in crate::server) queues: Queues,
    pub(in crate::server) gates: Arc<Gates>,
    pub(in crate::server) wakeups: Arc<Wakeups>,
    pub(in crate::server) held: Arc<HeldRuns>,
    pub(in crate::server) executor: Arc<Executor>,
    pub(in crate::server) acknowledgements: Arc<Acknowledgements>,
    pub(in crate::server) owners: OwnerTokens,
    pub(in crate::server) listing: Arc<Listing>,
    /// To the [`Restorer`](super::Restorer): fetches whose reply was lost, or arrived too late.
    pub(in crate::server) lost: mpsc::UnboundedSender<LostFetch>,
    /// Fires when no more tasks are to be fetched.
    pub(in crate::server) stop: CancellationToken,
}

impl Sweeper {
    /// Fetches from the open queues, at most as many tasks as there are slots. `expected` is dropped once
    /// the first fetch has taken the acknowledgements that it carries.
    pub(super) async fn sweep<'p>(
        &'p self,
        slots: AskedSlots<'p>,
        expected: Option<ExpectedSweep<'p>>,
    ) {
        // The server may have been stopped before this future was polled for the first time.
        if self.stop.is_cancelled() {
            return;
        }
        let open = self.gates.to_ask(self.queues.is_strict());
        if let [only] = open[..] {
            self.fetch(only, slots, expected).await;
        } else if self.queues.is_strict() {
            self.sweep_in_strict_order(&open, slots, expected).await;
        } else {
            self.sweep_by_weight(open, slots, expected).await;
        }
    }

    /// Asks one queue after the other, as long as there are slots. If many are open, peeks tell which queues
    /// are asked, and for how many tasks. Then these are asked at the same time.
    async fn sweep_in_strict_order<'p>(
        &'p self,
        open: &[usize],
        mut slots: AskedSlots<'p>,
        mut expected: Option<ExpectedSweep<'p>>,
    ) {
        // As a rule the first queue fills the sweep.
        let few = match open.len() > WORTH_A_PEEK {
            true => 1,
            false => open.len(),
        };
        let (first, others) = open.split_at(few);
        for &queue in first {
            if !self.gates.is_open(queue) {
                // Another sweep has drained it.
                continue;
            }
            if slots.count() == 0 || !self.gates.takes_a_fetch(queue) || self.stop.is_cancelled() {
                return;
            }
            slots = self.fetch(queue, slots, expected.take()).await.left;
        }
        let (mut others, mut size) = (others, FIRST_PEEK_WINDOW);
        while !others.is_empty() && slots.count() > 0 && !self.stop.is_cancelled() {
            let (window, rest) = others.split_at(size.min(others.len()));
            match self.fetch_in_order(window, slots).await {
                Some(left) => slots = left,
                None => return,
            }
            (others, size) = (rest, (size * 4).min(PEEK_WINDOW));
        }
    }

    /// Asks these queues in strict order. Returns the slots that are left if each queue was asked for all
    /// its tasks.
    async fn fetch_in_order<'p>(
        &'p self,
        queues: &[usize],
        mut slots: AskedSlots<'p>,
    ) -> Option<AskedSlots<'p>> {
        let mut fetches = FuturesUnordered::new();
        let mut is_complete = true;
        for (&queue, pending) in queues.iter().zip(self.peek(queues).await) {
            // Another sweep may have changed the gate.
            if pending == Some(0) || !self.gates.is_open(queue) {
                continue;
            }
            if pending.is_none() {
                while let Some(Asked { left, .. }) = fetches.next().await {
                    slots.merge(left);
                }
            }
            if slots.count() == 0 || !self.gates.takes_a_fetch(queue) || self.stop.is_cancelled() {
                is_complete = false;
                break;
            }
            let Some(tasks) = pending else {
                // Only a fetch tells how many slots are left for the next queue.
                slots = self.fetch(queue, slots, None).await.left;
                continue;
            };
            is_complete = tasks <= slots.count();
            let part = slots.split(tasks);
            fetches.extend(part.map(|part| self.fetch(queue, part, None)));
            if !is_complete {
                break;
            }
        }
        while let Some(Asked { left, .. }) = fetches.next().await {
            slots.merge(left);
        }
        is_complete.then_some(slots)
    }

    /// Distributes the slots over the open queues by their weights. What one queue does not need is
    /// distributed again, as soon as the queue has answered. If several fetches found nothing and many queues
    /// are left, peeks tell which of these have tasks.
    async fn sweep_by_weight<'p>(
        &'p self,
        mut open: Vec<usize>,
        mut slots: AskedSlots<'p>,
        mut expected: Option<ExpectedSweep<'p>>,
    ) {
        let mut steps = FuturesUnordered::new();
        let (mut misses, mut has_peeked, mut is_peeking) = (0, false, false);
        loop {
            let is_worth_a_peek = misses >= WORTH_A_PEEK && open.len() > WORTH_A_PEEK;
            if is_worth_a_peek && !has_peeked && slots.count() > 0 {
                (has_peeked, is_peeking) = (true, true);
                let queues = std::mem::take(&mut open);
                let peek = self.without_empty(queues).map(Step::Peeked);
                steps.push(peek.right_future());
            } else if slots.count() > 0 && !self.stop.is_cancelled() {
                // Another sweep may have drained some of these queues.
                self.gates.retain_to_ask(&mut open);
                let draw = |n| clock::draw(0..n);
                let shares = self.queues.distribute(slots.count(), &open, draw);
                open.retain(|&queue| {
                    let Some(part) = slots.split(shares[queue]) else {
                        return true;
                    };
                    // The fetches of one round are sent together. The first one takes `expected`.
                    let fetch = self.fetch(queue, part, expected.take()).map(Step::Asked);
                    steps.push(fetch.left_future());
                    false
                });
            }
            if open.is_empty() && !is_peeking {
                // The next sweep can have these slots.
                drop(slots.split(usize::MAX));
            }
            match steps.next().await {
                None => return,
                Some(Step::Peeked(queues)) => {
                    is_peeking = false;
                    open.extend(queues);
                }
                Some(Step::Asked(asked)) => {
                    slots.merge(asked.left);
                    if asked.has_plenty {
                        open.push(asked.queue);
                    }
                    misses += usize::from(asked.is_empty);
                }
            }
        }
    }

    /// Fetches from one queue, and starts the runs.
    async fn fetch<'p>(
        &'p self,
        queue: usize,
        slots: AskedSlots<'p>,
        expected: Option<ExpectedSweep<'p>>,
    ) -> Asked<'p> {
        let limits = self.budgets.of(queue).limits(slots.count());
        let carried = self.acknowledgements.take_for_fetch(queue);
        drop(expected);
        let mut fetch = Fetch::new(self, queue);
        // Redis lists this server before it gives it tasks. Otherwise a task that ends this process at once would not
        // be recovered soon.
        if let Err(error) = self.listing.list(&self.broker, fetch.queue).await {
            // Redis does not answer: slots must not wait for that twice.
            if let Some(batch) = carried {
                batch.fail(&error);
            }
            return fetch.failed(&error, slots);
        }
        fetch.may_be_lost = true;
        let fetched = match carried {
            None => {
                let keys = &fetch.queue.keys;
                self.broker.dequeue(keys, limits, &fetch.owner).await
            }
            Some(batch) => fetch.exchange(batch, limits).await,
        };
        match fetched {
            Ok(fetched) => fetch.succeeded(fetched, slots).await,
            Err(error) => fetch.failed(&error, slots),
        }
    }

    /// Asks a queue for the length of its pending list, after a failure.
    pub(super) async fn probe(&self, queue: usize) {
        let queue = self.queues.get(queue);
        let answer = self.broker.count_pending(&queue.keys).await;
        if let Err(error) = &answer {
            let is_news = self.gates.is_news(queue.index, error);
            warn_if!(is_news, queue = queue.name(), %error, "could not fetch tasks");
        }
        let now = clock::monotonic();
        self.gates.probe_ended(queue.index, answer.is_ok(), now);
    }
}

/// A fetch in flight. If it is dropped without a reply, it is reported as a lost fetch.
struct Fetch<'p> {
    sweeper: &'p Sweeper,
    queue: &'p ServedQueue,
    owner: Str,
    sent_at: Instant,
    /// It was sent, and no reply has arrived. So Redis may have moved tasks.
    may_be_lost: bool,
    has_plenty: bool,
    has_ended_for_gate: bool,
}

impl<'p> Fetch<'p> {
    fn new(sweeper: &'p Sweeper, queue: usize) -> Self {
        sweeper.gates.fetch_started(queue);
        Self {
            sweeper,
            queue: sweeper.queues.get(queue),
            owner: sweeper.owners.next(),
            sent_at: clock::monotonic(),
            may_be_lost: false,
            has_plenty: false,
            has_ended_for_gate: false,
        }
    }

    /// Fetches, and acknowledges done tasks in the same call.
    async fn exchange(&self, batch: Batch<'_>, limits: FetchLimits) -> Result<Fetched> {
        let exchanged = self
            .sweeper
            .broker
            .exchange(
                &self.queue.keys,
                &batch.acknowledgements(),
                batch.active_range(),
                limits,
                &self.owner,
                self.sweeper.broker.clock().now(),
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

    async fn succeeded(mut self, fetched: Fetched, mut slots: AskedSlots<'p>) -> Asked<'p> {
        self.may_be_lost = false;
        let Sweeper { gates, wakeups, .. } = self.sweeper;
        let queue = self.queue.index;
        if gates.fetch_succeeded(queue) {
            told(|| tracing::info!(queue = self.queue.name(), "tasks are fetched again"));
        }
        let mut is_empty = true;
        match fetched {
            Fetched::Paused => wakeups.drained(queue, true, true),
            Fetched::Tasks {
                tasks,
                large,
                may_have_more,
                dropped,
            } => {
                if dropped > 0 {
                    told(|| {
                        tracing::warn!(
                            queue = self.queue.name(),
                            ids = dropped,
                            "dropped pending ids whose task is gone or already active"
                        )
                    });
                }
                let brought = tasks.len() + usize::from(large.is_some());
                self.queue.meter.fetched(brought);
                self.has_plenty = may_have_more || tasks.len() == slots.count();
                self.budget().was_answered(&tasks, may_have_more);
                if let Some(large) = large {
                    return Box::pin(self.load(large, slots)).await;
                }
                if !self.has_plenty {
                    wakeups.drained(queue, false, tasks.is_empty());
                }
                is_empty = tasks.is_empty();
                self.start_runs(tasks, &mut slots);
            }
        }
        self.ended(slots, is_empty)
    }

    /// Loads the message of the only task that the fetch has brought, and starts its run. Meanwhile the other
    /// slots are free, and other fetches may ask the queue.
    async fn load(mut self, task: LargeTask, mut slots: AskedSlots<'p>) -> Asked<'p> {
        drop(slots.split(slots.count() - 1));
        self.end_for_gate();
        self.may_be_lost = true;
        let loading = Loading {
            broker: &self.sweeper.broker,
            queue: self.queue,
            owner: &self.owner,
            budget: self.budget(),
        };
        if let Some(message) = loading.load(&task, &mut self.sent_at).await {
            self.may_be_lost = false;
            let LargeTask { id, since, .. } = task;
            let task = RawTask { id, message };
            self.start_runs(vec![PendingTask { task, since }], &mut slots);
        }
        self.ended(slots, false)
    }

    fn budget(&self) -> &'p FetchBudget {
        self.sweeper.budgets.of(self.queue.index)
    }

    /// The gate of the queue counts the fetch no more.
    fn end_for_gate(&mut self) {
        if !std::mem::replace(&mut self.has_ended_for_gate, true) {
            let gates = &self.sweeper.gates;
            gates.fetch_ended(self.queue.index, self.has_plenty);
        }
    }

    /// Starts the runs of the tasks that the fetch has brought. After the stop it requeues them instead: some of them
    /// may have been enqueued later than the stop.
    fn start_runs(&self, tasks: Vec<PendingTask>, slots: &mut AskedSlots<'p>) {
        if tasks.is_empty() {
            return;
        }
        let Sweeper {
            broker,
            held,
            executor,
            stop,
            ..
        } = self.sweeper;
        if clock::monotonic().saturating_duration_since(self.sent_at) >= LEASE {
            // Other servers may have some of the tasks by now. The remaining tasks are restored.
            told(|| {
                tracing::warn!(
                    queue = self.queue.name(),
                    "a fetch took longer than the leases of its tasks"
                )
            });
            self.report_lost();
            return;
        }
        let mut fetched = Vec::with_capacity(tasks.len());
        for PendingTask { task, since } in tasks {
            // A fetch never brings more tasks than it has slots.
            let Some(permit) = slots.take_one() else {
                break;
            };
            fetched.push(FetchedTask {
                queue: self.queue.clone(),
                id: task.id,
                owner: self.owner.clone(),
                raw: task.message,
                pending_since: since,
                sent_at: self.sent_at,
                permit,
            });
        }
        let is_stopped = stop.is_cancelled();
        for run in held.hold(broker, fetched) {
            match is_stopped {
                true => executor.requeue(&run),
                false => executor.execute(run),
            }
        }
    }

    fn failed(mut self, error: &Error, slots: AskedSlots<'p>) -> Asked<'p> {
        let Sweeper { gates, .. } = self.sweeper;
        self.queue.meter.fetch_failed();
        let is_news = gates.is_news(self.queue.index, error);
        told(|| warn_if!(is_news, queue = self.queue.name(), %error, "could not fetch tasks"));
        // A fetch that Redis has refused has moved nothing.
        self.may_be_lost &= error.kind() != ErrorKind::Redis;
        if error.is_outage() {
            self.budget().timed_out();
        }
        gates.fetch_failed(self.queue.index, clock::monotonic());
        self.ended(slots, true)
    }

    fn report_lost(&self) {
        let _ = self.sweeper.lost.send(LostFetch {
            queue: self.queue.keys.clone(),
            owner: self.owner.clone(),
            sent_at: self.sent_at,
        });
    }

    fn ended(&self, left: AskedSlots<'p>, is_empty: bool) -> Asked<'p> {
        Asked {
            queue: self.queue.index,
            left,
            is_empty,
            has_plenty: self.has_plenty,
        }
    }
}

impl Drop for Fetch<'_> {
    fn drop(&mut self) {
        self.end_for_gate();
        if self.may_be_lost {
            self.report_lost();
        }
    }
}
