//! Tells Redis how runs ended, and goes on until Redis has confirmed it.
//!
//! What waits is sent in groups, one lane per queue and kind of ending, without delaying anyone: an end
//! that finds no call of its lane under way goes at once, and what ends meanwhile makes up the next
//! call. A run stays among those held, and so its lease alive, until then. asynq: `syncer`, and
//! the acknowledging half of `processor`.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use chrono::Utc;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::policy::Settlement;
use super::runs::{Run, Runs};
use super::service::Backoff;
use super::wakeups::Wakeups;
use crate::broker::{ArchiveLimits, Broker, LaterState, Right};
use crate::error::Result;
use crate::wire::QueueKeys;

/// The most tasks in one call.
const GROUP: usize = 128;
/// How many calls of one lane are under way at once.
const CALLS_PER_LANE: usize = 2;
/// How often to let others run first while that brings more.
const MOST_YIELDS: usize = 4;
/// How many have to wait for a call beside another one.
const LEAST_BESIDE: usize = 16;

/// A run that has ended, and what Redis is to be told.
pub(super) type Ended = (Arc<Run>, Settlement);

pub(super) struct Syncer {
    pub(super) broker: Broker,
    pub(super) runs: Arc<Runs>,
    pub(super) wakeups: Arc<Wakeups>,
    pub(super) archive: ArchiveLimits,
}

/// What one script call can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Done,
    Completed,
    Retry,
    Scheduled,
    Archived,
    Requeued,
}

/// A queue, by its index, and a kind.
type LaneKey = (usize, Kind);

/// What waits for one kind of call to one queue.
struct Lane {
    queue: QueueKeys,
    waiting: VecDeque<Ended>,
    calls: usize,
    /// After a failure: when to go on.
    not_before: Option<Instant>,
    /// How many may go in one call: just one after Redis has refused some, so that one that is
    /// refused does not hold up the others.
    group: usize,
    /// Redis has refused the last call.
    refusing: bool,
    backoff: Backoff,
}

/// How a call went: the part of it that has to be told once more.
struct Called {
    lane: LaneKey,
    failed: Vec<Ended>,
    refused: bool,
}

impl Syncer {
    /// Works until every sender is gone and everything is told. Dropped earlier, what is not
    /// confirmed is left to its lease.
    pub(super) async fn run(self, mut ended: mpsc::UnboundedReceiver<Ended>) {
        let mut lanes: HashMap<LaneKey, Lane> = HashMap::new();
        let mut calls: FuturesUnordered<BoxFuture<'_, Called>> = FuturesUnordered::new();
        let mut buffer = Vec::new();
        let mut open = true;
        loop {
            let resume_at = self.begin_calls(&mut lanes, &calls, open);
            let idle = lanes.values().all(|lane| lane.waiting.is_empty());
            if !open && idle && calls.is_empty() {
                return;
            }
            tokio::select! {
                biased;
                Some(called) = calls.next(), if !calls.is_empty() => {
                    if let Some(lane) = lanes.get_mut(&called.lane) {
                        self.finish(lane, called);
                    }
                }
                n = ended.recv_many(&mut buffer, 4 * GROUP), if open => {
                    open = n > 0;
                    // handlers that are about to end make the group larger
                    for _ in 0..MOST_YIELDS {
                        let before = buffer.len();
                        tokio::task::yield_now().await;
                        while let Ok(more) = ended.try_recv() {
                            buffer.push(more);
                        }
                        if buffer.len() == before || before >= GROUP {
                            break;
                        }
                    }
                    for (run, settlement) in buffer.drain(..) {
                        let lane = lanes
                            .entry((run.queue_index, Kind::of(&settlement)))
                            .or_insert_with(|| Lane::new(run.queue.clone()));
                        if lane.refusing {
                            // it will wait like the others
                            self.runs.set_refused(&run, &self.wakeups);
                        }
                        lane.waiting.push_back((run, settlement));
                    }
                }
                () = tokio::time::sleep_until(resume_at.unwrap_or_else(Instant::now)), if resume_at.is_some() => {}
            }
        }
    }

    /// Begins every call that may begin now; what is given back waits until no more can come
    /// (`open`): that is what a shutdown does to the last runs. Returns when the next one may, if that is for time
    /// to tell.
    fn begin_calls<'s>(
        &'s self,
        lanes: &mut HashMap<LaneKey, Lane>,
        calls: &FuturesUnordered<BoxFuture<'s, Called>>,
        open: bool,
    ) -> Option<Instant> {
        let now = Instant::now();
        let mut resume_at: Option<Instant> = None;
        for (key, lane) in lanes {
            if key.1 == Kind::Requeued {
                if open {
                    continue;
                }
                // given back in one order: the newest first, so that the oldest is next in line
                let waiting = lane.waiting.make_contiguous();
                waiting.sort_by_key(|(run, _)| std::cmp::Reverse(run.number));
            }
            while lane.may_call(key.1.calls_at_once()) {
                if let Some(at) = lane.not_before.filter(|at| *at > now) {
                    resume_at = Some(resume_at.map_or(at, |other| other.min(at)));
                    break;
                }
                lane.not_before = None;
                let size = lane.waiting.len().min(lane.group);
                let group: Vec<Ended> = lane.waiting.drain(..size).collect();
                lane.calls += 1;
                calls.push(Box::pin(self.call(*key, lane.queue.clone(), group)));
            }
        }
        resume_at
    }

    fn finish(&self, lane: &mut Lane, called: Called) {
        lane.calls -= 1;
        if called.failed.is_empty() {
            lane.backoff.reset();
            lane.refusing = false;
            lane.group = (lane.group * 2).min(GROUP);
            return;
        }
        lane.not_before = Some(Instant::now() + lane.backoff.pause());
        if called.refused {
            for (run, _) in &called.failed {
                self.runs.set_refused(run, &self.wakeups);
            }
            // behind the others, one at a time
            lane.group = 1;
            lane.refusing = true;
            lane.waiting.extend(called.failed);
        } else {
            for ended in called.failed.into_iter().rev() {
                lane.waiting.push_front(ended);
            }
        }
    }

    /// Tells Redis of one group, all of one kind.
    async fn call(&self, lane: LaneKey, queue: QueueKeys, group: Vec<Ended>) -> Called {
        let (told, mut ends): (Vec<Arc<Run>>, Vec<Settlement>) = group.into_iter().unzip();
        for (run, end) in told.iter().zip(&mut ends) {
            // takes note of a lease that ended while the task waited
            let claim = end.claim_mut();
            if claim.original.is_none() {
                *claim = run.claim();
            }
        }
        let mut called = Called {
            lane,
            failed: Vec::new(),
            refused: false,
        };
        match self.tell(lane.1, &queue, &told, &ends).await {
            Ok(held) => self.confirm(&told, &held),
            Err(error) => {
                tracing::warn!(
                    queue = queue.queue(),
                    tasks = told.len(),
                    %error,
                    "could not tell Redis how tasks ended, will be tried again"
                );
                called.refused = !error.is_transient();
                called.failed = told.into_iter().zip(ends).collect();
            }
        }
        called
    }

    async fn tell(
        &self,
        kind: Kind,
        queue: &QueueKeys,
        told: &[Arc<Run>],
        ends: &[Settlement],
    ) -> Result<Vec<bool>> {
        let now = Utc::now();
        let broker = &self.broker;
        match kind {
            Kind::Done => {
                let ends = only(ends, |end| match end {
                    Settlement::Done(end) => Some(end),
                    _ => None,
                });
                let stretch = self.runs.stretch(told);
                broker.done(queue, &ends, stretch, now).await
            }
            Kind::Completed => {
                let ends = only(ends, |end| match end {
                    Settlement::Completed(end) => Some(end),
                    _ => None,
                });
                broker.complete(queue, &ends, now).await
            }
            Kind::Retry | Kind::Scheduled => {
                let state = match kind {
                    Kind::Retry => LaterState::Retry,
                    _ => LaterState::Scheduled,
                };
                let ends = only(ends, |end| match end {
                    Settlement::Later(_, end) => Some(end),
                    _ => None,
                });
                broker.retry(queue, state, &ends, Right::Owner, now).await
            }
            Kind::Archived => {
                let ends = only(ends, |end| match end {
                    Settlement::Archive(end) => Some(end),
                    _ => None,
                });
                broker
                    .archive(queue, &ends, Right::Owner, self.archive, now)
                    .await
            }
            Kind::Requeued => {
                let ends = only(ends, |end| match end {
                    Settlement::Requeue(claim) => Some(claim),
                    _ => None,
                });
                broker.requeue(queue, &ends).await
            }
        }
    }

    fn confirm(&self, told: &[Arc<Run>], held: &[bool]) {
        for (run, _) in told.iter().zip(held).filter(|(_, held)| !**held) {
            tracing::warn!(
                task_id = &*run.id,
                queue = run.message.queue,
                "the task was no longer held when its run ended: another has it, it is gone, or this was told before"
            );
        }
        self.runs.forget(told, &self.wakeups);
    }
}

impl Kind {
    fn calls_at_once(self) -> usize {
        match self {
            // their order counts
            Self::Requeued => 1,
            _ => CALLS_PER_LANE,
        }
    }

    fn of(settlement: &Settlement) -> Self {
        match settlement {
            Settlement::Done(_) => Self::Done,
            Settlement::Completed(_) => Self::Completed,
            Settlement::Later(LaterState::Retry, _) => Self::Retry,
            Settlement::Later(LaterState::Scheduled, _) => Self::Scheduled,
            Settlement::Archive(_) => Self::Archived,
            Settlement::Requeue(_) => Self::Requeued,
        }
    }
}

impl Lane {
    fn may_call(&self, at_once: usize) -> bool {
        match self.calls {
            0 => !self.waiting.is_empty(),
            calls => calls < at_once && self.waiting.len() >= LEAST_BESIDE.min(self.group),
        }
    }

    fn new(queue: QueueKeys) -> Self {
        Self {
            queue,
            waiting: VecDeque::new(),
            calls: 0,
            not_before: None,
            group: GROUP,
            refusing: false,
            backoff: Backoff::new(),
        }
    }
}

/// The members of a group, all of which are of one kind.
fn only<T>(ends: &[Settlement], pick: impl Fn(&Settlement) -> Option<&T>) -> Vec<&T> {
    ends.iter().filter_map(pick).collect()
}
