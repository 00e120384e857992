//! The conditions of a handler, one by one: `#[debug_handler]` calls a function for each, so that the
//! compiler names the one that is not met. No function is ever run.

use super::answer::{IntoAnswer, IntoOutcome};
use crate::run::TaskContext;
use crate::task::{Decode, Task, TaskKind};

/// The first argument.
pub fn context<T: Context>() {}

/// The second argument, if it is the task.
pub fn task<T: WholeTask>() {}

/// The second argument, if it is a payload: its task type is known, and its codec can read it.
pub fn payload<T: TaskKind<C>, C: Decode<T>>() {}

/// What the future of an async function returns.
pub fn result<R: Returned<Answer: IntoAnswer, Error: ErrorType>>() {}

/// A plain function returns a future of a result.
pub fn future<F: Future<Output: IntoOutcome>>(_: F) {}

/// The future may run on any thread, and owns what it uses.
pub fn send<F: Send + 'static>(_: F) {}

/// The type of the first argument.
#[diagnostic::on_unimplemented(
    message = "the first argument of a handler is a `TaskContext`, not `{Self}`",
    label = "expected `rasynq::TaskContext`"
)]
pub trait Context {}

impl Context for TaskContext {}

/// The task as an argument.
#[diagnostic::on_unimplemented(
    message = "this `Task` is not `rasynq::Task`",
    label = "expected `rasynq::Task`, or a payload with a `rasynq::TaskKind`"
)]
pub trait WholeTask {}

impl WholeTask for Task {}

/// A `Result`.
#[diagnostic::on_unimplemented(
    message = "a handler returns a `Result`, not `{Self}`",
    label = "expected `Result<(), E>` or `Result<rasynq::Answer, E>`"
)]
pub trait Returned {
    /// Its first type.
    type Answer;
    /// Its second type.
    type Error;
}

impl<A, E> Returned for Result<A, E> {
    type Answer = A;
    type Error = E;
}

/// An error of a handler.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an error that a handler can return",
    label = "expected `anyhow::Error`, or a type that is `std::error::Error + Send + Sync + 'static`",
    note = "a text becomes an error by `anyhow::bail!(…)` or `anyhow::anyhow!(…)`",
    note = "`Box<dyn Error + Send + Sync>` becomes one by `.map_err(anyhow::Error::from_boxed)`"
)]
pub trait ErrorType {}

#[diagnostic::do_not_recommend]
impl<E: Into<anyhow::Error>> ErrorType for E {}
