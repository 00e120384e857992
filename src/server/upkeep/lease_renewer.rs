//! Renews the leases of held runs. asynq: part of `heartbeater`.
//!
//! Each queue has a tokio task of its own for that. So a queue without an answer delays no other queue, and a write
//! of the server's entry delays none.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::Instant;

use super::block_watch::RuntimeProbe;
use crate::background::Periodic;
use crate::broker::Broker;
use crate::clock;
use crate::error::Result;
use crate::guard::told;
use crate::run::RunEnded;
use crate::server::run::{HeldRun, HeldRuns};

/// A handler that has not ended this long after its deadline and its grace blocks its thread, or is stuck in a
/// poll in another way: nothing can end it.
const OVERDUE: Duration = Duration::from_secs(10);
/// A runtime that has not polled any tokio task for this long, although no run is within its time, is stuck.
const STUCK: Duration = Duration::from_secs(60);
/// The most leases that one call renews.
const MAX_RENEWALS: usize = 500;

pub(in crate::server) struct LeaseRenewer {
    pub(super) broker: Broker,
    held: Arc<HeldRuns>,
    runtime: Arc<RuntimeProbe>,
    cancel_grace: Duration,
    /// The numbers of the held runs whose leases are renewed no more.
    given_up: HashSet<u64>,
    renewals: JoinSet<Result<()>>,
    /// The last of `renewals` of each queue.
    last: HashMap<usize, AbortHandle>,
}

impl Periodic for LeaseRenewer {
    const NAME: &'static str = "lease renewer";
    type Done = ();

    /// Renews the valid leases, and ends the runs that have lost theirs. A renewal that fails is told by the next
    /// pass.
    async fn pass(&mut self) -> Result<()> {
        let ended = self.take_ended();
        let runs = self.held.all();
        self.give_up_stuck(&runs);
        let mut by_queue: BTreeMap<usize, Vec<Arc<HeldRun>>> = BTreeMap::new();
        for run in runs {
            if !run.has_lease() {
                end_without_lease(&run);
            } else if !self.given_up.contains(&run.number) {
                by_queue.entry(run.queue.index).or_default().push(run);
            }
        }
        for (queue, runs) in by_queue {
            if self.last.get(&queue).is_none_or(AbortHandle::is_finished) {
                let renewal = renew_all(self.broker.clone(), runs);
                self.last.insert(queue, self.renewals.spawn(renewal));
            }
        }
        ended
    }
}

impl LeaseRenewer {
    pub(in crate::server) fn new(
        broker: Broker,
        held: Arc<HeldRuns>,
        runtime: Arc<RuntimeProbe>,
        cancel_grace: Duration,
    ) -> Self {
        Self {
            broker,
            held,
            runtime,
            cancel_grace,
            given_up: HashSet::new(),
            renewals: JoinSet::new(),
            last: HashMap::new(),
        }
    }

    /// Takes the results of the renewals that have ended.
    fn take_ended(&mut self) -> Result<()> {
        let mut results = Ok(());
        while let Some(ended) = self.renewals.try_join_next() {
            match ended.map_err(JoinError::try_into_panic) {
                Ok(result) => results = results.and(result),
                Err(Ok(payload)) => std::panic::resume_unwind(payload),
                // It was aborted.
                Err(Err(_)) => {}
            }
        }
        results
    }

    /// Finds the runs that nothing in this process will end. Their leases are renewed no more: a deadlock must not
    /// keep a task for ever.
    ///
    /// A started run is given up some time after its deadline. Other runs depend on the server's runtime: they wait
    /// for their start, or their acknowledgement waits for its call. They are given up if the runtime is stuck and
    /// no run is within its time.
    fn give_up_stuck(&mut self, runs: &[Arc<HeldRun>]) {
        let now = clock::monotonic();
        let limits: Vec<_> = runs.iter().map(|run| self.limit_of(run)).collect();
        let in_time =
            |limit: &Limit| matches!(limit, Limit::At(at) if at.is_none_or(|at| now < at));
        let is_stuck = self.runtime.silent_since().is_some_and(|since| {
            now.saturating_duration_since(since) >= STUCK && !limits.iter().any(in_time)
        });
        let mut given_up = HashSet::new();
        for (run, limit) in runs.iter().zip(&limits) {
            let keeps = match limit {
                Limit::At(_) => in_time(limit),
                Limit::OfRuntime => !is_stuck,
            };
            if keeps {
                continue;
            }
            if !self.given_up.contains(&run.number) {
                told(|| {
                    tracing::error!(
                        task_id = &*run.id,
                        task_type = run.message.r#type,
                        queue = run.queue.name(),
                        "a run does not end although its time is over, its lease is renewed no more"
                    )
                });
            }
            given_up.insert(run.number);
        }
        self.given_up = given_up;
    }

    fn limit_of(&self, run: &HeldRun) -> Limit {
        match run.started() {
            Some(started) if !run.has_finished() => {
                let overdue =
                    |at: Instant| at.checked_add(self.cancel_grace.saturating_add(OVERDUE));
                Limit::At(started.ends_by.and_then(overdue))
            }
            _ => Limit::OfRuntime,
        }
    }
}

/// Renews the leases of runs of one queue.
async fn renew_all(broker: Broker, runs: Vec<Arc<HeldRun>>) -> Result<()> {
    let renewed = join_all(runs.chunks(MAX_RENEWALS).map(|batch| renew(&broker, batch))).await;
    renewed.into_iter().fold(Ok(()), Result::and)
}

/// Renews the leases of so many runs of one queue that one call can.
async fn renew(broker: &Broker, runs: &[Arc<HeldRun>]) -> Result<()> {
    let sent_at = clock::monotonic();
    let claims: Vec<_> = runs
        .iter()
        .map(|run| (run.id.clone(), run.owner.clone()))
        .collect();
    let renewed = broker.extend_leases(&runs[0].queue.keys, &claims);
    for (run, renewed) in runs.iter().zip(renewed.await?) {
        if renewed {
            run.lease_renewed(sent_at);
        } else {
            end_without_lease(run);
        }
    }
    Ok(())
}

/// Until when a run may take.
enum Limit {
    /// Until this time; `None`: for ever.
    At(Option<Instant>),
    /// As long as the server's runtime works.
    OfRuntime,
}

/// Ends a run that has lost its lease. If the handler has finished already, nothing is done: Redis checks
/// the claim of the acknowledgement.
fn end_without_lease(run: &HeldRun) {
    if !run.has_finished() {
        run.context.end(RunEnded::LeaseExpired);
    }
}
