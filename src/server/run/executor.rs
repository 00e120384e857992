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
use super::measure::{measure, outcome_label};
use crate::broker::{Acknowledgement, Outcome, RedisClock};
use crate::guard::{CaughtPanic, Foreign, GuardedSpan, caught, caught_future, told};
use crate::handler::{Answer, Failure, HandlerService, Panic, RunAnswer};
use crate::metrics::RunOutcome;
use crate::run::{Released, Run, RunEnded};
use crate::server::ack::{Acknowledgements, UnstartedRun};
use crate::server::announce::{Attempt, announce, announce_lost_lease};
use crate::server::hooks::Hooks;
use crate::server::policy::Policy;
use crate::task::Task;

/// Executes the runs of a server, each in a tokio task of its own.
pub(in crate::server) struct Executor {
    pub(in crate::server) handler: Foreign<HandlerService>,
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
    Answered(RunAnswer),
    /// The server shuts down before the handler has answered, or before the run has started.
    Aborted,
}

/// A future that waits for a prefetched task's permit to run.
type WaitForPermit = BoxFuture<'static, Result<OwnedSemaphorePermit, AcquireError>>;

/// Ends a run whose tokio task ends before the run is settled: frees its slot, and removes it from the held
/// runs. So its lease is no longer renewed, and expires.
struct ReleaseUnsettled<'e> {
    executor: &'e Executor,
    run: &'e Arc<HeldRun>,
}

impl Drop for ReleaseUnsettled<'_> {
    fn drop(&mut self) {
        let _ = self.executor.release(self.run);
    }
}

impl Executor {
    /// Starts to execute a run. A task whose message does not decode is archived instead.
    pub(in crate::server) fn execute(self: &Arc<Self>, run: Arc<HeldRun>) {
        if let Some(error) = &run.undecodable {
            drop(self.settle(&run, self.policy.undecodable(), None));
            told(|| {
                tracing::error!(
                    task_id = &*run.id,
                    queue = run.queue.name(),
                    %error,
                    "a message does not decode, archiving its task unchanged"
                );
            });
            return;
        }
        let prefetched = self
            .run_permits
            .as_ref()
            .map(|permits| (queue_up(permits), self.acknowledgements.unstarted_run()));
        let executor = Arc::clone(self);
        self.runs.spawn(async move {
            let _unsettled = ReleaseUnsettled {
                executor: &executor,
                run: &run,
            };
            if let Err(panic) = caught_future(executor.run(&run, prefetched)).await {
                executor.settle_after_panic(&run, panic);
            }
        });
    }

    async fn run(&self, run: &Arc<HeldRun>, prefetched: Option<(WaitForPermit, UnstartedRun)>) {
        // The lines that the handler and the hooks log have these fields. The level is that of errors, so
        // that no filter hides the span and shows the lines.
        let span = GuardedSpan::new(|| {
            tracing::error_span!(
                "run",
                task_id = &*run.id,
                task_type = run.message.r#type,
                queue = run.queue.name(),
                attempt = %Attempt(&run.message)
            )
        });
        // A run that does not start counts as unstarted until its acknowledgement waits.
        let mut unstarted = None;
        let mut finish = None;
        if let Some((permit, count)) = prefetched {
            finish = self.wait_for_permit(permit, run).await;
            unstarted = finish.is_some().then_some(count);
        }
        let finish = match finish {
            Some(finish) => finish,
            None => self.call_handler(run, &span).await,
        };
        run.set_finished();
        if run.context.ended() == Some(RunEnded::LeaseExpired) {
            self.hooks.lease_lost(run, &span);
            if self.release(run) {
                measure(run, RunOutcome::LeaseLost, None);
            }
            announce_lost_lease(run);
            return;
        }
        let answer = match finish {
            Finish::Answered(answer) => Some(answer.map_err(Failure::of)),
            Finish::Aborted => None,
        };
        let outcome = match &answer {
            Some(answer) => span.in_scope(|| self.decide(run, answer)),
            None => Outcome::Requeued,
        };
        let failure = answer.as_ref().and_then(|answer| answer.as_ref().err());
        let slot = self.settle(run, outcome.clone(), failure);
        drop(unstarted);
        // The permits are freed last. This wakes the processor, and its next fetch finds the acknowledgement.
        drop(slot);
        // The run is settled, so whatever the log does changes nothing.
        match &answer {
            Some(answer) => announce(run, answer, &outcome),
            None if run.started().is_some() => told(|| {
                tracing::info!(
                    task_id = &*run.id,
                    queue = run.queue.name(),
                    "aborted the run, its task is requeued"
                );
            }),
            None => {}
        }
    }

    /// The tokio task of a run has panicked: the run has failed.
    fn settle_after_panic(&self, run: &Arc<HeldRun>, panic: CaughtPanic) {
        run.context.answered();
        run.set_finished();
        let text = panic.logged_text();
        // What has panicked may panic again. Then the run is released.
        let _ = caught(|| {
            let answer = Err(Failure::from(Panic::from(panic)));
            let outcome = self.policy.decide(&run.message, &answer, self.clock.now());
            drop(self.settle(run, outcome, answer.as_ref().err()));
        });
        let _ = self.release(run);
        told(|| {
            tracing::error!(
                task_id = &*run.id,
                task_type = run.message.r#type,
                queue = run.queue.name(),
                error = text,
                "a panic ended the execution of a run, it counts as failed"
            );
        });
    }

    /// Requeues the task of a run that is not to start.
    pub(in crate::server) fn requeue(&self, run: &Arc<HeldRun>) {
        run.context.end(RunEnded::Canceled);
        run.set_finished();
        drop(self.settle(run, Outcome::Requeued, None));
    }

    /// Requeues the tasks of all runs that are not settled, although their handlers go on.
    pub(in crate::server) fn give_up_runs(&self) {
        for run in self.held.all() {
            if run.is_settled() {
                continue;
            }
            self.requeue(&run);
            told(|| {
                tracing::warn!(
                    task_id = &*run.id,
                    task_type = run.message.r#type,
                    queue = run.queue.name(),
                    "a handler blocks its thread and cannot be stopped, its task is requeued"
                );
            });
        }
    }

    /// Waits for the permit of a prefetched task. Returns `None` if the run may start. Otherwise
    /// the run does not start, and the returned value says how it has finished.
    async fn wait_for_permit(&self, permit: WaitForPermit, run: &HeldRun) -> Option<Finish> {
        let context = &run.context;
        tokio::select! {
            biased;
            () = context.has_ended() => {
                let cause = context.ended().unwrap_or(RunEnded::Canceled);
                Some(ended_by(cause))
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
                Some(ended_by(RunEnded::LeaseExpired))
            }
        }
    }

    async fn call_handler(&self, run: &HeldRun, span: &GuardedSpan) -> Finish {
        let context = &run.context;
        if self.abort.is_cancelled() {
            // The shutdown has begun after the fetch. The handler is not called.
            context.end(RunEnded::Canceled);
            return Finish::Aborted;
        }
        if !run.has_lease() {
            // The runtime was blocked, so that the run could not start before.
            context.end(RunEnded::LeaseExpired);
        }
        if context.ended() == Some(RunEnded::LeaseExpired) {
            return ended_by(RunEnded::LeaseExpired);
        }
        let Started { at, deadline, .. } = run.start(&self.clock);
        let task_type = &run.message.r#type;
        let _in_progress = run.queue.meter.run_started(&run.meter, task_type, at);
        let left = time_left(deadline, at);
        if left.is_zero() {
            // COMPAT: asynq v0.26.0 does not call the handler either
            context.end(RunEnded::DeadlineExceeded);
            return ended_by(RunEnded::DeadlineExceeded);
        }
        let task = Task::from_message(&run.message);
        let handler = self.handler.run(Run::new(context.clone(), task));
        let mut handler = run.polls.count(span.around(handler));
        tokio::select! {
            biased;
            answer = &mut handler => {
                context.answered();
                return Finish::Answered(answer);
            }
            () = context.has_ended() => {}
            () = self.abort.cancelled() => {
                context.end(RunEnded::Canceled);
                return Finish::Aborted;
            }
            () = tokio::time::sleep(left) => {
                context.end(RunEnded::DeadlineExceeded);
            }
        }
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
        ended_by(cause)
    }

    fn decide(&self, run: &HeldRun, answer: &Result<Answer, Failure>) -> Outcome {
        if let Err(failure) = answer {
            self.hooks.run_failed(run, failure.error());
        }
        let outcome = self.policy.decide(&run.message, answer, self.clock.now());
        if let Err(failure) = answer {
            self.hooks.decided(run, failure.error(), &outcome);
        }
        outcome
    }

    /// Lets the acknowledgement wait for its call. If the run is settled already, nothing happens. Dropping
    /// the returned value frees the slot.
    fn settle(&self, run: &Arc<HeldRun>, outcome: Outcome, failure: Option<&Failure>) -> Released {
        let slot = run.slot.release();
        if run.settle() {
            measure(run, outcome_label(&outcome, failure), failure);
            let acknowledgement = Acknowledgement {
                claim: run.claim(),
                outcome,
            };
            self.acknowledgements
                .add(run, acknowledgement, slot.freed_now);
        }
        slot
    }

    /// Ends a run without an acknowledgement. If the run is settled already, nothing happens, and it returns false.
    fn release(&self, run: &Arc<HeldRun>) -> bool {
        let settles = run.settle();
        if settles {
            drop(run.slot.release());
            self.held.release([run]);
        }
        settles
    }
}

/// The finish of a run that the server has ended.
fn ended_by(cause: RunEnded) -> Finish {
    Finish::Answered(Err(Foreign::new(cause.into())))
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
