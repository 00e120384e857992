//! One run of a task, as its handler sees it.
//!
//! `context` is what a handler works with. The other modules are parts of the context: `ended`
//! (whether and why the run is over), `result` and `progress` (what the handler writes),
//! `shared_state` (what the mux shares), and `slot` (the permits that a run holds). In Redis this module
//! writes only the field `result` of the task, through the broker. It does not know handlers.

mod context;
mod ended;
mod progress;
mod result;
mod shared_state;
mod slot;

pub(crate) use context::RunSeed;
pub use context::TaskContext;
pub use ended::RunEnded;
pub use progress::Progress;
pub use result::MAX_RESULT_SIZE;
pub(crate) use result::{KeptResult, ResultSink};
pub(crate) use shared_state::States;
pub(crate) use slot::{Released, Slot};

use crate::task::Task;

/// One run of a task. A handler becomes a tower service, and a run is the request to it.
/// [Layers](crate::Mux::layer) see the run and may change it.
#[derive(Clone, Debug)]
pub struct Run {
    /// What the handler can read and do while it runs.
    pub context: TaskContext,
    /// The task.
    pub task: Task,
}

impl Run {
    /// Creates a run of this task with this context.
    pub fn new(context: TaskContext, task: Task) -> Self {
        Self { context, task }
    }
}
