//! The conditions of a handler, one by one: `#[debug_handler]` calls a function for each, so that the
//! compiler names the one that is not met. No function is ever run.

use std::marker::PhantomData;

use super::answer::{IntoAnswer, IntoOutcome};
use crate::run::TaskContext;
use crate::task::{Decode, Task, TaskKind};

/// The first argument.
pub fn context<T: Context>() {}

/// The first argument, if the second one is named as if it should be the first.
pub fn ordered<T: First>() {}

/// The second argument. For a [`Task`], the compiler takes the methods of this type; for any other type, those of
/// [`Payload`].
#[derive(Debug)]
pub struct Input<T>(PhantomData<T>);

impl<T> Input<T> {
    /// The only value.
    pub const NEW: Self = Self(PhantomData);
}

impl Input<Task> {
    /// There is nothing to check.
    pub fn check_task(self) {}

    /// There is nothing to check.
    pub fn check_payload(self) {}
}

/// The second argument, if it is a payload: its task type is known, and its codec can read it.
pub trait Payload: Sized {
    /// The type of the argument.
    type Type;

    /// A type with the name `Task` of the program's own.
    fn check_task<C>(self)
    where
        Self::Type: NamedTask<C>,
        C: Decode<Self::Type>,
    {
    }

    /// Another type.
    fn check_payload<C>(self)
    where
        Self::Type: TaskKind<C>,
        C: Decode<Self::Type>,
    {
    }
}

impl<T> Payload for Input<T> {
    type Type = T;
}

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

/// A first argument before a `TaskContext`.
#[diagnostic::on_unimplemented(
    message = "the arguments are in the wrong order: the `TaskContext` comes first",
    label = "expected `rasynq::TaskContext`"
)]
pub trait First {}

impl First for TaskContext {}

/// A payload whose type has the name `Task`.
#[diagnostic::on_unimplemented(
    message = "this `Task` is not `rasynq::Task`",
    label = "expected `rasynq::Task`, or a payload with a `rasynq::TaskKind`"
)]
pub trait NamedTask<C> {}

#[diagnostic::do_not_recommend]
impl<T: TaskKind<C>, C> NamedTask<C> for T {}

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
