//! What follows from how a run ended: the decisions, without doing any of it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::config::{CancelPolicy, ErrorHandler, IsFailure, LostLease, UnknownType};
use super::runs::Run;
use crate::broker::{Archive, ArchiveLimits, Claim, Completed, Done, Later, LaterState};
use crate::handler::{Answer, HandlerNotFound, Verdict, find_error, stored_text};
use crate::retry_delay::RetryDelay;
use crate::run::{RunEnded, TaskContext};
use crate::task::Task;
use crate::wire::{self, TaskMessage};

/// The settings and hooks that decide.
pub(super) struct Policy {
    pub(super) retry_delay: RetryDelay,
    pub(super) is_failure: Option<IsFailure>,
    pub(super) error_handler: Option<ErrorHandler>,
    pub(super) exhausted: Option<ErrorHandler>,
    pub(super) unknown_type: UnknownType,
    pub(super) after_cancel: CancelPolicy,
    pub(super) cancel_grace: Duration,
    pub(super) lost_lease: LostLease,
    pub(super) archive: ArchiveLimits,
}

/// What Redis is to be told of a task.
pub(super) enum Settlement {
    Done(Done),
    Completed(Completed),
    Later(LaterState, Later),
    Archive(Archive),
    Requeue(Claim),
}

impl Settlement {
    /// The right by which it is told.
    pub(super) fn claim_mut(&mut self) -> &mut Claim {
        match self {
            Self::Done(end) => &mut end.claim,
            Self::Completed(end) => &mut end.claim,
            Self::Later(_, end) => &mut end.claim,
            Self::Archive(end) => &mut end.claim,
            Self::Requeue(claim) => claim,
        }
    }
}

impl Policy {
    /// Tells of a run whose lease was lost: its other owner decides.
    pub(super) fn lost(&self, run: &Run, context: &TaskContext) {
        let error = anyhow::Error::new(RunEnded::LeaseExpired);
        if let Some(hook) = &self.error_handler {
            let task = Task::from_message(&run.message);
            guarded("error handler", (), || hook(context, &task, &error));
        }
    }

    /// Decides on a run that its handler, or its end, has answered; calls the hooks.
    pub(super) fn settle(
        &self,
        run: &Run,
        context: &TaskContext,
        answer: Result<Answer, anyhow::Error>,
        now: DateTime<Utc>,
    ) -> Settlement {
        let error = match answer {
            Ok(Answer::Snooze(delay)) => {
                return Settlement::Later(LaterState::Scheduled, put_off(run.claim(), delay, now));
            }
            Ok(_) => return succeeded(run, now),
            Err(error) => error,
        };
        let task = Task::from_message(&run.message);
        if let Some(hook) = &self.error_handler {
            guarded("error handler", (), || hook(context, &task, &error));
        }
        let unknown = find_error::<HandlerNotFound>(&error).is_some();
        let canceled = find_error::<RunEnded>(&error) == Some(&RunEnded::Canceled);
        let verdict = match (unknown, self.unknown_type, canceled, self.after_cancel) {
            (true, UnknownType::GiveBack { after }, ..) => {
                return Settlement::Later(LaterState::Scheduled, put_off(run.claim(), after, now));
            }
            (true, UnknownType::Archive, ..) | (_, _, true, CancelPolicy::Archive) => {
                Verdict::SkipRetry
            }
            (_, _, true, CancelPolicy::Revoke) => Verdict::Revoke,
            _ => Verdict::of(&error),
        };
        match verdict {
            Verdict::Revoke => {
                tracing::info!(
                    task_id = &*run.id,
                    queue = run.message.queue,
                    error = stored_text(&error),
                    "revoked"
                );
                Settlement::Done(done(run))
            }
            Verdict::Retry | Verdict::RetryAfter(_) if has_retries(&run.message) => {
                let delay = match verdict {
                    Verdict::RetryAfter(delay) => delay,
                    _ => self.delay(&run.message, &error, &task),
                };
                Settlement::Later(
                    LaterState::Retry,
                    self.retried(run.claim(), &run.message, &error, delay, now),
                )
            }
            _ => {
                if let Some(hook) = &self.exhausted {
                    guarded("exhausted", (), || hook(context, &task, &error));
                }
                tracing::warn!(
                    task_id = &*run.id,
                    task_type = run.message.r#type,
                    queue = run.message.queue,
                    retried = run.message.retried,
                    error = stored_text(&error),
                    "archived: no retry is left or wanted"
                );
                Settlement::Archive(self.archived(run.claim(), &run.message, &error, now))
            }
        }
    }

    /// Decides on a task whose server is gone, by its message as it was listed.
    pub(super) fn recover(
        &self,
        claim: Claim,
        message: &TaskMessage,
        now: DateTime<Utc>,
    ) -> Settlement {
        let error = anyhow::Error::new(RunEnded::LeaseExpired);
        if self.lost_lease == LostLease::GiveBack {
            return Settlement::Later(LaterState::Scheduled, put_off(claim, Duration::ZERO, now));
        }
        if has_retries(message) {
            let task = Task::from_message(message);
            let delay = self.delay(message, &error, &task);
            Settlement::Later(
                LaterState::Retry,
                self.retried(claim, message, &error, delay, now),
            )
        } else {
            Settlement::Archive(self.archived(claim, message, &error, now))
        }
    }

    fn delay(&self, message: &TaskMessage, error: &anyhow::Error, task: &Task) -> Duration {
        let n = u32::try_from(message.retried).unwrap_or_default();
        guarded("retry delay", DELAY_AFTER_PANIC, || {
            self.retry_delay.delay(n, error, task)
        })
    }

    fn retried(
        &self,
        claim: Claim,
        message: &TaskMessage,
        error: &anyhow::Error,
        delay: Duration,
        now: DateTime<Utc>,
    ) -> Later {
        let counts = self
            .is_failure
            .as_ref()
            .is_none_or(|hook| guarded("is_failure", true, || hook(error)));
        let mut message = failed(message, error, now);
        message.retried += i32::from(counts);
        Later {
            claim,
            at_unix_secs: after(now, delay),
            message: Some(wire::encode(&message)),
            counts,
        }
    }

    fn archived(
        &self,
        claim: Claim,
        message: &TaskMessage,
        error: &anyhow::Error,
        now: DateTime<Utc>,
    ) -> Archive {
        Archive {
            claim,
            message: Some(wire::encode(&failed(message, error, now))),
            counts: true,
        }
    }
}

/// How long a task waits for its retry when the function that says so panics.
const DELAY_AFTER_PANIC: Duration = Duration::from_secs(60);

/// Calls a hook of the user's: one that panics is logged, and its answer replaced.
pub(super) fn guarded<T>(hook: &str, otherwise: T, call: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| {
        tracing::error!(hook, "a hook panicked");
        otherwise
    })
}

/// Whether a failed task is tried again.
fn has_retries(message: &TaskMessage) -> bool {
    message.retried < message.retry
}

fn failed(message: &TaskMessage, error: &anyhow::Error, now: DateTime<Utc>) -> TaskMessage {
    TaskMessage {
        error_msg: stored_text(error),
        last_failed_at: now.timestamp(),
        ..message.clone()
    }
}

fn succeeded(run: &Run, now: DateTime<Utc>) -> Settlement {
    let message = &run.message;
    if message.retention <= 0 {
        return Settlement::Done(done(run));
    }
    let kept = TaskMessage {
        completed_at: now.timestamp(),
        ..TaskMessage::clone(message)
    };
    Settlement::Completed(Completed {
        claim: run.claim(),
        unique_key: message.unique_key.clone(),
        message: wire::encode(&kept),
        keep_until_unix_secs: now.timestamp().saturating_add(message.retention).min(FAR),
    })
}

fn done(run: &Run) -> Done {
    Done {
        claim: run.claim(),
        unique_key: run.message.unique_key.clone(),
    }
}

fn put_off(claim: Claim, delay: Duration, now: DateTime<Utc>) -> Later {
    Later {
        claim,
        at_unix_secs: after(now, delay),
        message: None,
        counts: false,
    }
}

/// The last second of the year 9999: a score that every reader takes, and prints as a date.
const FAR: i64 = 253_402_300_799;

/// The whole second of `now + delay`, at most [`FAR`].
fn after(now: DateTime<Utc>, delay: Duration) -> i64 {
    TimeDelta::from_std(delay)
        .ok()
        .and_then(|delay| now.checked_add_signed(delay))
        .map_or(FAR, |at| at.timestamp().min(FAR))
}

/// A message that does not decode is archived as it is, and counted nowhere.
pub(super) fn as_it_is(claim: Claim) -> Archive {
    Archive {
        claim,
        message: None,
        counts: false,
    }
}
