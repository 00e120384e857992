//! Calls the user's hooks for failed runs.

use super::config::{Config, ErrorHandler};
use super::run::HeldRun;
use crate::broker::Outcome;
use crate::guard::{Foreign, GuardedSpan, guarded};
use crate::run::RunEnded;
use crate::task::Task;

/// The hooks of a server. Their panics are logged and change nothing else.
pub(super) struct Hooks {
    error_handler: Option<Foreign<ErrorHandler>>,
    exhausted: Option<Foreign<ErrorHandler>>,
}

impl Hooks {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            error_handler: config.error_handler.clone().map(Foreign::new),
            exhausted: config.exhausted.clone().map(Foreign::new),
        }
    }

    /// A run has ended with an error. This is called before the outcome is decided.
    pub(super) fn run_failed(&self, run: &HeldRun, error: &anyhow::Error) {
        call("error handler", &self.error_handler, run, error);
    }

    /// A run has lost its lease. Its outcome is not decided: the task may belong to another server.
    pub(super) fn lease_lost(&self, run: &HeldRun, span: &GuardedSpan) {
        let error = anyhow::Error::new(RunEnded::LeaseExpired);
        span.in_scope(|| self.run_failed(run, &error));
    }

    /// The outcome of a run that has ended with an error is decided.
    pub(super) fn decided(&self, run: &HeldRun, error: &anyhow::Error, outcome: &Outcome) {
        if matches!(outcome, Outcome::Archived { .. }) {
            call("exhausted", &self.exhausted, run, error);
        }
    }
}

fn call(name: &str, hook: &Option<Foreign<ErrorHandler>>, run: &HeldRun, error: &anyhow::Error) {
    if let Some(hook) = hook {
        guarded(name, (), || {
            let task = Task::from_message(&run.message);
            hook(&run.context, &task, error);
        });
    }
}
