//! Running: the tasks that a server holds, and what may end a run before its handler answers.

mod deadline;
mod executor;
mod held;

pub(super) use executor::Executor;
pub(super) use held::{FetchedTask, HeldRun, HeldRuns};
