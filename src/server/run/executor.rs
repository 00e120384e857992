//! Executes runs: calls the handler, and ends a run at its deadline, a cancellation, a lost lease or an
//! abort.

use std::future::ready;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_util::future::{BoxFuture, FutureExt};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::deadline::time_left;
use super::held::{HeldRun, HeldRuns, Started};
use crate::broker::{Acknowledgement, Outcome, RedisClock};
use crate::handler::{Answer, HandlerService};
use crate::run::{Run, RunEnded};
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
    pub(in crate::server) clock: RedisClock,
    pub(in crate::server) held: Arc<HeldRuns>,
    pub(in crate::server) acknowledgements: Arc<Acknowledgements>,
    /// The permits to run. `None` if the server does not prefetch.
    pub(in crate::server) run_permits: Option<Arc<Semaphore>>,
    /// Fires when a shutdown begins: no prefetched task starts after that.
    pub(in crate::server) shutdown: CancellationToken,
    /// Fires when a shutdown no longer waits for handlers.
    pub(in crate::server) abort: CancellationToken,
    pub(in crate::server) runs: TaskTracker,
}

/// How the execution of a run has finished.
enum Finish {
    /// With the answer of the handler, or with the reason for which the server ended the run.
    Answered(Result<Answer, anyhow::Error>),
    /// The server shuts down before the handler has answered, or before the run has started.
    Aborted,
}

/// A future that waits for a prefetched task's permit to run.
type WaitForPermit = BoxFuture<'static, Result<OwnedSemaphorePermit, AcquireError>>;

/// Ends a run whose tokio task panics before the run has an outcome: frees its slot, and removes it
/// from the held runs. So its lease is no longer renewed, and expires.
struct PanicGuard<'e> {
    held: &'e HeldRuns,
    run: &'e Arc<HeldRun>,
}

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(
                task_id = &*self.run.id,
                queue = self.run.queue.name(),
                "a panic left a run without an outcome, its lease will expire"
            );
            drop(self.run.slot.release());
            self.held.release([self.run]);
        }
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
            self.acknowledge(&run, outcome, slot.freed_now);
            return;
        }
        let prefetched = self
            .run_permits
            .as_ref()
            .map(|permits| (queue_up(permits), self.acknowledgements.unstarted_run()));
        let executor = Arc::clone(self);
        self.runs.spawn(async move {
            let _guard = PanicGuard {
                held: &executor.held,
                run: &run,
            };
            executor.run(&run, prefetched).await;
        });
    }

    async fn run(&self, run: &Arc<HeldRun>, prefetched: Option<(WaitForPermit, UnstartedRun)>) {
        // A run that does not start counts as unstarted until its acknowledgement waits.
        let mut unstarted = None;
        let mut finish = None;
        if let Some((permit, count)) = prefetched {
            finish = self.wait_for_permit(permit, run).await;
            unstarted = finish.is_some().then_some(count);
        }
        let finish = match finish {
            Some(finish) => finish,
            None => self.call_handler(run).await,
        };
        run.set_finished();
        if run.context.ended() == Some(RunEnded::LeaseExpired) {
            self.hooks.lease_lost(run);
            drop(run.slot.release());
            self.held.release([run]);
            return;
        }
        let outcome = self.decide(run, finish);
        let slot = run.slot.release();
        self.acknowledge(run, outcome, slot.freed_now);
        drop(unstarted);
        // The permits are freed last. This wakes the processor, and its next fetch finds the acknowledgement.
        drop(slot);
    }

    /// Waits for the permit of a prefetched task. Returns `None` if the run may start. Otherwise
    /// the run does not start, and the returned value says how it has finished.
    async fn wait_for_permit(&self, permit: WaitForPermit, run: &HeldRun) -> Option<Finish> {
        let context = &run.context;
        tokio::select! {
            biased;
            () = context.cancellation().cancelled() => {
                let cause = context.ended().unwrap_or(RunEnded::Canceled);
                Some(Finish::Answered(Err(cause.into())))
            }
            () = self.shutdown.cancelled() => {
                context.end(RunEnded::Canceled);
                Some(Finish::Aborted)
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
                Some(Finish::Answered(Err(RunEnded::LeaseExpired.into())))
            }
        }
    }

    async fn call_handler(&self, run: &HeldRun) -> Finish {
        let context = &run.context;
        if self.abort.is_cancelled() {
            // The task was fetched while the shutdown began. The handler is not called.
            context.end(RunEnded::Canceled);
            return Finish::Aborted;
        }
        let Started { at, deadline } = run.start(&self.clock);
        let left = time_left(deadline, at);
        if left.is_zero() {
            // COMPAT: asynq v0.26.0 does not call the handler either
            context.end(RunEnded::DeadlineExceeded);
            return Finish::Answered(Err(RunEnded::DeadlineExceeded.into()));
        }
        let task = Task::from_message(&run.message);
        let mut handler = self.handler.run(Run::new(context.clone(), task));
        tokio::select! {
            biased;
            answer = &mut handler => {
                context.answered();
                return Finish::Answered(answer);
            }
            () = context.cancellation().cancelled() => {}
            () = self.abort.cancelled() => {
                context.end(RunEnded::Canceled);
                return Finish::Aborted;
            }
            () = tokio::time::sleep(left) => {
                context.end(RunEnded::DeadlineExceeded);
            }
        }
        // If the handler has cancelled its own token, nothing has ended the run so far.
        context.end(RunEnded::Canceled);
        let cause = context.ended().unwrap_or(RunEnded::Canceled);
        if cause == RunEnded::Canceled && !self.cancel_grace.is_zero() {
            let grace = self.cancel_grace.min(time_left(deadline, self.clock.now()));
            tokio::select! {
                biased;
                answer = &mut handler => return Finish::Answered(answer),
                () = self.abort.cancelled() => return Finish::Aborted,
                () = tokio::time::sleep(grace) => {}
            }
        }
        Finish::Answered(Err(cause.into()))
    }

    fn decide(&self, run: &HeldRun, finish: Finish) -> Outcome {
        let answer = match finish {
            Finish::Answered(answer) => answer,
            Finish::Aborted => {
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
        let outcome = self.policy.decide(&run.message, &answer, self.clock.now());
        if let Err(error) = &answer {
            self.hooks.decided(run, error, &outcome);
        }
        outcome
    }

    fn acknowledge(&self, run: &Arc<HeldRun>, outcome: Outcome, frees_slot: bool) {
        let acknowledgement = Acknowledgement {
            claim: run.claim(),
            outcome,
        };
        self.acknowledgements.add(run, acknowledgement, frees_slot);
    }
}

/// Joins the queue for permits to run now, so that runs start in the order of their fetch. Otherwise they
/// would start in the arbitrary order in which tokio first polls their tokio tasks.
fn queue_up(permits: &Arc<Semaphore>) -> WaitForPermit {
    let mut permit = Arc::clone(permits).acquire_owned().boxed();
    match permit.poll_unpin(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(permit) => ready(permit).boxed(),
        Poll::Pending => permit,
    }
}
