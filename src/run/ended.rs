//! The phase of a run: whether it goes on, and why the server ended it.

use std::sync::atomic::{AtomicU8, Ordering};

/// Why a server ended a run before its handler returned.
///
/// asynq stores the same texts with the task.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum RunEnded {
    /// The task was cancelled, or a shutdown no longer waits for the handler and requeues the task.
    #[error("context canceled")]
    Canceled,
    /// The run's deadline has passed: the task's timeout or its deadline.
    #[error("context deadline exceeded")]
    DeadlineExceeded,
    /// The server could not renew its lease on the task in time. Another server may run the task.
    ///
    /// asynq: `ErrLeaseExpired`.
    #[error("asynq: task lease expired")]
    LeaseExpired,
}

/// The phase of a run. It changes once: from running to answered, or to a reason in [`RunEnded`]. The
/// first change wins.
#[derive(Debug)]
pub(super) struct RunPhase(AtomicU8);

const RUNNING: u8 = 0;
const ANSWERED: u8 = 1;
const CANCELED: u8 = 2;
const DEADLINE_EXCEEDED: u8 = 3;
const LEASE_EXPIRED: u8 = 4;

impl RunPhase {
    pub(super) fn running() -> Self {
        Self(AtomicU8::new(RUNNING))
    }

    pub(super) fn is_running(&self) -> bool {
        self.0.load(Ordering::Acquire) == RUNNING
    }

    /// Why the server ended the run. `None` while it is running, and if the handler answered first.
    pub(super) fn ended(&self) -> Option<RunEnded> {
        match self.0.load(Ordering::Acquire) {
            CANCELED => Some(RunEnded::Canceled),
            DEADLINE_EXCEEDED => Some(RunEnded::DeadlineExceeded),
            LEASE_EXPIRED => Some(RunEnded::LeaseExpired),
            _ => None,
        }
    }

    /// Ends the run for this reason. Returns whether it was running until now.
    pub(super) fn end(&self, reason: RunEnded) -> bool {
        self.leave_running(match reason {
            RunEnded::Canceled => CANCELED,
            RunEnded::DeadlineExceeded => DEADLINE_EXCEEDED,
            RunEnded::LeaseExpired => LEASE_EXPIRED,
        })
    }

    /// Records that the handler has returned. Returns whether the run was running until now.
    pub(super) fn answer(&self) -> bool {
        self.leave_running(ANSWERED)
    }

    fn leave_running(&self, phase: u8) -> bool {
        self.0
            .compare_exchange(RUNNING, phase, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_wins() {
        for reason in [
            RunEnded::Canceled,
            RunEnded::DeadlineExceeded,
            RunEnded::LeaseExpired,
        ] {
            let phase = RunPhase::running();
            assert!(phase.is_running());
            assert_eq!(phase.ended(), None);
            assert!(phase.end(reason));
            assert!(!phase.end(RunEnded::LeaseExpired));
            assert!(!phase.answer());
            assert!(!phase.is_running());
            assert_eq!(phase.ended(), Some(reason));
        }
    }

    #[test]
    fn an_answered_run_has_no_reason_and_cannot_be_ended() {
        let phase = RunPhase::running();
        assert!(phase.answer());
        assert!(!phase.end(RunEnded::Canceled));
        assert!(!phase.is_running());
        assert_eq!(phase.ended(), None);
    }

    // asynq: context errors of Go, ErrLeaseExpired
    #[test]
    fn texts_are_those_of_asynq() {
        assert_eq!(RunEnded::Canceled.to_string(), "context canceled");
        assert_eq!(
            RunEnded::DeadlineExceeded.to_string(),
            "context deadline exceeded"
        );
        assert_eq!(
            RunEnded::LeaseExpired.to_string(),
            "asynq: task lease expired"
        );
    }
}
