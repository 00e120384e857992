//! Acknowledging: outcomes wait here for a call to Redis, and are repeated until Redis confirms them.
//!
//! Two parts take from what waits: the acknowledger, whose calls do nothing else, and the processor,
//! whose fetches can carry a few acknowledgements of done tasks.

mod acknowledger;
mod waiting;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(super) use acknowledger::Acknowledger;
use tokio::sync::Notify;
use tokio::time::Instant;
use waiting::{Due, MAX_BATCH, Taken, Waiting, WaitingRun};

use super::run::{HeldRun, HeldRuns};
use crate::broker::{Acknowledgement, ActiveRange};
use crate::clock;
use crate::error::{Error, Result};
use crate::wire::QueueKeys;

impl WaitingRun for Arc<HeldRun> {
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
    waiting: Mutex<Waiting<Arc<HeldRun>>>,
    /// The acknowledger may have something to do.
    changed: Notify,
}

/// Acknowledgements that go into one call. If it is dropped before the call has a result, they wait
/// again.
pub(super) struct Batch<'a> {
    all: &'a Acknowledgements,
    taken: Taken<Arc<HeldRun>>,
}

/// While it lives, a few acknowledgements of done tasks wait for the next fetch to carry them.
pub(super) struct ExpectedFetch<'a>(&'a Acknowledgements);

/// While it lives, a prefetched run has not started.
pub(super) struct UnstartedRun(Arc<Acknowledgements>);

impl Acknowledgements {
    pub(super) fn new(held: Arc<HeldRuns>) -> Self {
        Self {
            held,
            waiting: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Adds the acknowledgement of a run. `frees_slot`: its slot is free from now on.
    pub(super) fn add(&self, run: Arc<HeldRun>, ack: Acknowledgement, frees_slot: bool) {
        let queue = run.queue.clone();
        let mut waiting = self.lock();
        if waiting.is_refused(&queue, &ack.outcome) {
            // It will wait as long as the others.
            self.held.set_refused(&run);
        }
        let must_be_sent = waiting.add(&queue, run, ack, frees_slot);
        drop(waiting);
        if must_be_sent {
            self.changed.notify_one();
        }
    }

    /// A fetch will be sent as soon as a slot is free, or is about to be sent.
    pub(super) fn expect_fetch(&self) -> ExpectedFetch<'_> {
        self.lock().expected_fetches += 1;
        ExpectedFetch(self)
    }

    /// What a fetch from a queue, given by its index, carries along.
    pub(super) fn take_for_fetch(&self, queue: usize) -> Option<Batch<'_>> {
        let taken = self.lock().take_for_fetch(queue)?;
        Some(Batch::new(self, taken))
    }

    /// A prefetched run is here and has not started.
    pub(super) fn unstarted_run(self: &Arc<Self>) -> UnstartedRun {
        self.lock().unstarted_runs += 1;
        UnstartedRun(Arc::clone(self))
    }

    /// No more tasks will be fetched.
    pub(super) fn fetching_has_ended(&self) {
        self.lock().fetching_has_ended = true;
        self.notify_if_needed();
    }

    /// No more acknowledgements will be added.
    fn close(&self) {
        self.lock().closing = true;
    }

    /// The batches to send now, and when a pause after a failure ends.
    fn due(&self) -> (Vec<Batch<'_>>, Option<Instant>) {
        let Due { batches, resume_at } = self.lock().due(clock::monotonic());
        let batches = batches.into_iter().map(|taken| Batch::new(self, taken));
        (batches.collect(), resume_at)
    }

    /// Whether nothing waits and nothing is in flight.
    fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// How many acknowledgements wait.
    fn count(&self) -> usize {
        self.lock().count()
    }

    async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Wakes the acknowledger, unless nothing waits that it could send.
    fn notify_if_needed(&self) {
        let waiting = self.lock();
        if waiting.closing || waiting.count() > 0 {
            self.changed.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<Arc<HeldRun>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Batch<'a> {
    fn new(all: &'a Acknowledgements, mut taken: Taken<Arc<HeldRun>>) -> Self {
        for (run, ack) in taken.runs.iter().zip(&mut taken.acknowledgements) {
            // The lease may have expired while the acknowledgement waited.
            if ack.claim.original.is_none() {
                ack.claim = run.claim();
            }
        }
        Self { all, taken }
    }

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
        for (run, _) in runs.iter().zip(written).filter(|(_, written)| !**written) {
            tracing::warn!(
                task_id = &*run.id,
                queue = run.queue.name(),
                "an acknowledgement had no effect: the task is gone, another server has it, or it was acknowledged before"
            );
        }
        self.all.held.release(&runs);
        self.all.lock().confirmed(&self.taken);
    }

    /// The call has failed. It will be repeated.
    pub(super) fn fail(mut self, error: &Error) {
        tracing::warn!(
            queue = self.queue().queue(),
            tasks = self.taken.runs.len(),
            %error,
            "could not acknowledge tasks, will be tried again"
        );
        let refused = !error.is_transient();
        if refused {
            for run in &self.taken.runs {
                self.all.held.set_refused(run);
            }
        }
        self.all
            .lock()
            .failed(&mut self.taken, refused, clock::monotonic());
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.all.lock().call_ended(&mut self.taken);
        self.all.notify_if_needed();
    }
}

impl Drop for ExpectedFetch<'_> {
    fn drop(&mut self) {
        let mut waiting = self.0.lock();
        waiting.expected_fetches -= 1;
        // The slots of these runs are taken by now, so no later fetch will come for them.
        waiting.send_all_now();
        drop(waiting);
        self.0.notify_if_needed();
    }
}

impl Drop for UnstartedRun {
    fn drop(&mut self) {
        let mut waiting = self.0.lock();
        waiting.unstarted_runs -= 1;
        let was_last = waiting.unstarted_runs == 0 && waiting.fetching_has_ended;
        drop(waiting);
        if was_last {
            self.0.notify_if_needed();
        }
    }
}
