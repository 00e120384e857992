//! Decides the outcomes of runs. No I/O and no effects, apart from calls of two functions of the user:
//! the retry delay, and whether an error counts as a failure.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::config::{CancelPolicy, Config, IsFailure, LostLease, UnknownType};
use crate::broker::{ArchiveLimits, Outcome};
use crate::guard::{Foreign, guarded};
use crate::handler::{Answer, Failure, Verdict};
use crate::retry_delay::RetryDelay;
use crate::run::RunEnded;
use crate::task::Task;
use crate::wire::{self, TaskMessage};

/// The retry delay if the user's function for it panics.
const DELAY_AFTER_PANIC: Duration = Duration::from_secs(60);

/// Due times are whole seconds: a shorter delay would be none, and a task would run again and again.
const LEAST_DELAY: Duration = Duration::from_secs(1);

/// Why a task is archived whose runs were lost again and again.
#[derive(Debug, thiserror::Error)]
#[error("{losses} runs in a row were lost with their servers: the task may be what ends them")]
struct LostTooOften {
    losses: u32,
}

/// The settings on which decisions depend.
pub(super) struct Policy {
    retry_delay: Foreign<RetryDelay>,
    is_failure: Option<Foreign<IsFailure>>,
    unknown_type: UnknownType,
    after_cancel: CancelPolicy,
    lost_lease: LostLease,
    max_lost_runs: u32,
    archive: ArchiveLimits,
}

impl Policy {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            retry_delay: Foreign::new(config.retry_delay.clone()),
            is_failure: config.is_failure.clone().map(Foreign::new),
            unknown_type: config.unknown_type,
            after_cancel: config.after_cancel,
            lost_lease: config.lost_lease,
            max_lost_runs: config.max_lost_runs,
            archive: config.archive_limits(),
        }
    }

    /// Decides the outcome of a run by the answer of its handler, or by the reason for which the server
    /// ended the run. `now` is Redis' time.
    pub(super) fn decide(
        &self,
        message: &TaskMessage,
        answer: &Result<Answer, Failure>,
        now: DateTime<Utc>,
    ) -> Outcome {
        let failure = match answer {
            Ok(Answer::Done) => return succeeded(message, now),
            Ok(Answer::Snooze(delay)) => {
                let delay = (*delay).max(LEAST_DELAY);
                return Outcome::Deferred { delay };
            }
            Err(failure) => failure,
        };
        if let UnknownType::Defer { after } = self.unknown_type
            && failure.is_unknown_type()
        {
            return Outcome::Deferred { delay: after };
        }
        match self.verdict(failure) {
            Verdict::Revoke => Outcome::Done {
                lock: lock_of(message),
            },
            Verdict::RetryAfter(delay) if has_retries(message) => {
                self.retry(message, failure, delay, now)
            }
            Verdict::Retry if has_retries(message) => {
                let delay = self.delay(message, failure);
                self.retry(message, failure, delay, now)
            }
            _ => self.archived(message, failure, now),
        }
    }

    /// Decides the outcome for a task whose server has disappeared. Also returns why its run has failed.
    ///
    /// `losses` is the number of runs in a row that were lost, with this one. `at_once`: if the task is retried, it
    /// does not wait for the retry delay.
    pub(super) fn decide_on_lost_run(
        &self,
        message: &TaskMessage,
        losses: u32,
        at_once: bool,
        now: DateTime<Utc>,
    ) -> (Outcome, Failure) {
        if self.is_lost_too_often(losses) {
            let failure = Failure::from(LostTooOften { losses });
            return (self.archived(message, &failure, now), failure);
        }
        let failure = Failure::from(RunEnded::LeaseExpired);
        let outcome = if self.lost_lease == LostLease::Defer {
            let delay = Duration::ZERO;
            Outcome::Deferred { delay }
        } else if has_retries(message) {
            let delay = match at_once {
                true => Duration::ZERO,
                false => self.delay(message, &failure),
            };
            self.retry(message, &failure, delay, now)
        } else {
            self.archived(message, &failure, now)
        };
        (outcome, failure)
    }

    /// Whether a task is archived after so many lost runs in a row.
    pub(super) fn is_lost_too_often(&self, losses: u32) -> bool {
        losses >= self.max_lost_runs
    }

    /// The outcome for a message that does not decode: archived unchanged, and not counted.
    pub(super) fn undecodable(&self) -> Outcome {
        Outcome::Archived {
            message: None,
            counted: false,
            limits: self.archive,
        }
    }

    /// What the error asks for, unless a setting of the server overrides it.
    fn verdict(&self, failure: &Failure) -> Verdict {
        if failure.is_unknown_type() && self.unknown_type == UnknownType::Archive {
            return Verdict::SkipRetry;
        }
        match (failure.is_canceled(), self.after_cancel) {
            (true, CancelPolicy::Archive) => Verdict::SkipRetry,
            (true, CancelPolicy::Revoke) => Verdict::Revoke,
            _ => failure.verdict(),
        }
    }

    fn delay(&self, message: &TaskMessage, failure: &Failure) -> Duration {
        let retried = u32::try_from(message.retried).unwrap_or_default();
        guarded("retry delay", DELAY_AFTER_PANIC, || {
            let task = Task::from_message(message);
            self.retry_delay.delay(retried, failure.error(), &task)
        })
    }

    fn retry(
        &self,
        message: &TaskMessage,
        failure: &Failure,
        delay: Duration,
        now: DateTime<Utc>,
    ) -> Outcome {
        let counted = self
            .is_failure
            .as_ref()
            .is_none_or(|is_failure| guarded("is_failure", true, || is_failure(failure.error())));
        // Only a delay of zero means "at once", and only while the retries that are left bound it.
        let delay = match counted && delay.is_zero() {
            true => delay,
            false => delay.max(LEAST_DELAY),
        };
        let mut message = failed(message, failure, now);
        message.retried += i32::from(counted);
        Outcome::Retry {
            message: wire::encode(&message),
            delay,
            counted,
        }
    }

    fn archived(&self, message: &TaskMessage, failure: &Failure, now: DateTime<Utc>) -> Outcome {
        Outcome::Archived {
            message: Some(wire::encode(&failed(message, failure, now))),
            counted: true,
            limits: self.archive,
        }
    }
}

fn has_retries(message: &TaskMessage) -> bool {
    message.retried < message.retry
}

fn failed(message: &TaskMessage, failure: &Failure, now: DateTime<Utc>) -> TaskMessage {
    TaskMessage {
        error_msg: failure.text().to_owned(),
        last_failed_at: now.timestamp(),
        ..message.clone()
    }
}

fn succeeded(message: &TaskMessage, now: DateTime<Utc>) -> Outcome {
    let lock = lock_of(message);
    if message.retention <= 0 {
        return Outcome::Done { lock };
    }
    let completed = TaskMessage {
        completed_at: now.timestamp(),
        ..message.clone()
    };
    Outcome::Completed {
        lock,
        message: wire::encode(&completed),
        retention: Duration::from_secs(message.retention.unsigned_abs()),
    }
}

fn lock_of(message: &TaskMessage) -> Option<String> {
    (!message.unique_key.is_empty()).then(|| message.unique_key.clone())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::handler::{HandlerNotFound, RetryAfter, Revoke, SkipRetry};

    const LIMITS: ArchiveLimits = ArchiveLimits {
        max_size: 10,
        max_age_secs: 60,
    };

    fn policy() -> Policy {
        Policy {
            max_lost_runs: 5,
            retry_delay: Foreign::new(RetryDelay::constant(Duration::from_secs(7))),
            is_failure: None,
            unknown_type: UnknownType::Fail,
            after_cancel: CancelPolicy::Fail,
            lost_lease: LostLease::Fail,
            archive: LIMITS,
        }
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_000, 0).expect("a time")
    }

    fn message() -> TaskMessage {
        TaskMessage {
            id: "id".to_owned(),
            retry: 3,
            retried: 1,
            ..TaskMessage::default()
        }
    }

    fn decide(policy: &Policy, error: impl Into<anyhow::Error>) -> Outcome {
        policy.decide(&message(), &Err(Failure::from(error)), now())
    }

    fn retried(text: &str, retried: i32, delay_secs: u64, counted: bool) -> Outcome {
        let message = TaskMessage {
            error_msg: text.to_owned(),
            last_failed_at: 1_000,
            retried,
            ..message()
        };
        Outcome::Retry {
            message: wire::encode(&message),
            delay: Duration::from_secs(delay_secs),
            counted,
        }
    }

    fn archived(text: &str, message: TaskMessage) -> Outcome {
        let message = TaskMessage {
            error_msg: text.to_owned(),
            last_failed_at: 1_000,
            ..message
        };
        Outcome::Archived {
            message: Some(wire::encode(&message)),
            counted: true,
            limits: LIMITS,
        }
    }

    #[test]
    fn success_removes_the_task_or_keeps_it_for_its_retention() {
        let unique = TaskMessage {
            unique_key: "lock".to_owned(),
            ..message()
        };
        let lock = Some("lock".to_owned());
        let outcome = policy().decide(&unique, &Ok(Answer::Done), now());
        assert_eq!(outcome, Outcome::Done { lock: lock.clone() });
        let kept = TaskMessage {
            retention: 60,
            ..unique
        };
        let stored = TaskMessage {
            completed_at: 1_000,
            ..kept.clone()
        };
        assert_eq!(
            policy().decide(&kept, &Ok(Answer::Done), now()),
            Outcome::Completed {
                lock,
                message: wire::encode(&stored),
                retention: Duration::from_secs(60),
            }
        );
    }

    #[test]
    fn a_snooze_defers_the_task_uncounted() {
        let delay = Duration::from_millis(5_900);
        let answer = Ok(Answer::Snooze(delay));
        assert_eq!(
            policy().decide(&message(), &answer, now()),
            Outcome::Deferred { delay }
        );
    }

    #[test]
    fn a_delay_below_a_second_is_a_second_and_only_a_counted_retry_may_come_at_once() {
        let decide_after = |delay, is_failure: bool| {
            let policy = Policy {
                retry_delay: Foreign::new(RetryDelay::constant(delay)),
                is_failure: Some(Foreign::new(Arc::new(move |_| is_failure))),
                ..policy()
            };
            let by_setting = decide(&policy, anyhow::anyhow!("x"));
            let by_error = decide(&policy, RetryAfter::new(delay, "x"));
            assert_eq!(by_setting, by_error);
            by_setting
        };
        let second = Duration::from_secs(1);
        for short in [Duration::from_nanos(1), Duration::from_millis(900)] {
            assert_eq!(decide_after(short, true), retried("x", 2, 1, true));
        }
        let zero = Duration::ZERO;
        assert_eq!(decide_after(zero, true), retried("x", 2, 0, true));
        assert_eq!(decide_after(zero, false), retried("x", 1, 1, false));
        for short in [zero, Duration::from_millis(900)] {
            let outcome = policy().decide(&message(), &Ok(Answer::Snooze(short)), now());
            assert_eq!(outcome, Outcome::Deferred { delay: second });
        }
    }

    #[test]
    fn an_error_is_retried_after_the_delay_and_archived_when_no_retry_is_left() {
        let error = || anyhow::anyhow!("boom");
        assert_eq!(decide(&policy(), error()), retried("boom", 2, 7, true));
        let exhausted = TaskMessage {
            retried: 3,
            ..message()
        };
        let outcome = policy().decide(&exhausted, &Err(error().into()), now());
        assert_eq!(outcome, archived("boom", exhausted));
    }

    #[test]
    fn an_error_can_ask_for_its_outcome() {
        let policy = policy();
        assert_eq!(
            decide(&policy, Revoke::new("x")),
            Outcome::Done { lock: None }
        );
        assert_eq!(
            decide(&policy, SkipRetry::new("x")),
            archived("x", message())
        );
        let after = RetryAfter::new(Duration::from_secs(50), "x");
        assert_eq!(decide(&policy, after), retried("x", 2, 50, true));
    }

    #[test]
    fn an_error_that_is_no_failure_is_retried_uncounted() {
        let policy = Policy {
            is_failure: Some(Foreign::new(Arc::new(|error| error.to_string() != "busy"))),
            ..policy()
        };
        let busy = decide(&policy, anyhow::anyhow!("busy"));
        assert_eq!(busy, retried("busy", 1, 7, false));
        let other = decide(&policy, anyhow::anyhow!("boom"));
        assert_eq!(other, retried("boom", 2, 7, true));
    }

    #[test]
    fn an_unknown_type_fails_or_is_deferred_or_archived_by_the_setting() {
        let decide = |unknown_type| {
            let policy = Policy {
                unknown_type,
                ..policy()
            };
            decide(&policy, HandlerNotFound::new("t"))
        };
        let text = "handler not found for task \"t\"";
        let after = Duration::from_secs(9);
        assert_eq!(decide(UnknownType::Fail), retried(text, 2, 7, true));
        let deferred = Outcome::Deferred { delay: after };
        assert_eq!(decide(UnknownType::Defer { after }), deferred);
        assert_eq!(decide(UnknownType::Archive), archived(text, message()));
    }

    #[test]
    fn a_canceled_task_fails_or_is_archived_or_revoked_by_the_setting() {
        let decide = |after_cancel| {
            let policy = Policy {
                after_cancel,
                ..policy()
            };
            decide(&policy, RunEnded::Canceled)
        };
        let text = "context canceled";
        assert_eq!(decide(CancelPolicy::Fail), retried(text, 2, 7, true));
        assert_eq!(decide(CancelPolicy::Archive), archived(text, message()));
        let revoked = Outcome::Done { lock: None };
        assert_eq!(decide(CancelPolicy::Revoke), revoked);
    }

    #[test]
    fn an_expired_lease_fails_or_is_deferred_by_the_setting() {
        let text = "asynq: task lease expired";
        let outcome = policy().decide_on_lost_run(&message(), 1, false, now()).0;
        assert_eq!(outcome, retried(text, 2, 7, true));
        let exhausted = TaskMessage {
            retry: 0,
            retried: 0,
            ..message()
        };
        let outcome = policy().decide_on_lost_run(&exhausted, 1, false, now()).0;
        assert_eq!(outcome, archived(text, exhausted.clone()));
        let deferring = Policy {
            lost_lease: LostLease::Defer,
            ..policy()
        };
        let delay = Duration::ZERO;
        assert_eq!(
            deferring.decide_on_lost_run(&exhausted, 1, false, now()).0,
            Outcome::Deferred { delay }
        );
    }

    #[test]
    fn a_run_that_was_lost_with_its_process_is_retried_at_once_until_too_many_were_lost() {
        let text = "asynq: task lease expired";
        let decide = |losses, at_once| {
            policy()
                .decide_on_lost_run(&message(), losses, at_once, now())
                .0
        };
        assert_eq!(decide(4, true), retried(text, 2, 0, true));
        let text = "5 runs in a row were lost with their servers: the task may be what ends them";
        assert_eq!(decide(5, true), archived(text, message()));
        assert_eq!(decide(5, false), archived(text, message()));
    }

    #[test]
    fn functions_that_panic_are_replaced_by_a_minute_and_by_a_failure() {
        let policy = Policy {
            retry_delay: Foreign::new(RetryDelay::new(|_, _, _| panic!("delay"))),
            is_failure: Some(Foreign::new(Arc::new(|_| panic!("is_failure")))),
            ..policy()
        };
        let outcome = decide(&policy, anyhow::anyhow!("boom"));
        assert_eq!(outcome, retried("boom", 2, 60, true));
    }

    #[test]
    fn a_message_that_does_not_decode_is_archived_unchanged_and_uncounted() {
        let outcome = policy().undecodable();
        let limits = LIMITS;
        let expected = Outcome::Archived {
            message: None,
            counted: false,
            limits,
        };
        assert_eq!(outcome, expected);
    }
}
