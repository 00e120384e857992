//! What a server holds: every task from its fetch until Redis has confirmed how it ended.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::wakeups::Wakeups;
use crate::broker::{Broker, Claim, LEASE, Str};
use crate::run::{ResultSink, RunSeed, Slot, TaskContext};
use crate::task::DEFAULT_TIMEOUT;
use crate::wire::{DecodeError, QueueKeys, TaskMessage};

/// So many ids of active tasks are read at little cost.
const SHORT_STRETCH: usize = 256;

/// One task that this server holds.
pub(super) struct Run {
    /// Its number in this process.
    pub(super) number: u64,
    pub(super) queue: QueueKeys,
    /// The queue's place among those of this server.
    pub(super) queue_index: usize,
    pub(super) id: Str,
    /// The name of the fetch that took it.
    pub(super) owner: Str,
    /// The message as it was fetched.
    pub(super) raw: Bytes,
    /// What could be decoded: of a message that does not decode, the id and the queue.
    pub(super) message: Arc<TaskMessage>,
    pub(super) undecodable: Option<DecodeError>,
    began: OnceLock<Began>,
    /// What the handler sees of it, and how it is ended.
    pub(super) context: TaskContext,
    lease: Lease,
    /// The handler has answered, or will not be asked any more.
    ended: AtomicBool,
    /// Redis has refused to be told how it ended.
    refused: AtomicBool,
}

/// When a run began, and when it has to have ended.
#[derive(Clone, Copy)]
pub(super) struct Began {
    pub(super) at: DateTime<Utc>,
    pub(super) deadline: DateTime<Utc>,
}

/// Until when a lease certainly lasts, seen from here: counted from before Redis was asked.
struct Lease {
    base: Instant,
    until_ms: AtomicU64,
}

impl Lease {
    fn granted(asked_at: Instant) -> Self {
        Self {
            base: asked_at,
            until_ms: AtomicU64::new(LEASE.as_millis() as u64),
        }
    }

    fn renewed(&self, asked_at: Instant) {
        let until = asked_at.saturating_duration_since(self.base) + LEASE;
        self.until_ms
            .fetch_max(until.as_millis() as u64, Ordering::Relaxed);
    }

    fn is_valid(&self) -> bool {
        self.base.elapsed() < Duration::from_millis(self.until_ms.load(Ordering::Relaxed))
    }
}

/// A task as a fetch brought it.
pub(super) struct Taken {
    pub(super) queue: QueueKeys,
    pub(super) queue_index: usize,
    pub(super) id: Str,
    pub(super) owner: Str,
    pub(super) raw: Bytes,
    /// Or why it does not decode.
    pub(super) message: Result<TaskMessage, DecodeError>,
    /// When the fetch was sent.
    pub(super) asked_at: Instant,
    pub(super) slot: Arc<Slot>,
}

impl Run {
    /// The run begins now: from here its timeout counts.
    pub(super) fn begin(&self) -> Began {
        let at = Utc::now();
        let deadline = deadline(&self.message, at);
        self.context.set_deadline(deadline);
        *self.began.get_or_init(|| Began { at, deadline })
    }

    /// `None`: it waits for its turn.
    pub(super) fn began(&self) -> Option<Began> {
        self.began.get().copied()
    }

    /// Whether nobody else can have been given the task, as far as can be told from here.
    pub(super) fn has_lease(&self) -> bool {
        self.lease.is_valid()
    }

    /// Notes that the lease was renewed by a call made at `asked_at`.
    pub(super) fn lease_renewed(&self, asked_at: Instant) {
        self.lease.renewed(asked_at);
    }

    /// Whether the handler is done, one way or the other.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    pub(super) fn set_ended(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// The right to write about the task. Past the lease, Redis compares the message as well.
    pub(super) fn claim(&self) -> Claim {
        Claim {
            id: self.id.clone(),
            owner: self.owner.clone(),
            original: (!self.has_lease()).then(|| self.raw.clone()),
        }
    }
}

/// All tasks that a server holds.
#[derive(Default)]
pub(super) struct Runs {
    held: Mutex<Held>,
    /// Told whenever a run goes.
    gone: Notify,
}

#[derive(Default)]
struct Held {
    /// By number, and so in the order of their fetches.
    runs: BTreeMap<u64, Arc<Run>>,
    /// How many of them Redis has refused to be told of.
    refused: usize,
    next: u64,
}

impl Runs {
    /// Begins to hold tasks, in the order of their fetch.
    pub(super) fn hold(&self, broker: &Broker, taken: Vec<Taken>) -> Vec<(Arc<Run>, Arc<Slot>)> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        taken
            .into_iter()
            .map(|taken| {
                let number = held.next;
                held.next += 1;
                let (message, undecodable) = match taken.message {
                    Ok(message) => (message, None),
                    Err(error) => {
                        let known = TaskMessage {
                            id: taken.id.to_string(),
                            queue: taken.queue.queue().to_owned(),
                            ..TaskMessage::default()
                        };
                        (known, Some(error))
                    }
                };
                let message = Arc::new(message);
                let context = TaskContext::new(RunSeed {
                    message: Arc::clone(&message),
                    cancellation: CancellationToken::new(),
                    results: ResultSink::Broker {
                        broker: broker.clone(),
                        owner: taken.owner.clone(),
                    },
                    slot: Arc::clone(&taken.slot),
                });
                let run = Arc::new(Run {
                    number,
                    queue: taken.queue,
                    queue_index: taken.queue_index,
                    id: taken.id,
                    owner: taken.owner,
                    raw: taken.raw,
                    message,
                    ended: AtomicBool::new(undecodable.is_some()),
                    refused: AtomicBool::new(false),
                    undecodable,
                    began: OnceLock::new(),
                    context,
                    lease: Lease::granted(taken.asked_at),
                });
                held.runs.insert(number, Arc::clone(&run));
                (run, taken.slot)
            })
            .collect()
    }

    /// Stops holding tasks.
    pub(super) fn forget<'r>(
        &self,
        runs: impl IntoIterator<Item = &'r Arc<Run>>,
        wakeups: &Wakeups,
    ) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        for run in runs {
            held.runs.remove(&run.number);
            if run.refused.load(Ordering::Relaxed) {
                held.refused -= 1;
                wakeups.one_refused_less(run.queue_index);
            }
        }
        drop(held);
        self.gone.notify_one();
    }

    /// Notes that Redis has refused to be told how a run ended. It no longer counts against the
    /// other queues, while its own is not fetched from if there are many.
    pub(super) fn set_refused(&self, run: &Run, wakeups: &Wakeups) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if !run.refused.swap(true, Ordering::Relaxed) {
            held.refused += 1;
            wakeups.one_refused_more(run.queue_index);
        }
        drop(held);
        self.gone.notify_one();
    }

    /// How many tasks are held, but for those that Redis has refused to be told of.
    pub(super) fn len(&self) -> usize {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.runs.len() - held.refused
    }

    /// Everything that is held now, in the order of the fetches.
    pub(super) fn all(&self) -> Vec<Arc<Run>> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.runs.values().cloned().collect()
    }

    /// A hint where in `active` these stand: among the first n (n > 0) or the last −n. Counted from the
    /// runs of this server over all queues, so that it may be too short (others share the list) or too
    /// long; `lua/lib/withdraw.lua` then searches the whole list.
    pub(super) fn stretch(&self, runs: &[Arc<Run>]) -> i64 {
        let numbers = || runs.iter().map(|run| run.number);
        let (Some(first), Some(last)) = (numbers().min(), numbers().max()) else {
            return -1;
        };
        // a longer stretch is not worth reading
        let most = 4 * runs.len() + SHORT_STRETCH;
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let from_oldest = held.runs.range(..=last).take(most).count();
        let from_youngest = held.runs.range(first..).take(most).count();
        drop(held);
        if from_oldest < most {
            -(from_oldest as i64)
        } else {
            // fetches that are under way push more in front of them
            (from_youngest + SHORT_STRETCH) as i64
        }
    }

    /// Waits until a run goes; one that went since the last wait counts.
    pub(super) async fn one_gone(&self) {
        self.gone.notified().await;
    }
}

/// When a run that begins now has to have ended.
fn deadline(message: &TaskMessage, now: DateTime<Utc>) -> DateTime<Utc> {
    let far = DateTime::<Utc>::MAX_UTC;
    let timeout = u64::try_from(message.timeout).ok().filter(|secs| *secs > 0);
    let by_timeout = timeout.map(|secs| later(now, secs));
    let by_deadline =
        (message.deadline != 0).then(|| match DateTime::from_timestamp(message.deadline, 0) {
            Some(at) => at,
            None if message.deadline < 0 => DateTime::<Utc>::MIN_UTC,
            None => far,
        });
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
