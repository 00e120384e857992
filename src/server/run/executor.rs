//! Executes runs: calls the handler, and enforces what may end a run before the handler answers.

use std::future::ready;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_util::future::{BoxFuture, FutureExt};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::deadline::time_left;
use super::held::{HeldRun, HeldRuns, Started};
use crate::broker::{Acknowledgement, Outcome};
use crate::clock;
use crate::handler::{Answer, HandlerService};
use crate::run::{Run, RunEnded, Slot};
use crate::server::ack::{Acknowledgements, UnstartedRun};
use crate::server::hooks::Hooks;
use crate::server::policy::Policy;
use crate::task::Task;

/// Executes the runs of a server, each in a tokio task of its own.
pub(in crate::server) struct Executor {
    pub(in crate::server) handler: HandlerService,
    pub(in crate::server) policy: Arc<Policy>,
    pub(in crate::server) hooks: Hooks,
    pub(in crate::server) cancel_grace: std::time::Duration,
    pub(in crate::server) held: Arc<HeldRuns>,
    pub(in crate::server) acknowledgements: Arc<Acknowledgements>,
    /// The permits to run, if more tasks are held than run: with prefetching.
    pub(in crate::server) run_permits: Option<Arc<Semaphore>>,
    /// Fires when a shutdown begins: no prefetched task starts after that.
    pub(in crate::server) shutdown: CancellationToken,
    /// Fires when a shutdown waits for handlers no longer.
    pub(in crate::server) abort: CancellationToken,
    pub(in crate::server) runs: TaskTracker,
}

/// How a run has ended.
enum RunEnd {
    /// With the answer of the handler, or with the error of what ended the run.
    Answered(Result<Answer, anyhow::Error>),
    /// The server shuts down.
    Aborted,
}

/// The right of a prefetched task to run, once its turn has come.
type RunPermit = BoxFuture<'static, Result<OwnedSemaphorePermit, AcquireError>>;

/// Frees the slot of a run, whatever its tokio task ends with.
struct SlotRelease(Arc<Slot>);

impl Drop for SlotRelease {
    fn drop(&mut self) {
        drop(self.0.release());
    }
}

impl Executor {
    /// Starts to execute a run. A task whose message does not decode is archived instead.
    pub(in crate::server) fn execute(self: &Arc<Self>, run: Arc<HeldRun>) {
        if let Some(error) = &run.undecodable {
            tracing::error!(
                task_id = &*run.id,
                queue = run.queue.name(),
                %error,
                "a message does not decode, archiving its task unchanged"
            );
            let outcome = self.policy.undecodable();
            let slot = run.slot.release();
            self.acknowledge(run, outcome, slot.freed_now);
            return;
        }
        let waits = self
            .run_permits
            .as_ref()
            .map(|permits| (queue_up(permits), self.acknowledgements.unstarted_run()));
        let executor = Arc::clone(self);
        self.runs.spawn(async move {
            // The slot is freed even if this future panics.
            let slot = SlotRelease(Arc::clone(&run.slot));
            executor.run(run, waits).await;
            drop(slot);
        });
    }

    async fn run(&self, run: Arc<HeldRun>, waits: Option<(RunPermit, UnstartedRun)>) {
        // An unstarted run counts until its acknowledgement waits.
        let mut unstarted = None;
        let mut end = None;
        if let Some((permit, counted)) = waits {
            end = self.wait_for_permit(permit, &run).await;
            unstarted = end.is_some().then_some(counted);
        }
        let end = match end {
            Some(end) => end,
            None => self.call_handler(&run).await,
        };
        run.set_finished();
        if run.context.ended() == Some(RunEnded::LeaseExpired) {
            self.hooks.lease_lost(&run);
            self.held.release([&run]);
            return;
        }
        let outcome = self.decide(&run, end);
        let slot = run.slot.release();
        self.acknowledge(run, outcome, slot.freed_now);
        drop(unstarted);
        // The permits come last: they wake the processor, whose fetch then finds the acknowledgement.
        drop(slot);
    }

    /// Waits for a prefetched task's permit to run. Returns the end of a run that cannot start.
    async fn wait_for_permit(&self, permit: RunPermit, run: &HeldRun) -> Option<RunEnd> {
        let context = &run.context;
        tokio::select! {
            biased;
            () = context.cancellation().cancelled() => {
                let cause = context.ended().unwrap_or(RunEnded::Canceled);
                Some(RunEnd::Answered(Err(cause.into())))
            }
            () = self.shutdown.cancelled() => {
                context.end(RunEnded::Canceled);
                Some(RunEnd::Aborted)
            }
            permit = permit => {
                // The semaphore is never closed.
                if let Ok(permit) = permit {
                    run.slot.add(permit);
                }
                if run.has_lease() {
                    return None;
                }
                context.end(RunEnded::LeaseExpired);
                Some(RunEnd::Answered(Err(RunEnded::LeaseExpired.into())))
            }
        }
    }

    async fn call_handler(&self, run: &HeldRun) -> RunEnd {
        let context = &run.context;
        let Started { deadline, .. } = run.start();
        let left = time_left(deadline, clock::now());
        if left.is_zero() {
            // COMPAT: asynq v0.26.0 does not call the handler either
            context.end(RunEnded::DeadlineExceeded);
            return RunEnd::Answered(Err(RunEnded::DeadlineExceeded.into()));
        }
        let task = Task::from_message(&run.message);
        let mut handler = self.handler.run(Run::new(context.clone(), task));
        tokio::select! {
            biased;
            answer = &mut handler => {
                context.answered();
                return RunEnd::Answered(answer);
            }
            () = context.cancellation().cancelled() => {}
            () = self.abort.cancelled() => {
                context.end(RunEnded::Canceled);
                return RunEnd::Aborted;
            }
            () = tokio::time::sleep(left) => {
                context.end(RunEnded::DeadlineExceeded);
            }
        }
        // If the handler has cancelled its own token, nothing has ended the run so far.
        context.end(RunEnded::Canceled);
        let cause = context.ended().unwrap_or(RunEnded::Canceled);
        if cause == RunEnded::Canceled && !self.cancel_grace.is_zero() {
            let grace = self.cancel_grace.min(time_left(deadline, clock::now()));
            tokio::select! {
                biased;
                answer = &mut handler => return RunEnd::Answered(answer),
                () = self.abort.cancelled() => return RunEnd::Aborted,
                () = tokio::time::sleep(grace) => {}
            }
        }
        RunEnd::Answered(Err(cause.into()))
    }

    fn decide(&self, run: &HeldRun, end: RunEnd) -> Outcome {
        let answer = match end {
            RunEnd::Answered(answer) => answer,
            RunEnd::Aborted => {
                if run.started().is_some() {
                    tracing::info!(
                        task_id = &*run.id,
                        queue = run.queue.name(),
                        "aborted the run, its task is requeued"
                    );
                }
                return Outcome::Requeued;
            }
        };
        if let Err(error) = &answer {
            self.hooks.run_failed(run, error);
        }
        let outcome = self.policy.decide(&run.message, &answer, clock::now());
        if let Err(error) = &answer {
            self.hooks.decided(run, error, &outcome);
        }
        outcome
    }

    fn acknowledge(&self, run: Arc<HeldRun>, outcome: Outcome, frees_slot: bool) {
        let acknowledgement = Acknowledgement {
            claim: run.claim(),
            outcome,
        };
        self.acknowledgements.add(run, acknowledgement, frees_slot);
    }
}

/// Queues up for a permit to run, at once: tokio polls new tasks in any order, and the tasks must run
/// in the order of their fetch.
fn queue_up(permits: &Arc<Semaphore>) -> RunPermit {
    let mut permit = Arc::clone(permits).acquire_owned().boxed();
    match permit.poll_unpin(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(permit) => ready(permit).boxed(),
        Poll::Pending => permit,
    }
}
