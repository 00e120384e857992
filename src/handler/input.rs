//! What a handler takes: the task itself, or its decoded payload.

use super::errors::SkipRetry;
use super::marker::{Typed, Untyped};
use super::options::UndecodablePayload;
use crate::task::{Decode, Task, TaskKind};

/// What a handler may take besides the context: the [`Task`], or a type that implements [`TaskKind`],
/// into which the payload is decoded.
///
/// The compiler infers the marker `X`.
#[diagnostic::on_unimplemented(
    message = "a handler cannot take `{Self}`",
    label = "this handler takes `{Self}`, which is neither `Task` nor a `TaskKind`",
    note = "name its task type: \
            `#[derive(rasynq::TaskKind)] #[task(type = \"…\")]`, or `impl TaskKind for {Self}`",
    note = "the codec, by default `Json`, must be able to read `{Self}`"
)]
pub trait HandlerInput<X>: Sized {
    /// Converts the task. If this fails, the run ends with the error.
    #[doc(hidden)]
    fn from_task(task: Task, undecodable: UndecodablePayload) -> Result<Self, anyhow::Error>;
}

impl HandlerInput<Untyped> for Task {
    fn from_task(task: Task, _: UndecodablePayload) -> Result<Self, anyhow::Error> {
        Ok(task)
    }
}

impl<T, C> HandlerInput<Typed<C>> for T
where
    T: TaskKind<C>,
    C: Decode<T>,
{
    fn from_task(task: Task, undecodable: UndecodablePayload) -> Result<Self, anyhow::Error> {
        task.decode().map_err(|error| match undecodable {
            UndecodablePayload::Retry => error.into(),
            UndecodablePayload::Archive => SkipRetry::from_error(error).into(),
        })
    }
}
