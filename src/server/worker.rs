//! One run of one task: the handler, and what may end it before it answers.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::endings::Inlet;
use super::policy::{Policy, Settlement, as_it_is};
use super::runs::{Run, Runs};
use super::wakeups::Wakeups;
use crate::context::SlotGuard;
use crate::handler::{self, Answer, HandlerService, RunEnded};
use crate::task::Task;

/// Runs tasks. Shared by all runs of a server.
pub(super) struct Worker {
    pub(super) service: HandlerService,
    pub(super) policy: Arc<Policy>,
    pub(super) runs: Arc<Runs>,
    pub(super) wakeups: Arc<Wakeups>,
    /// To the syncer, or to a fetch.
    pub(super) ended: Inlet,
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
    pub(super) fn start(self: &Arc<Self>, run: Arc<Run>, slot: SlotGuard) {
        if let Some(error) = &run.undecodable {
            tracing::error!(
                task_id = &*run.id,
                queue = run.message.queue,
                %error,
                "a message that does not decode is archived as it is"
            );
            let settlement = Settlement::Archive(as_it_is(run.claim()));
            self.ended.ended(run, settlement, true);
            return;
        }
        let worker = Arc::clone(self);
        self.tracker
            .spawn(async move { worker.work(run, slot).await });
    }

    async fn work(&self, run: Arc<Run>, slot: SlotGuard) {
        let outcome = self.perform(&run).await;
        run.set_ended();
        if run.context.ended() == Some(RunEnded::LeaseExpired) {
            self.policy.lost(&run, &run.context);
            tracing::warn!(
                task_id = &*run.id,
                queue = run.message.queue,
                "the task's lease was lost while it ran; its other owner decides"
            );
            self.runs.forget([&run], &self.wakeups);
            return;
        }
        let settlement = match outcome {
            Outcome::Aborted => {
                tracing::info!(
                    task_id = &*run.id,
                    queue = run.message.queue,
                    "the run is broken off, its task goes back"
                );
                Settlement::Requeue(run.claim())
            }
            Outcome::Answered(answer) => self.policy.settle(&run, &run.context, answer, Utc::now()),
        };
        let frees_slot = Arc::strong_count(&slot) == 1;
        self.ended.ended(run, settlement, frees_slot);
        // last, so that the processor is woken last and runs first: slots wait for it
        drop(slot);
    }

    async fn perform(&self, run: &Run) -> Outcome {
        let context = &run.context;
        let left = self::left(run);
        if left.is_zero() {
            // COMPAT: asynq v0.26.0 does not run the handler either
            context.end(RunEnded::DeadlineExceeded);
            return Outcome::Answered(Err(RunEnded::DeadlineExceeded.into()));
        }
        let task = Task::from_message(&run.message);
        let mut handler = self.service.run(handler::Run::new(context.clone(), task));
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
                () = tokio::time::sleep(self.policy.cancel_grace.min(self::left(run))) => {}
            }
        }
        Outcome::Answered(Err(cause.into()))
    }
}

/// How long until the run's deadline.
fn left(run: &Run) -> Duration {
    (run.deadline - Utc::now())
        .to_std()
        .unwrap_or(Duration::ZERO)
}
