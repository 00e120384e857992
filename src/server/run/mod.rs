//! Running: the runs that a server holds, and their execution.

mod deadline;
mod executor;
mod held;
mod measure;
mod polls;

pub(super) use executor::Executor;
pub(super) use held::{FetchedTask, HeldRun, HeldRuns};
