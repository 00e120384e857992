//! Fetches tasks for free workers, in one call per queue, for at most half of them at a time if they are
//! many: one half is fetched while the other runs. A fetch takes along what few runs have just ended.
//!
//! Each fetch holds the permits of the places it is for, so that what it brings begins at once: a fetched
//! task has a lease and must be running, unless the server was told to prefetch. Ended runs count until
//! Redis has confirmed them, against the concurrency once more; those that Redis has refused count for
//! their queue alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::Utc;
use futures_util::future::{BoxFuture, join_all};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::endings::{Endings, Group, Hold};
use super::lost_fetches::LostFetch;
use super::queues::Queues;
use super::runs::{Runs, Taken};
use super::service::{Backoff, jittered};
use super::wakeups::Wakeups;
use super::worker::Worker;
use crate::broker::{Broker, Dequeued, LEASE, Str};
use crate::error::{ErrorKind, Result};
use crate::run::Slot;
use crate::unique;
use crate::wire::{self, QueueKeys};

/// How many fetches are under way at once.
const FETCHES_IN_FLIGHT: usize = 2;
/// A call for fewer costs more besides its tasks than with them: fewer are not halved, and wait for handlers
/// that are about to end.
const WORTH_A_CALL: usize = 16;
/// The most tasks of one fetch: a sixteenth of the places, but not less or more than these.
const FETCH_CAP_LOW: usize = 128;
const FETCH_CAP_HIGH: usize = 1_000;

/// How often a fetch for few lets others run first, as long as that frees more workers.
const MOST_YIELDS: usize = 4;

/// asynq: `processor`.
pub(super) struct Processor {
    pub(super) broker: Broker,
    pub(super) queues: Queues,
    pub(super) wakeups: Arc<Wakeups>,
    pub(super) runs: Arc<Runs>,
    pub(super) worker: Arc<Worker>,
    pub(super) endings: Arc<Endings>,
    pub(super) concurrency: usize,
    /// How many tasks are held beyond those that run.
    pub(super) prefetch: usize,
    pub(super) task_check_interval: Duration,
    /// To `lost_fetches`: fetches whose reply was lost or came too late.
    pub(super) lost: mpsc::UnboundedSender<LostFetch>,
}

/// What a fetch brought, and the permits of the workers it was made for.
struct Fetched {
    permit: OwnedSemaphorePermit,
    answers: Vec<Answer>,
}

/// What one queue, by its index, answered.
struct Answer {
    queue: usize,
    got: usize,
    said: Said,
}

enum Said {
    /// There were as many tasks as were asked for.
    More(Batch),
    /// These were all; perhaps none.
    Drained(Batch),
    Paused,
    Failed,
}

/// Tasks that one call brought.
struct Batch {
    owner: Str,
    asked_at: Instant,
    tasks: Vec<(Str, bytes::Bytes)>,
}

impl Processor {
    /// Fetches until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) {
        // places for tasks
        let all = self.concurrency + self.prefetch;
        let slots = Arc::new(Semaphore::new(all));
        let names = FetchNames::new();
        let worth_a_call = WORTH_A_CALL.min(all);
        // half of the places at the most, if they are many: while one half is run, the other is fetched
        let most = all
            .div_ceil(FETCHES_IN_FLIGHT)
            .max(worth_a_call)
            .min((all / 16).clamp(FETCH_CAP_LOW, FETCH_CAP_HIGH));
        // how many tasks the fetches under way may bring
        let mut under_way = 0;
        let mut fetches: FuturesUnordered<BoxFuture<'_, Fetched>> = FuturesUnordered::new();
        // of queues that could not be asked
        let mut pauses: FuturesUnordered<BoxFuture<'_, usize>> = FuturesUnordered::new();
        let mut backoffs: Vec<Backoff> = (0..self.queues.len()).map(|_| Backoff::new()).collect();
        // while nobody watches: when all queues are asked again
        let mut recheck_at = Instant::now() + jittered(self.task_check_interval);
        // few ended runs wait for the fetch that their slots set off
        let mut hold = None;
        loop {
            let room = (self.concurrency + all).saturating_sub(self.runs.len() + under_way);
            let any_to_ask = self
                .wakeups
                .to_ask(self.queues.is_strict())
                .next()
                .is_some();
            let may_fetch = any_to_ask && fetches.len() < FETCHES_IN_FLIGHT && room > 0;
            // beside another fetch only a large one is worth a call of its own
            let least = match fetches.is_empty() {
                true => 1,
                false => (most / 2).clamp(1, room.max(1)),
            };
            if !(may_fetch && least == 1) {
                hold = None;
            } else if hold.is_none() {
                hold = Some(self.endings.hold());
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(fetched) = fetches.next(), if !fetches.is_empty() => {
                    for answer in &fetched.answers {
                        let backoff = &mut backoffs[answer.queue];
                        if let Said::Failed = answer.said {
                            let queue = answer.queue;
                            // one pause for all fetches that failed together
                            if !self.wakeups.rest(queue) {
                                let pause = backoff.pause();
                                pauses.push(Box::pin(async move {
                                    tokio::time::sleep(pause).await;
                                    queue
                                }));
                            }
                        } else {
                            backoff.reset();
                        }
                    }
                    under_way -= fetched.permit.num_permits();
                    self.begin(fetched);
                }
                Some(queue) = pauses.next(), if !pauses.is_empty() => self.wakeups.rested(queue),
                permit = Arc::clone(&slots).acquire_many_owned(least as u32), if may_fetch => {
                    // the semaphore is never closed
                    let Ok(mut permit) = permit else { break };
                    for _ in 0..MOST_YIELDS {
                        let before = slots.available_permits();
                        if before + least >= worth_a_call {
                            break;
                        }
                        tokio::task::yield_now().await;
                        if slots.available_permits() <= before {
                            break;
                        }
                    }
                    let more = slots.available_permits().min(most.min(room).saturating_sub(least));
                    if let Ok(others) = Arc::clone(&slots).try_acquire_many_owned(more as u32) {
                        permit.merge(others);
                    }
                    under_way += permit.num_permits();
                    fetches.push(Box::pin(self.fetch(permit, &names, hold.take(), &stop)));
                }
                () = self.runs.one_gone(), if room == 0 => {}
                () = self.wakeups.ready_changed(), if !any_to_ask => {}
                () = tokio::time::sleep_until(recheck_at), if !self.wakeups.is_watched() => {
                    recheck_at = Instant::now() + jittered(self.task_check_interval);
                    self.wakeups.all_ready();
                }
            }
        }
        drop(hold);
        // what was on its way is run, and a shutdown waits for it as for the others; or it is given back,
        // where tasks are prefetched
        while let Some(fetched) = fetches.next().await {
            self.begin(fetched);
        }
        self.endings.fetching_is_over();
    }

    /// One fetch over all queues that may have tasks, for as many as there are permits. After `stop` it
    /// asks no more.
    async fn fetch(
        &self,
        permit: OwnedSemaphorePermit,
        names: &FetchNames,
        hold: Option<Hold<'_>>,
        stop: &CancellationToken,
    ) -> Fetched {
        let want = permit.num_permits();
        let answers = if self.queues.is_strict() {
            self.fetch_strictly(want, names, hold, stop).await
        } else {
            self.fetch_weighted(want, names, hold, stop).await
        };
        Fetched { permit, answers }
    }

    async fn fetch_strictly(
        &self,
        mut want: usize,
        names: &FetchNames,
        mut hold: Option<Hold<'_>>,
        stop: &CancellationToken,
    ) -> Vec<Answer> {
        let mut answers = Vec::new();
        for queue in self.wakeups.to_ask(true).collect::<Vec<_>>() {
            if stop.is_cancelled() {
                break;
            }
            let answer = self.ask(queue, want, names, hold.take()).await;
            want -= answer.got;
            answers.push(answer);
            if want == 0 {
                break;
            }
        }
        answers
    }

    async fn fetch_weighted(
        &self,
        mut want: usize,
        names: &FetchNames,
        mut hold: Option<Hold<'_>>,
        stop: &CancellationToken,
    ) -> Vec<Answer> {
        let mut open: Vec<usize> = self.wakeups.to_ask(false).collect();
        let mut answers = Vec::new();
        while want > 0 && !open.is_empty() && !stop.is_cancelled() {
            // another fetch may have found some of them empty
            open.retain(|queue| self.wakeups.is_to_ask(*queue));
            let dealt = self.queues.deal(want, &open, &mut rand::rng());
            let asked = open.iter().filter(|queue| dealt[**queue] > 0);
            // all of a round are sent by one poll: hardly anyone comes in between when the first has
            // released the hold
            let round = asked.map(|queue| self.ask(*queue, dealt[*queue], names, hold.take()));
            for answer in join_all(round).await {
                want -= answer.got;
                if !matches!(answer.said, Said::More(_)) {
                    // what it did not fill is dealt to the others
                    open.retain(|queue| *queue != answer.queue);
                }
                answers.push(answer);
            }
        }
        answers
    }

    /// Asks one queue, telling it what few of its runs have ended, and notes what that tells of it. Then
    /// releases `hold`.
    async fn ask(
        &self,
        queue: usize,
        want: usize,
        names: &FetchNames,
        hold: Option<Hold<'_>>,
    ) -> Answer {
        let along = self.endings.take_few(queue);
        drop(hold);
        let keys = self.queues.get(queue);
        let owner = names.next();
        let asked_at = Instant::now();
        // dropped before there is an answer, what it takes has to be looked for
        let mut reply_is_due = ReplyIsDue(
            Some(LostFetch {
                queue: keys.clone(),
                owner: owner.clone(),
                asked_at,
            }),
            &self.lost,
        );
        self.wakeups.asking(queue);
        let dequeued = match along {
            None => self.broker.dequeue(keys, want, &owner).await,
            Some(group) => self.exchange(keys, group, want, &owner).await,
        };
        let unanswered = reply_is_due.0.take();
        let (got, said) = match dequeued {
            Ok(Dequeued::Paused) => {
                self.wakeups.drained(queue, true, true);
                (0, Said::Paused)
            }
            Ok(Dequeued::Tasks { tasks, dropped }) => {
                if dropped > 0 {
                    tracing::warn!(
                        queue = keys.queue(),
                        ids = dropped,
                        "dropped pending ids whose task is gone, or active already"
                    );
                }
                let got = tasks.len();
                let batch = Batch {
                    owner,
                    asked_at,
                    tasks,
                };
                if got < want {
                    self.wakeups.drained(queue, false, got == 0);
                    (got, Said::Drained(batch))
                } else {
                    (got, Said::More(batch))
                }
            }
            Err(error) => {
                tracing::warn!(queue = keys.queue(), %error, "could not fetch tasks");
                if error.kind() != ErrorKind::Redis
                    && let Some(fetch) = unanswered
                {
                    // it may have taken some: they are looked for, never asked for again
                    let _ = self.lost.send(fetch);
                }
                (0, Said::Failed)
            }
        };
        self.wakeups.answered(queue, got == want);
        Answer { queue, got, said }
    }

    /// Tells of runs that have ended, and fetches.
    async fn exchange(
        &self,
        queue: &QueueKeys,
        group: Group<'_>,
        want: usize,
        owner: &Str,
    ) -> Result<Dequeued> {
        let ended = group.done();
        let exchanged = self
            .broker
            .exchange(queue, &ended, group.stretch(), want, owner, Utc::now())
            .await;
        match exchanged {
            Ok((dequeued, held)) => {
                group.told(held);
                dequeued
            }
            Err(error) => {
                group.failed(&error);
                Err(error)
            }
        }
    }

    /// Begins to run what a fetch brought; the permits that it did not need fall back.
    fn begin(&self, fetched: Fetched) {
        let mut permit = fetched.permit;
        for answer in fetched.answers {
            let (Said::More(batch) | Said::Drained(batch)) = answer.said else {
                continue;
            };
            let queue = self.queues.get(answer.queue);
            if batch.asked_at.elapsed() >= LEASE {
                // too late to begin: others may have taken them; what they have not goes back
                tracing::warn!(
                    queue = queue.queue(),
                    "a fetch took longer than its leases last"
                );
                let _ = self.lost.send(LostFetch {
                    queue: queue.clone(),
                    owner: batch.owner,
                    asked_at: batch.asked_at,
                });
                continue;
            }
            let mut taken = Vec::with_capacity(batch.tasks.len());
            for (id, raw) in batch.tasks {
                let message = wire::decode_task(raw.clone());
                // a fetch never brings more than it has permits for
                let Some(slot) = permit.split(1) else { break };
                taken.push(Taken {
                    queue: queue.clone(),
                    queue_index: answer.queue,
                    owner: batch.owner.clone(),
                    asked_at: batch.asked_at,
                    slot: Slot::new(Some(slot)),
                    id,
                    raw,
                    message,
                });
            }
            for (run, slot) in self.runs.hold(&self.broker, taken) {
                self.worker.start(run, slot);
            }
        }
    }
}

/// A fetch on its way, and whom to tell if nobody waits for its reply any more.
struct ReplyIsDue<'p>(Option<LostFetch>, &'p mpsc::UnboundedSender<LostFetch>);

impl Drop for ReplyIsDue<'_> {
    fn drop(&mut self) {
        if let Some(fetch) = self.0.take() {
            let _ = self.1.send(fetch);
        }
    }
}

/// Names for fetches, unique in the world, and short: each of their tasks carries one.
struct FetchNames {
    server: String,
    next: AtomicU64,
}

impl FetchNames {
    fn new() -> Self {
        Self {
            server: unique::name(),
            next: AtomicU64::new(1),
        }
    }

    fn next(&self) -> Str {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        Str::from(format!("{}:{n:x}", self.server))
    }
}
