//! The runs that a server holds: each from the fetch of its task until Redis has confirmed its
//! acknowledgement, or until the server has ended the run because it lost its lease.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::Instant;

use super::deadline;
use super::polls::Polls;
use crate::broker::{ActiveRange, Broker, Claim, LEASE, RedisClock, Str};
use crate::clock;
use crate::metrics::RunMeter;
use crate::run::{ResultSink, RunSeed, Slot, TaskContext};
use crate::server::fetch::Gates;
use crate::server::queues::ServedQueue;
use crate::wire::{self, DecodeError, TaskMessage};

/// Reading a range of *active* this long costs Redis little.
const SHORT_RANGE: usize = 256;

/// A task that a fetch has brought, and the permit of its slot.
pub(in crate::server) struct FetchedTask {
    pub(in crate::server) queue: ServedQueue,
    pub(in crate::server) id: Str,
    pub(in crate::server) owner: Str,
    pub(in crate::server) raw: Bytes,
    /// Since when it was pending, by Redis' clock, if that is known.
    pub(in crate::server) pending_since: Option<DateTime<Utc>>,
    /// When the fetch was sent.
    pub(in crate::server) sent_at: Instant,
    pub(in crate::server) permit: OwnedSemaphorePermit,
}

/// One run that this server holds.
pub(in crate::server) struct HeldRun {
    /// Its number, in the order in which the tasks arrived.
    pub(in crate::server) number: u64,
    pub(in crate::server) queue: ServedQueue,
    pub(in crate::server) id: Str,
    /// The owner token of the fetch that brought the task.
    pub(in crate::server) owner: Str,
    /// The message as it was fetched.
    raw: Bytes,
    /// The decoded message. If the stored message does not decode, this one has only the id and the queue.
    pub(in crate::server) message: Arc<TaskMessage>,
    pub(in crate::server) undecodable: Option<DecodeError>,
    started: OnceLock<Started>,
    /// Shows whether the handler has been in one poll for long.
    pub(super) polls: Polls,
    pub(super) meter: RunMeter,
    /// The handler's view of the run. The server ends the run through it.
    pub(in crate::server) context: TaskContext,
    pub(super) slot: Arc<Slot>,
    lease: Lease,
    /// The handler has finished, or will not be called.
    finished: AtomicBool,
    /// Its acknowledgement waits, or it is no longer held.
    settled: AtomicBool,
    /// Redis has refused the acknowledgement, or one of its list.
    refused: AtomicBool,
}

/// When a run started, and by when it must have ended, by Redis' clock.
#[derive(Clone, Copy)]
pub(in crate::server) struct Started {
    pub(in crate::server) at: DateTime<Utc>,
    pub(in crate::server) deadline: DateTime<Utc>,
    /// The deadline by the monotonic clock. `None`: it is too far away.
    pub(in crate::server) ends_by: Option<Instant>,
    /// The same as `at`, by the monotonic clock.
    since: Instant,
}

impl Started {
    /// How long the run has taken so far.
    pub(in crate::server) fn duration(&self) -> Duration {
        clock::monotonic().saturating_duration_since(self.since)
    }
}

/// How long a lease is certainly valid. It is counted from before the call to Redis was sent, so that
/// this server never believes in a lease for longer than Redis does.
struct Lease {
    granted_at: Instant,
    valid_ms: AtomicU64,
}

impl Lease {
    fn granted(sent_at: Instant) -> Self {
        Self {
            granted_at: sent_at,
            valid_ms: AtomicU64::new(LEASE.as_millis() as u64),
        }
    }

    fn renewed(&self, sent_at: Instant) {
        let valid = sent_at.saturating_duration_since(self.granted_at) + LEASE;
        self.valid_ms
            .fetch_max(valid.as_millis() as u64, Ordering::Relaxed);
    }

    fn is_valid(&self, now: Instant) -> bool {
        let age = now.saturating_duration_since(self.granted_at);
        age < Duration::from_millis(self.valid_ms.load(Ordering::Relaxed))
    }
}

impl HeldRun {
    fn new(broker: &Broker, number: u64, task: FetchedTask) -> Self {
        let (message, undecodable) = match wire::decode_task(task.raw.clone()) {
            Ok(message) => (message, None),
            Err(error) => {
                let known = TaskMessage {
                    id: task.id.to_string(),
                    queue: task.queue.name().to_owned(),
                    ..TaskMessage::default()
                };
                (known, Some(error))
            }
        };
        let message = Arc::new(message);
        let slot = Slot::new(Some(task.permit));
        let context = TaskContext::new(RunSeed {
            message: Arc::clone(&message),
            results: ResultSink::Broker {
                broker: broker.clone(),
                queue: task.queue.keys.clone(),
                id: task.id.clone(),
                owner: task.owner.clone(),
            },
            slot: Arc::clone(&slot),
        });
        Self {
            number,
            queue: task.queue,
            id: task.id,
            owner: task.owner,
            raw: task.raw,
            message,
            finished: AtomicBool::new(undecodable.is_some()),
            settled: AtomicBool::new(false),
            refused: AtomicBool::new(false),
            undecodable,
            started: OnceLock::new(),
            polls: Polls::default(),
            meter: RunMeter::new(task.pending_since),
            context,
            slot,
            lease: Lease::granted(task.sent_at),
        }
    }

    /// Starts the run. Its timeout counts from here.
    pub(super) fn start(&self, clock: &RedisClock) -> Started {
        let at = clock.now();
        let deadline = deadline::of_run(&self.message, at);
        self.context.set_deadline(clock.to_wall_clock(deadline));
        let since = clock::monotonic();
        *self.started.get_or_init(|| Started {
            at,
            deadline,
            ends_by: since.checked_add(deadline::time_left(deadline, at)),
            since,
        })
    }

    /// `None`: the run has not started.
    pub(in crate::server) fn started(&self) -> Option<Started> {
        self.started.get().copied()
    }

    /// Whether the lease has not expired, as far as this server knows. Only Redis knows whether the task still
    /// belongs to this run: the machine may have been suspended.
    pub(in crate::server) fn has_lease(&self) -> bool {
        self.lease.is_valid(clock::monotonic())
    }

    /// The lease was renewed by a call that was sent at this time.
    pub(in crate::server) fn lease_renewed(&self, sent_at: Instant) {
        self.lease.renewed(sent_at);
    }

    /// Whether the handler has finished, or will not be called.
    pub(in crate::server) fn has_finished(&self) -> bool {
        self.finished.load(Ordering::Acquire)
    }

    pub(super) fn set_finished(&self) {
        self.finished.store(true, Ordering::Release);
    }

    /// Whether its acknowledgement waits, or it is no longer held.
    pub(super) fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Acquire)
    }

    /// Returns true once: to the caller that acknowledges the run, or ends it without an acknowledgement.
    pub(super) fn settle(&self) -> bool {
        !self.settled.swap(true, Ordering::AcqRel)
    }

    /// The claim on the task.
    pub(in crate::server) fn claim(&self) -> Claim {
        Claim {
            id: self.id.clone(),
            proof: self.owner.clone(),
            message: self.raw.clone(),
        }
    }
}

/// All runs that a server holds.
pub(in crate::server) struct HeldRuns {
    gates: Arc<Gates>,
    state: Mutex<Held>,
    /// A run is no longer held, or no longer counts for the limit.
    headroom_changed: Notify,
}

#[derive(Default)]
struct Held {
    /// By number, which is the order in which the tasks arrived.
    runs: BTreeMap<u64, Arc<HeldRun>>,
    /// How many of them have a refused acknowledgement.
    refused: usize,
    next_number: u64,
}

impl HeldRuns {
    pub(in crate::server) fn new(gates: Arc<Gates>) -> Self {
        Self {
            gates,
            state: Mutex::default(),
            headroom_changed: Notify::new(),
        }
    }

    /// Holds a run for each of these tasks, in their order.
    pub(in crate::server) fn hold(
        &self,
        broker: &Broker,
        tasks: Vec<FetchedTask>,
    ) -> Vec<Arc<HeldRun>> {
        let mut state = self.state.lock();
        let first_number = state.next_number;
        state.next_number += tasks.len() as u64;
        // The messages are decoded without the lock.
        drop(state);
        let numbered = (first_number..).zip(tasks);
        let runs: Vec<_> = numbered
            .map(|(number, task)| Arc::new(HeldRun::new(broker, number, task)))
            .collect();
        let by_number = runs.iter().map(|run| (run.number, Arc::clone(run)));
        self.state.lock().runs.extend(by_number);
        runs
    }

    /// Stops holding these runs: Redis has confirmed their acknowledgements, or they have lost their
    /// leases.
    pub(in crate::server) fn release<'r>(&self, runs: impl IntoIterator<Item = &'r Arc<HeldRun>>) {
        let mut state = self.state.lock();
        for run in runs {
            state.runs.remove(&run.number);
            if run.refused.load(Ordering::Relaxed) {
                state.refused -= 1;
                self.gates.one_refused_less(run.queue.index);
            }
        }
        drop(state);
        self.headroom_changed.notify_one();
    }

    /// Redis has refused the acknowledgement of this run, or one of its list. From now on the run does not
    /// count for the limit of held runs. 1,000 such runs close the gate of their queue.
    pub(in crate::server) fn set_refused(&self, run: &HeldRun) {
        let mut state = self.state.lock();
        if !run.refused.swap(true, Ordering::Relaxed) {
            state.refused += 1;
            self.gates.one_refused_more(run.queue.index);
        }
        drop(state);
        self.headroom_changed.notify_one();
    }

    /// How many held runs count for the limit: all but those with a refused acknowledgement.
    pub(in crate::server) fn counted_for_limit(&self) -> usize {
        let state = self.state.lock();
        state.runs.len() - state.refused
    }

    /// All runs that are held now, in the order in which their tasks arrived.
    pub(in crate::server) fn all(&self) -> Vec<Arc<HeldRun>> {
        self.state.lock().runs.values().cloned().collect()
    }

    /// The runs whose handlers are in a poll now, each with the number of the poll.
    pub(in crate::server) fn in_a_poll(&self) -> Vec<(Arc<HeldRun>, u64)> {
        let state = self.state.lock();
        let runs = state.runs.values();
        runs.filter_map(|run| Some((Arc::clone(run), run.polls.current()?)))
            .collect()
    }

    pub(in crate::server) fn is_empty(&self) -> bool {
        self.state.lock().runs.is_empty()
    }

    /// Where in *active* these runs are expected. It is computed from the runs of this server in all
    /// queues, so the range may be too short (other servers share the list) or too long.
    pub(in crate::server) fn active_range(&self, runs: &[Arc<HeldRun>]) -> ActiveRange {
        let numbers: Vec<u64> = runs.iter().map(|run| run.number).collect();
        active_range(&self.state.lock().runs, &numbers)
    }

    /// Waits until a run is released, or no longer counts for the limit. Cancel-safe: a change between two
    /// calls is not missed.
    pub(in crate::server) async fn headroom_changed(&self) {
        self.headroom_changed.notified().await;
    }
}

/// The range in which runs with these numbers are, among all that are held.
fn active_range<R>(held: &BTreeMap<u64, R>, numbers: &[u64]) -> ActiveRange {
    let (Some(first), Some(last)) = (numbers.iter().min(), numbers.iter().max()) else {
        return ActiveRange::Oldest(1);
    };
    // A longer range is not worth reading.
    let longest = 4 * numbers.len() + SHORT_RANGE;
    let from_oldest = held.range(..=last).take(longest).count();
    if from_oldest < longest {
        return ActiveRange::Oldest(from_oldest);
    }
    let from_newest = held.range(first..).take(longest).count();
    // Fetches in flight push more tasks in front of these.
    ActiveRange::Newest(from_newest + SHORT_RANGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_expected_among_the_oldest_if_few_are_older_and_otherwise_among_the_newest() {
        let held: BTreeMap<u64, ()> = (0..1_000).map(|number| (number, ())).collect();
        assert_eq!(active_range(&held, &[3, 7]), ActiveRange::Oldest(8));
        let newest = ActiveRange::Newest(100 + SHORT_RANGE);
        assert_eq!(active_range(&held, &[900, 950]), newest);
        assert_eq!(active_range(&held, &[]), ActiveRange::Oldest(1));
    }

    #[test]
    fn a_lease_lasts_from_before_the_call_that_granted_or_renewed_it() {
        let sent_at = clock::monotonic();
        let second = Duration::from_secs(1);
        let lease = Lease::granted(sent_at);
        assert!(lease.is_valid(sent_at + LEASE - second));
        assert!(!lease.is_valid(sent_at + LEASE));
        lease.renewed(sent_at + 5 * second);
        assert!(lease.is_valid(sent_at + LEASE + 4 * second));
        assert!(!lease.is_valid(sent_at + LEASE + 5 * second));
        // A renewal whose reply comes late does not shorten the lease.
        lease.renewed(sent_at + 2 * second);
        assert!(lease.is_valid(sent_at + LEASE + 4 * second));
    }
}
