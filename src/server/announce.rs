//! Tells in the log what runs came to.

use std::fmt;
use std::time::Duration;

use super::run::HeldRun;
use crate::broker::Outcome;
use crate::guard::told;
use crate::handler::{Answer, Failure};
use crate::wire::TaskMessage;

/// Which attempt a run is, and how many the task has: `1 of 26`.
pub(super) struct Attempt<'m>(pub(super) &'m TaskMessage);

impl fmt::Display for Attempt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TaskMessage { retried, retry, .. } = self.0;
        let [this, last] = [*retried, *retry].map(|retries| i64::from(retries) + 1);
        write!(f, "{this} of {}", last.max(this))
    }
}

/// The outcome of a run is decided, and the run is settled. Lines of successful runs are at level debug: a busy
/// server has very many of them.
pub(super) fn announce(run: &HeldRun, answer: &Result<Answer, Failure>, outcome: &Outcome) {
    let (task_id, queue) = (&*run.id, run.queue.name());
    let task_type = &*run.message.r#type;
    let attempt = Attempt(&run.message);
    let duration = || run.started().map_or(Duration::ZERO, |it| it.duration());
    match answer {
        Ok(Answer::Done) => told(
            || tracing::debug!(task_id, task_type, queue, %attempt, duration = ?duration(), "done"),
        ),
        Ok(Answer::Snooze(next_in)) => told(|| {
            tracing::debug!(
                task_id,
                task_type,
                queue,
                %attempt,
                duration = ?duration(),
                ?next_in,
                "snoozed"
            );
        }),
        Err(failure) => announce_failure(task_id, queue, &run.message, failure, outcome),
    }
}

/// A run has lost its lease.
pub(super) fn announce_lost_lease(run: &HeldRun) {
    told(|| {
        tracing::warn!(
            task_id = &*run.id,
            task_type = run.message.r#type,
            queue = run.queue.name(),
            attempt = %Attempt(&run.message),
            "the task's lease was lost, its new owner decides"
        );
    });
}

/// The outcome of a run that has failed is decided. The run may have been that of another server.
pub(super) fn announce_failure(
    task_id: &str,
    queue: &str,
    message: &TaskMessage,
    failure: &Failure,
    outcome: &Outcome,
) {
    let (task_type, attempt) = (&*message.r#type, Attempt(message));
    let error = || failure.logged_text();
    told(|| match outcome {
        Outcome::Retry {
            delay,
            counted: true,
            ..
        } => tracing::warn!(
            task_id,
            task_type,
            queue,
            %attempt,
            next_in = ?delay,
            error = &*error(),
            "failed, will be retried"
        ),
        Outcome::Retry {
            delay,
            counted: false,
            ..
        } => tracing::debug!(
            task_id,
            task_type,
            queue,
            %attempt,
            next_in = ?delay,
            error = &*error(),
            "ended with an error that is no failure, will be retried uncounted"
        ),
        Outcome::Deferred { delay } if failure.is_unknown_type() => tracing::warn!(
            task_id,
            task_type,
            queue,
            %attempt,
            next_in = ?delay,
            error = &*error(),
            "this server has no handler for the task, deferred"
        ),
        Outcome::Deferred { delay } => tracing::warn!(
            task_id,
            task_type,
            queue,
            %attempt,
            next_in = ?delay,
            error = &*error(),
            "the run was lost, which does not count: deferred"
        ),
        Outcome::Done { .. } => tracing::info!(
            task_id,
            task_type,
            queue,
            %attempt,
            error = &*error(),
            "revoked"
        ),
        Outcome::Archived { .. } => {
            tracing::warn!(
                task_id,
                task_type,
                queue,
                %attempt,
                error = &*error(),
                "archived: no retry is left, or the error forbids it"
            );
        }
        Outcome::Completed { .. } | Outcome::Requeued => {}
    });
}
