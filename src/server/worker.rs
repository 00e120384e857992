//! One run of one task: the handler, and what may end it before it answers.

use std::future::ready;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::{BoxFuture, FutureExt};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::endings::{InLine, Inlet};
use super::policy::{Policy, Settlement, as_it_is};
use super::runs::{Began, Run, Runs};
use super::wakeups::Wakeups;
use crate::handler::{Answer, HandlerService};
use crate::run::{self, RunEnded, Slot};
use crate::task::Task;

/// Runs tasks. Shared by all runs of a server.
pub(super) struct Worker {
    pub(super) service: HandlerService,
    pub(super) policy: Arc<Policy>,
    pub(super) runs: Arc<Runs>,
    pub(super) wakeups: Arc<Wakeups>,
    /// To the syncer, or to a fetch.
    pub(super) ended: Inlet,
    /// Where more tasks are held than run: who may begin.
    pub(super) turns: Option<Arc<Semaphore>>,
    /// Fires when a shutdown lets no more runs begin.
    pub(super) closing: CancellationToken,
    /// Fires when a shutdown no longer waits for handlers.
    pub(super) abort: CancellationToken,
    pub(super) tracker: TaskTracker,
}

/// How a handler's part ended.
enum Outcome {
    /// With this answer, or this end in its place.
    Answered(Result<Answer, anyhow::Error>),
    /// The server shuts down: the task goes back.
    Aborted,
}

impl Worker {
    /// Begins a run on a task of its own. A message that does not decode is put aside instead.
    pub(super) fn start(self: &Arc<Self>, run: Arc<Run>, slot: Arc<Slot>) {
        if let Some(error) = &run.undecodable {
            tracing::error!(
                task_id = &*run.id,
                queue = run.message.queue,
                %error,
                "a message that does not decode is archived as it is"
            );
            let settlement = Settlement::Archive(as_it_is(run.claim()));
            self.ended.ended(run, settlement, true);
            drop(slot.release());
            return;
        }
        let turn = self
            .turns
            .as_ref()
            .map(|turns| (next_of(turns), self.ended.line_up()));
        let worker = Arc::clone(self);
        self.tracker
            .spawn(async move { worker.work(run, slot, turn).await });
    }

    async fn work(&self, run: Arc<Run>, slot: Arc<Slot>, turn: Option<(Turn, InLine)>) {
        // kept until it is known how a run ended that never began
        let mut in_line = None;
        let mut instead = None;
        if let Some((turn, place)) = turn {
            instead = self.wait_for(turn, &run, &slot).await;
            in_line = instead.is_some().then_some(place);
        }
        let outcome = match instead {
            None => self.perform(&run).await,
            Some(outcome) => outcome,
        };
        run.set_ended();
        if run.context.ended() == Some(RunEnded::LeaseExpired) {
            self.policy.lost(&run, &run.context);
            tracing::warn!(
                task_id = &*run.id,
                queue = run.message.queue,
                "the task's lease was lost; its other owner decides"
            );
            self.runs.forget([&run], &self.wakeups);
            drop(in_line);
            drop(slot.release());
            return;
        }
        let settlement = match outcome {
            Outcome::Aborted => {
                if run.began().is_some() {
                    tracing::info!(
                        task_id = &*run.id,
                        queue = run.message.queue,
                        "the run is broken off, its task goes back"
                    );
                }
                Settlement::Requeue(run.claim())
            }
            Outcome::Answered(answer) => self.policy.settle(&run, &run.context, answer, Utc::now()),
        };
        let released = slot.release();
        self.ended.ended(run, settlement, released.freed_now);
        drop(in_line);
        // last, so that the processor is woken last and runs first: slots wait for it
        drop(released);
    }

    /// Waits for the run's turn, or says what comes of it instead.
    async fn wait_for(&self, turn: Turn, run: &Run, slot: &Slot) -> Option<Outcome> {
        let context = &run.context;
        tokio::select! {
            biased;
            () = context.cancellation().cancelled() => {
                let cause = context.ended().unwrap_or(RunEnded::Canceled);
                Some(Outcome::Answered(Err(cause.into())))
            }
            () = self.closing.cancelled() => {
                context.end(RunEnded::Canceled);
                Some(Outcome::Aborted)
            }
            turn = turn => {
                // the semaphore is never closed
                if let Ok(turn) = turn {
                    slot.add(turn);
                }
                if run.has_lease() {
                    return None;
                }
                context.end(RunEnded::LeaseExpired);
                Some(Outcome::Answered(Err(RunEnded::LeaseExpired.into())))
            }
        }
    }

    async fn perform(&self, run: &Run) -> Outcome {
        let context = &run.context;
        let Began { deadline, .. } = run.begin();
        let left = self::left(deadline);
        if left.is_zero() {
            // COMPAT: asynq v0.26.0 does not run the handler either
            context.end(RunEnded::DeadlineExceeded);
            return Outcome::Answered(Err(RunEnded::DeadlineExceeded.into()));
        }
        let task = Task::from_message(&run.message);
        let mut handler = self.service.run(run::Run::new(context.clone(), task));
        tokio::select! {
            biased;
            answer = &mut handler => {
                context.answered();
                return Outcome::Answered(answer);
            }
            () = context.cancellation().cancelled() => {}
            () = self.abort.cancelled() => {
                context.end(RunEnded::Canceled);
                return Outcome::Aborted;
            }
            () = tokio::time::sleep(left) => {
                context.end(RunEnded::DeadlineExceeded);
            }
        }
        // the handler may have fired the token itself: that ends nothing but its own patience
        let cause = match context.ended() {
            Some(cause) => cause,
            None => {
                context.end(RunEnded::Canceled);
                RunEnded::Canceled
            }
        };
        if cause == RunEnded::Canceled && !self.policy.cancel_grace.is_zero() {
            tokio::select! {
                biased;
                answer = &mut handler => return Outcome::Answered(answer),
                () = self.abort.cancelled() => return Outcome::Aborted,
                () = tokio::time::sleep(self.policy.cancel_grace.min(self::left(deadline))) => {}
            }
        }
        Outcome::Answered(Err(cause.into()))
    }
}

/// A place in line, which comes when it has become a turn.
type Turn = BoxFuture<'static, Result<OwnedSemaphorePermit, AcquireError>>;

/// Takes the next place in line, now: spawned tasks are first polled in any order.
fn next_of(turns: &Arc<Semaphore>) -> Turn {
    let mut turn = Arc::clone(turns).acquire_owned().boxed();
    match turn.poll_unpin(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(turn) => ready(turn).boxed(),
        // who awaits it is woken
        Poll::Pending => turn,
    }
}

/// How long until a deadline.
fn left(deadline: DateTime<Utc>) -> Duration {
    (deadline - Utc::now()).to_std().unwrap_or(Duration::ZERO)
}
