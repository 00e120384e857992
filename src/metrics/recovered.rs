//! Runs of servers that have disappeared. They are so rare that their series are not kept.

use super::ON;
use super::catalogue::RECOVERED_RUNS;
use super::series::Counter;

/// How it was known that a run was lost.
#[derive(Clone, Copy)]
pub(crate) enum LossCause {
    ExpiredLease,
    EndedProcess,
}

/// A run of a server that has disappeared is settled.
pub(crate) fn run_recovered(queue: &str, cause: LossCause) {
    if ON {
        add(queue, cause, 1);
    }
}

/// What happens rarely shows from the beginning: an increase from nothing is none.
pub(super) fn show_none_recovered(queue: &str) {
    add(queue, LossCause::ExpiredLease, 0);
    add(queue, LossCause::EndedProcess, 0);
}

fn add(queue: &str, cause: LossCause, runs: u64) {
    let cause = match cause {
        LossCause::ExpiredLease => "expired_lease",
        LossCause::EndedProcess => "ended_process",
    };
    Counter::new(RECOVERED_RUNS, &[("queue", queue), ("cause", cause)]).add(runs);
}
