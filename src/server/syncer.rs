//! Tells Redis how runs ended, and goes on until Redis has confirmed it.
//!
//! What waits is sent in groups per queue, without delaying anyone: a single one goes at once, and
//! what ends while two calls are under way makes up the next. A run stays among those held, and so
//! its lease alive, until then. asynq: `syncer`, and the acknowledging half of `processor`.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use chrono::Utc;
use futures_util::future::{BoxFuture, join4};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::policy::Settlement;
use super::runs::{Run, Runs};
use super::service::Backoff;
use crate::broker::{ArchiveLimits, Broker, Claim, Right};
use crate::error::Result;
use crate::wire::QueueKeys;

/// The most tasks in one call.
const GROUP: usize = 64;
/// How many calls are under way at once for one queue.
const CALLS_PER_QUEUE: usize = 2;

/// A run that has ended, and what Redis is to be told.
pub(super) type Ended = (Arc<Run>, Settlement);

pub(super) struct Syncer {
    broker: Broker,
    runs: Arc<Runs>,
    archive: ArchiveLimits,
    lanes: HashMap<String, Lane>,
    calls: FuturesUnordered<BoxFuture<'static, Called>>,
}

/// What waits for one queue.
struct Lane {
    queue: QueueKeys,
    waiting: VecDeque<Ended>,
    calls: usize,
    /// After a failure: when to go on.
    not_before: Option<Instant>,
    /// How many may go in one call: after an answer that Redis refuses one of them, just one, so
    /// that it does not hold up the others.
    group: usize,
    backoff: Backoff,
}

/// How a call went: the part of it that has to be told once more.
struct Called {
    queue: String,
    failed: Vec<Ended>,
    refused: bool,
}

impl Syncer {
    pub(super) fn new(broker: Broker, runs: Arc<Runs>, archive: ArchiveLimits) -> Self {
        Self {
            broker,
            runs,
            archive,
            lanes: HashMap::new(),
            calls: FuturesUnordered::new(),
        }
    }

    /// Works until every sender is gone and everything is told. Dropped earlier, what is not
    /// confirmed is left to its lease.
    pub(super) async fn run(mut self, mut ended: mpsc::UnboundedReceiver<Ended>) {
        let mut buffer = Vec::new();
        let mut open = true;
        loop {
            let resume_at = self.begin_calls();
            let idle = self.lanes.values().all(|lane| lane.waiting.is_empty());
            if !open && idle && self.calls.is_empty() {
                return;
            }
            tokio::select! {
                biased;
                Some(called) = self.calls.next(), if !self.calls.is_empty() => self.finish(called),
                n = ended.recv_many(&mut buffer, 4 * GROUP), if open => {
                    open = n > 0;
                    buffer.drain(..).for_each(|ended| self.enter(ended));
                }
                () = tokio::time::sleep_until(resume_at.unwrap_or_else(Instant::now)), if resume_at.is_some() => {}
            }
        }
    }

    fn enter(&mut self, ended: Ended) {
        let queue = &ended.0.queue;
        if !self.lanes.contains_key(queue.queue()) {
            self.lanes
                .insert(queue.queue().to_owned(), Lane::new(queue.clone()));
        }
        if let Some(lane) = self.lanes.get_mut(queue.queue()) {
            lane.waiting.push_back(ended);
        }
    }

    /// Begins every call that may begin now. Returns when the next one may, if that is for time
    /// to tell.
    fn begin_calls(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let mut resume_at: Option<Instant> = None;
        for lane in self.lanes.values_mut() {
            while !lane.waiting.is_empty() && lane.calls < CALLS_PER_QUEUE {
                if let Some(at) = lane.not_before.filter(|at| *at > now) {
                    resume_at = Some(resume_at.map_or(at, |other| other.min(at)));
                    break;
                }
                lane.not_before = None;
                let size = lane.waiting.len().min(lane.group);
                let group: Vec<Ended> = lane.waiting.drain(..size).collect();
                lane.calls += 1;
                let call = tell(
                    self.broker.clone(),
                    Arc::clone(&self.runs),
                    lane.queue.clone(),
                    group,
                    self.archive,
                );
                self.calls.push(Box::pin(call));
            }
        }
        resume_at
    }

    fn finish(&mut self, called: Called) {
        let Some(lane) = self.lanes.get_mut(&called.queue) else {
            return;
        };
        lane.calls -= 1;
        if called.failed.is_empty() {
            lane.backoff.reset();
            lane.group = (lane.group * 2).min(GROUP);
            return;
        }
        lane.not_before = Some(Instant::now() + lane.backoff.pause());
        if called.refused {
            // behind the others, one at a time
            lane.group = 1;
            lane.waiting.extend(called.failed);
        } else {
            for ended in called.failed.into_iter().rev() {
                lane.waiting.push_front(ended);
            }
        }
    }
}

impl Lane {
    fn new(queue: QueueKeys) -> Self {
        Self {
            queue,
            waiting: VecDeque::new(),
            calls: 0,
            not_before: None,
            group: GROUP,
            backoff: Backoff::new(),
        }
    }
}

/// Tells Redis of one group, each kind of ending in one script call, all at once.
async fn tell(
    broker: Broker,
    runs: Arc<Runs>,
    queue: QueueKeys,
    group: Vec<Ended>,
    archive: ArchiveLimits,
) -> Called {
    let now = Utc::now();
    let (mut done, mut later, mut archived, mut requeued) = (vec![], vec![], vec![], vec![]);
    // by kind: the runs in the same order as what is told of them
    let mut kinds: [Vec<Arc<Run>>; 4] = Default::default();
    for (run, settlement) in group {
        match settlement {
            Settlement::Done(mut end) => {
                refresh(&mut end.claim, &run);
                done.push(end);
                kinds[0].push(run);
            }
            Settlement::Later(mut end) => {
                refresh(&mut end.claim, &run);
                later.push(end);
                kinds[1].push(run);
            }
            Settlement::Archive(mut end) => {
                refresh(&mut end.claim, &run);
                archived.push(end);
                kinds[2].push(run);
            }
            Settlement::Requeue(mut claim) => {
                refresh(&mut claim, &run);
                requeued.push(claim);
                kinds[3].push(run);
            }
        }
    }
    let skip = |empty: bool| if empty { Some(Ok(Vec::new())) } else { None };
    let results = join4(
        async {
            match skip(done.is_empty()) {
                Some(nothing) => nothing,
                None => broker.done(&queue, &done, now).await,
            }
        },
        async {
            match skip(later.is_empty()) {
                Some(nothing) => nothing,
                None => broker.retry(&queue, &later, Right::Owner, now).await,
            }
        },
        async {
            match skip(archived.is_empty()) {
                Some(nothing) => nothing,
                None => {
                    broker
                        .archive(&queue, &archived, Right::Owner, archive, now)
                        .await
                }
            }
        },
        async {
            match skip(requeued.is_empty()) {
                Some(nothing) => nothing,
                None => broker.requeue(&queue, &requeued).await,
            }
        },
    )
    .await;

    let mut called = Called {
        queue: queue.queue().to_owned(),
        failed: Vec::new(),
        refused: false,
    };
    let mut settle = |runs_of_kind: Vec<Arc<Run>>,
                      result: Result<Vec<bool>>,
                      ends: Vec<Settlement>| {
        match result {
            Ok(held) => confirm(&runs, &runs_of_kind, &held),
            Err(error) => {
                tracing::warn!(
                    queue = called.queue,
                    tasks = runs_of_kind.len(),
                    %error,
                    "could not tell Redis how tasks ended, will be tried again"
                );
                called.refused |= !error.is_transient();
                called.failed.extend(runs_of_kind.into_iter().zip(ends));
            }
        }
    };
    let [done_runs, later_runs, archived_runs, requeued_runs] = kinds;
    settle(
        done_runs,
        results.0,
        done.into_iter().map(Settlement::Done).collect(),
    );
    settle(
        later_runs,
        results.1,
        later.into_iter().map(Settlement::Later).collect(),
    );
    settle(
        archived_runs,
        results.2,
        archived.into_iter().map(Settlement::Archive).collect(),
    );
    settle(
        requeued_runs,
        results.3,
        requeued.into_iter().map(Settlement::Requeue).collect(),
    );
    called
}

/// Takes note of a lease that ended while the task waited.
fn refresh(claim: &mut Claim, run: &Run) {
    if claim.original.is_none() {
        *claim = run.claim();
    }
}

fn confirm(runs: &Runs, told: &[Arc<Run>], held: &[bool]) {
    for run in told
        .iter()
        .zip(held)
        .filter(|(_, held)| !**held)
        .map(|(run, _)| run)
    {
        tracing::warn!(
            task_id = &*run.id,
            queue = run.message.queue,
            "the task was no longer held when its run ended; its other owner decides"
        );
    }
    runs.forget(told);
}
