//! Announces failed runs: to the user's hooks, and in the log.

use super::config::{Config, ErrorHandler};
use super::run::HeldRun;
use crate::background::guarded;
use crate::broker::Outcome;
use crate::handler::stored_text;
use crate::run::RunEnded;
use crate::task::Task;

/// The hooks of a server. Their panics are logged and change nothing else.
pub(super) struct Hooks {
    error_handler: Option<ErrorHandler>,
    exhausted: Option<ErrorHandler>,
}

impl Hooks {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            error_handler: config.error_handler.clone(),
            exhausted: config.exhausted.clone(),
        }
    }

    /// A run has ended with an error. This is called before the outcome is decided.
    pub(super) fn run_failed(&self, run: &HeldRun, error: &anyhow::Error) {
        call("error handler", &self.error_handler, run, error);
    }

    /// A run has lost its lease. Its outcome is not decided: the task may belong to another server.
    pub(super) fn lease_lost(&self, run: &HeldRun) {
        let error = anyhow::Error::new(RunEnded::LeaseExpired);
        self.run_failed(run, &error);
        tracing::warn!(
            task_id = &*run.id,
            queue = run.queue.name(),
            "the task's lease was lost, its new owner decides"
        );
    }

    /// The outcome of a run that has ended with an error is decided.
    pub(super) fn decided(&self, run: &HeldRun, error: &anyhow::Error, outcome: &Outcome) {
        match outcome {
            Outcome::Done { .. } => tracing::info!(
                task_id = &*run.id,
                queue = run.queue.name(),
                error = stored_text(error),
                "revoked"
            ),
            Outcome::Archived { .. } => {
                call("exhausted", &self.exhausted, run, error);
                tracing::warn!(
                    task_id = &*run.id,
                    task_type = run.message.r#type,
                    queue = run.queue.name(),
                    retried = run.message.retried,
                    error = stored_text(error),
                    "archived: no retry is left, or the error forbids it"
                );
            }
            _ => {}
        }
    }
}

fn call(name: &str, hook: &Option<ErrorHandler>, run: &HeldRun, error: &anyhow::Error) {
    if let Some(hook) = hook {
        let task = Task::from_message(&run.message);
        guarded(name, (), || hook(&run.context, &task, error));
    }
}
