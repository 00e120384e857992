//! What is measured of a run that has ended.

use super::held::HeldRun;
use crate::broker::Outcome;
use crate::handler::Failure;
use crate::metrics::{EndedRun, RunOutcome};

/// Measures a run whose outcome is decided, or that has lost its lease.
pub(super) fn measure(run: &HeldRun, outcome: RunOutcome, failure: Option<&Failure>) {
    let is_unknown = run.undecodable.is_some() || failure.is_some_and(Failure::is_unknown_type);
    let ended = EndedRun {
        task_type: &run.message.r#type,
        outcome,
        has_handler: !is_unknown,
        started: run
            .started()
            .map(|started| (started.at, started.duration())),
    };
    run.queue.meter.run_ended(&run.meter, ended);
}

/// What an outcome is called in the series. `failure`: the error with which the run has ended.
pub(super) fn outcome_label(outcome: &Outcome, failure: Option<&Failure>) -> RunOutcome {
    match outcome {
        Outcome::Done { .. } if failure.is_some() => RunOutcome::Revoked,
        Outcome::Done { .. } => RunOutcome::Done,
        Outcome::Completed { .. } => RunOutcome::Completed,
        Outcome::Retry { counted: true, .. } => RunOutcome::Retry,
        Outcome::Retry { counted: false, .. } => RunOutcome::RetryUncounted,
        Outcome::Deferred { .. } => RunOutcome::Deferred,
        Outcome::Archived { .. } => RunOutcome::Archived,
        Outcome::Requeued => RunOutcome::Requeued,
    }
}
