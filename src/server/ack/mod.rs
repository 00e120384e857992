//! Acknowledgements wait here for a call to Redis. A call that fails is repeated until Redis confirms it.
//!
//! Two parts take what waits. The acknowledger sends it in calls of its own. The processor's fetches can
//! carry a few acknowledgements of done tasks.

mod acknowledger;
mod waiting;

use std::sync::Arc;

pub(super) use acknowledger::Acknowledger;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use waiting::{Due, MAX_BATCH, TakenBatch, WaitingLists, WaitingRun};

use super::queues::ServedQueue;
use super::run::{HeldRun, HeldRuns};
use crate::broker::{Acknowledgement, ActiveRange};
use crate::clock;
use crate::error::{Error, Result, warn_if};
use crate::guard::told;
use crate::wire::QueueKeys;

impl WaitingRun for Arc<HeldRun> {
    fn queue(&self) -> &ServedQueue {
        &self.queue
    }

    fn number(&self) -> u64 {
        self.number
    }

    fn has_started(&self) -> bool {
        self.started().is_some()
    }
}

/// The acknowledgements of a server that Redis has not confirmed.
pub(super) struct Acknowledgements {
    held: Arc<HeldRuns>,
    waiting: Mutex<WaitingLists<Arc<HeldRun>>>,
    /// The acknowledger may have something to do.
    changed: Notify,
}

/// The acknowledgements of one call. If the batch is dropped before the call has a result, they wait
/// again.
pub(super) struct Batch<'a> {
    all: &'a Acknowledgements,
    taken: TakenBatch<Arc<HeldRun>>,
}

/// While this value exists, a few acknowledgements of done tasks wait for the next sweep, whose fetches
/// can carry them.
pub(super) struct ExpectedSweep<'a>(&'a Acknowledgements);

/// Counts a prefetched run until it starts, or until its acknowledgement waits.
pub(super) struct UnstartedRun(Arc<Acknowledgements>);

impl Acknowledgements {
    pub(super) fn new(held: Arc<HeldRuns>) -> Self {
        Self {
            held,
            waiting: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Adds the acknowledgement of a run. `frees_slot`: the caller will free the slot of the run at once.
    pub(super) fn add(&self, run: &Arc<HeldRun>, ack: Acknowledgement, frees_slot: bool) {
        let added = self.waiting.lock().add(Arc::clone(run), ack, frees_slot);
        if added.joins_refused {
            self.held.set_refused(run);
        }
        if added.must_be_sent {
            self.changed.notify_one();
        }
    }

    /// The caller will start a sweep as soon as one more slot is free. Until then, a few acknowledgements of
    /// done tasks wait for that sweep.
    pub(super) fn expect_sweep(&self) -> ExpectedSweep<'_> {
        self.waiting.lock().sweep_expected();
        ExpectedSweep(self)
    }

    /// The acknowledgements that a fetch from a queue carries. `queue` is its index.
    pub(super) fn take_for_fetch(&self, queue: usize) -> Option<Batch<'_>> {
        let taken = self.waiting.lock().take_for_fetch(queue)?;
        Some(Batch { all: self, taken })
    }

    /// A prefetched run waits for its permit to run.
    pub(super) fn unstarted_run(self: &Arc<Self>) -> UnstartedRun {
        self.waiting.lock().unstarted_run_added();
        UnstartedRun(Arc::clone(self))
    }

    /// No more tasks will be fetched.
    pub(super) fn fetching_has_ended(&self) {
        self.waiting.lock().fetching_ended();
        self.notify_if_needed();
    }

    /// No more acknowledgements will be added.
    fn close(&self) {
        self.waiting.lock().close();
    }

    /// Takes the batches that can be sent now. Also returns the time at which the first pause
    /// after a failure ends.
    fn take_due(&self) -> (Vec<Batch<'_>>, Option<Instant>) {
        let Due { batches, resume_at } = self.waiting.lock().take_due(clock::monotonic());
        let batches = batches.into_iter().map(|taken| Batch { all: self, taken });
        (batches.collect(), resume_at)
    }

    /// Whether nothing waits and no call is in flight.
    fn is_empty(&self) -> bool {
        self.waiting.lock().is_empty()
    }

    /// How many acknowledgements wait.
    fn count(&self) -> usize {
        self.waiting.lock().count()
    }

    async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Wakes the acknowledger if anything waits, or if no more acknowledgements will be added.
    fn notify_if_needed(&self) {
        if self.waiting.lock().needs_attention() {
            self.changed.notify_one();
        }
    }
}

impl Batch<'_> {
    pub(super) fn queue(&self) -> &QueueKeys {
        &self.taken.queue.keys
    }

    pub(super) fn acknowledgements(&self) -> Vec<&Acknowledgement> {
        self.taken.acknowledgements.iter().collect()
    }

    /// Where in *active* the tasks are expected.
    pub(super) fn active_range(&self) -> ActiveRange {
        self.all.held.active_range(&self.taken.runs)
    }

    /// The call has a result.
    pub(super) fn finish(self, result: Result<Vec<bool>>) {
        match result {
            Ok(written) => self.confirm(&written),
            Err(error) => self.fail(&error),
        }
    }

    /// Redis has confirmed the call. `written`: for each task whether its outcome was written.
    fn confirm(mut self, written: &[bool]) {
        let runs = std::mem::take(&mut self.taken.runs);
        self.taken.acknowledgements.clear();
        let rejected = written.iter().filter(|written| !**written).count();
        self.taken.queue.meter.acknowledged(runs.len(), rejected);
        for (run, _) in runs.iter().zip(written).filter(|(_, written)| !**written) {
            told(|| {
                tracing::warn!(
                    task_id = &*run.id,
                    queue = run.queue.name(),
                    "an acknowledgement had no effect: the task is gone, another server has it, or it was acknowledged before"
                )
            });
        }
        self.all.held.release(&runs);
        self.all.waiting.lock().confirmed(&self.taken);
    }

    /// The call has failed. It will be repeated.
    pub(super) fn fail(mut self, error: &Error) {
        self.taken.queue.meter.acknowledgement_failed();
        let is_news = self.all.waiting.lock().is_news(&self.taken, error);
        told(|| {
            warn_if!(
                is_news,
                queue = self.queue().queue(),
                tasks = self.taken.runs.len(),
                %error,
                "could not acknowledge tasks, will be tried again"
            );
        });
        let refused = !error.is_transient();
        if refused {
            for run in &self.taken.runs {
                self.all.held.set_refused(run);
            }
        }
        self.all
            .waiting
            .lock()
            .failed(&mut self.taken, refused, clock::monotonic());
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.all.waiting.lock().call_ended(&mut self.taken);
        self.all.notify_if_needed();
    }
}

impl Drop for ExpectedSweep<'_> {
    fn drop(&mut self) {
        self.0.waiting.lock().expectation_ended();
        self.0.notify_if_needed();
    }
}

impl Drop for UnstartedRun {
    fn drop(&mut self) {
        let was_last = self.0.waiting.lock().unstarted_run_removed();
        if was_last {
            self.0.notify_if_needed();
        }
    }
}
