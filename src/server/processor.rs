//! Fetches tasks for free workers: as many as there are, in one call per queue.
//!
//! It never holds more than runs: a fetched task has a lease and must be running. What has ended
//! and is not yet confirmed by Redis is bounded by the concurrency too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::{BoxFuture, join_all};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::queues::Queues;
use super::recoverer::LostFetch;
use super::runs::{Runs, Taken};
use super::service::{Backoff, jittered};
use super::worker::Worker;
use crate::broker::{Broker, Dequeued, Str};
use crate::error::Result;
use crate::task::DEFAULT_TIMEOUT;
use crate::wire::{self, QueueKeys, TaskMessage};

/// How many fetches are under way at once.
const FETCHES_IN_FLIGHT: usize = 2;
/// The most tasks of one fetch, but for the largest servers.
const MAX_FETCH: usize = 64;

/// asynq: `processor`.
pub(super) struct Processor {
    pub(super) broker: Broker,
    pub(super) queues: Queues,
    pub(super) runs: Arc<Runs>,
    pub(super) worker: Arc<Worker>,
    pub(super) concurrency: usize,
    pub(super) task_check_interval: Duration,
    /// To the recoverer.
    pub(super) lost: mpsc::UnboundedSender<LostFetch>,
    /// Names this server's fetches.
    pub(super) server_id: String,
}

/// What a fetch brought, and the permits of the workers it was made for.
struct Fetched {
    permit: OwnedSemaphorePermit,
    batches: Vec<Batch>,
    /// Every queue was found empty or paused.
    drained: bool,
    failed: bool,
}

/// What one call brought from one queue.
struct Batch {
    queue: QueueKeys,
    owner: Str,
    asked_at: Instant,
    tasks: Vec<(Str, bytes::Bytes)>,
}

impl Processor {
    /// Fetches until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) {
        let slots = Arc::new(Semaphore::new(self.concurrency));
        let names = FetchNames::new(&self.server_id);
        let most = MAX_FETCH.max(self.concurrency / 16);
        let mut fetches: FuturesUnordered<BoxFuture<'_, Fetched>> = FuturesUnordered::new();
        let mut backoff = Backoff::new();
        // when to look again after the queues were found empty
        let mut idle_until: Option<Instant> = None;
        loop {
            let room = (2 * self.concurrency).saturating_sub(self.runs.len());
            let may_fetch = idle_until.is_none() && fetches.len() < FETCHES_IN_FLIGHT && room > 0;
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(fetched) = fetches.next(), if !fetches.is_empty() => {
                    let (found, drained, failed) =
                        (!fetched.batches.is_empty(), fetched.drained, fetched.failed);
                    self.begin(fetched);
                    if failed {
                        idle_until = Some(Instant::now() + backoff.pause());
                    } else {
                        backoff.reset();
                        if drained && !found {
                            idle_until = Some(Instant::now() + jittered(self.task_check_interval));
                        }
                    }
                }
                permit = Arc::clone(&slots).acquire_owned(), if may_fetch => {
                    // the semaphore is never closed
                    let Ok(mut permit) = permit else { break };
                    let more = slots.available_permits().min(most - 1).min(room - 1);
                    if let Ok(others) = Arc::clone(&slots).try_acquire_many_owned(more as u32) {
                        permit.merge(others);
                    }
                    fetches.push(Box::pin(self.fetch(permit, &names)));
                }
                () = self.runs.one_gone(), if room == 0 => {}
                () = tokio::time::sleep_until(idle_until.unwrap_or_else(Instant::now)), if idle_until.is_some() => {
                    idle_until = None;
                }
            }
        }
        // what was on its way is run: a shutdown waits for it as for the others
        while let Some(fetched) = fetches.next().await {
            self.begin(fetched);
        }
    }

    /// One fetch over all queues for as many tasks as there are permits.
    async fn fetch(&self, permit: OwnedSemaphorePermit, names: &FetchNames) -> Fetched {
        let want = permit.num_permits();
        let mut fetched = Fetched {
            permit,
            batches: Vec::new(),
            drained: false,
            failed: false,
        };
        if self.queues.is_strict() {
            self.fetch_strictly(want, names, &mut fetched).await;
        } else {
            self.fetch_weighted(want, names, &mut fetched).await;
        }
        fetched
    }

    async fn fetch_strictly(&self, mut want: usize, names: &FetchNames, fetched: &mut Fetched) {
        for queue in self.queues.all() {
            want -= self.ask(queue, want, names).await.enter(fetched);
            if want == 0 {
                return;
            }
        }
        fetched.drained = true;
    }

    async fn fetch_weighted(&self, mut want: usize, names: &FetchNames, fetched: &mut Fetched) {
        let mut open: Vec<usize> = (0..self.queues.len()).collect();
        while want > 0 && !open.is_empty() {
            let dealt = self.queues.deal(want, &open, &mut rand::rng());
            let asked: Vec<usize> = open.iter().copied().filter(|i| dealt[*i] > 0).collect();
            let answers = join_all(
                asked
                    .iter()
                    .map(|i| self.ask(self.queues.get(*i), dealt[*i], names)),
            )
            .await;
            for (i, answer) in asked.into_iter().zip(answers) {
                let got = answer.enter(fetched);
                want -= got;
                if got < dealt[i] {
                    // what it did not fill is dealt to the others
                    open.retain(|other| *other != i);
                }
            }
        }
        fetched.drained = open.is_empty();
    }

    /// Asks one queue.
    async fn ask(&self, queue: &QueueKeys, want: usize, names: &FetchNames) -> Answer {
        let owner = names.next();
        let asked_at = Instant::now();
        match self.broker.dequeue(queue, want, &owner).await {
            Ok(Dequeued::Paused) => Answer(Ok(None)),
            Ok(Dequeued::Tasks { tasks, dropped }) => {
                if dropped > 0 {
                    tracing::warn!(
                        queue = queue.queue(),
                        ids = dropped,
                        "dropped pending ids whose task is gone"
                    );
                }
                Answer(Ok(Some(Batch {
                    queue: queue.clone(),
                    owner,
                    asked_at,
                    tasks,
                })))
            }
            Err(error) => {
                tracing::warn!(queue = queue.queue(), %error, "could not fetch tasks");
                if error.is_transient() {
                    // it may have taken some: they are looked for, never asked for again
                    let queue = queue.clone();
                    let _ = self.lost.send(LostFetch { queue, owner });
                }
                Answer(Err(error))
            }
        }
    }

    /// Begins to run what a fetch brought; the permits that it did not need fall back.
    fn begin(&self, fetched: Fetched) {
        let mut permit = fetched.permit;
        let now = Utc::now();
        for batch in fetched.batches {
            let mut taken = Vec::with_capacity(batch.tasks.len());
            for (id, raw) in batch.tasks {
                let message = wire::decode_task(raw.clone());
                // a fetch never brings more than it has permits for
                let Some(slot) = permit.split(1) else { break };
                taken.push(Taken {
                    deadline: message
                        .as_ref()
                        .map_or(now, |message| deadline(message, now)),
                    queue: batch.queue.clone(),
                    owner: batch.owner.clone(),
                    asked_at: batch.asked_at,
                    slot: Arc::new(slot),
                    id,
                    raw,
                    message,
                });
            }
            for (run, slot) in self.runs.begin(&self.broker, taken) {
                self.worker.start(run, slot);
            }
        }
    }
}

struct Answer(Result<Option<Batch>>);

impl Answer {
    /// Adds it to the fetch. Returns how many tasks came.
    fn enter(self, fetched: &mut Fetched) -> usize {
        match self.0 {
            Ok(Some(batch)) if !batch.tasks.is_empty() => {
                let got = batch.tasks.len();
                fetched.batches.push(batch);
                got
            }
            Ok(_) => 0,
            Err(_) => {
                fetched.failed = true;
                0
            }
        }
    }
}

/// Names for fetches, unique in the world.
struct FetchNames {
    server_id: String,
    next: AtomicU64,
}

impl FetchNames {
    fn new(server_id: &str) -> Self {
        Self {
            server_id: server_id.to_owned(),
            next: AtomicU64::new(1),
        }
    }

    fn next(&self) -> Str {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        Str::from(format!("{}:{n}", self.server_id))
    }
}

/// When a run that begins now has to have ended.
fn deadline(message: &TaskMessage, now: DateTime<Utc>) -> DateTime<Utc> {
    let far = DateTime::<Utc>::MAX_UTC;
    let timeout = u64::try_from(message.timeout).ok().filter(|secs| *secs > 0);
    let by_timeout = timeout.map(|secs| later(now, secs));
    let by_deadline = (message.deadline != 0)
        .then(|| DateTime::from_timestamp(message.deadline, 0).unwrap_or(far));
    match (by_timeout, by_deadline) {
        (Some(one), Some(other)) => one.min(other),
        (Some(one), None) | (None, Some(one)) => one,
        // COMPAT: asynq v0.26.0 `computeDeadline` falls back to its default as well
        (None, None) => later(now, DEFAULT_TIMEOUT.as_secs()),
    }
}

fn later(now: DateTime<Utc>, secs: u64) -> DateTime<Utc> {
    i64::try_from(secs)
        .ok()
        .and_then(chrono::TimeDelta::try_seconds)
        .and_then(|delta| now.checked_add_signed(delta))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}
