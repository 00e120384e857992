//! What a handler returns.

use std::time::Duration;

/// What a handler returns if it has succeeded.
///
/// A handler that has failed returns an error. [`SkipRetry`](crate::SkipRetry),
/// [`Revoke`](crate::Revoke) and [`RetryAfter`](crate::RetryAfter) are errors that choose what the
/// server does with the task.
///
/// ```
/// use rasynq::{Answer, Task, TaskContext};
/// use std::time::Duration;
///
/// async fn poll_export(_cx: TaskContext, task: Task) -> anyhow::Result<Answer> {
///     if task.payload().is_empty() {
///         return Ok(Answer::Snooze(Duration::from_secs(60))); // not there yet: try again later
///     }
///     Ok(Answer::Done)
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Answer {
    /// The task is done. The server keeps it as completed for its retention, or deletes it if it has
    /// none.
    #[default]
    Done,
    /// Runs the task again after this long, at least 1 s. It counts neither as a retry nor as a failure.
    ///
    /// The time at which the task is due is cut to a whole second, so it may run up to a second early.
    Snooze(Duration),
}

/// The answer or error of a handler, with its own error type converted.
pub(crate) type HandlerResult = Result<Answer, anyhow::Error>;

/// The `Ok` value of a handler: `()`, which means [`Answer::Done`], or an [`Answer`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an answer of a handler",
    label = "a handler returns `Result<(), E>` or `Result<rasynq::Answer, E>`",
    note = "to store a result, call `TaskContext::write_result`; a handler does not return it"
)]
pub trait IntoAnswer {
    /// Converts the value into an answer.
    fn into_answer(self) -> Answer;
}

impl IntoAnswer for () {
    fn into_answer(self) -> Answer {
        Answer::Done
    }
}

impl IntoAnswer for Answer {
    fn into_answer(self) -> Answer {
        self
    }
}

/// What a handler may return: `Result<A, E>`, where `A` is `()` or [`Answer`], and `E` is
/// `anyhow::Error` or any `std::error::Error + Send + Sync + 'static`.
///
/// `Box<dyn Error + Send + Sync>` is not such an error type; convert the error with
/// `.map_err(anyhow::Error::from_boxed)`.
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    label = "a handler returns `Result<(), E>` or `Result<rasynq::Answer, E>`",
    note = "`E` is `anyhow::Error` or any error type that is `Send + Sync + 'static`"
)]
pub trait IntoOutcome {
    /// Converts the answer or error.
    fn into_outcome(self) -> Result<Answer, anyhow::Error>;
}

impl<A, E> IntoOutcome for Result<A, E>
where
    A: IntoAnswer,
    E: Into<anyhow::Error>,
{
    fn into_outcome(self) -> HandlerResult {
        self.map(IntoAnswer::into_answer).map_err(Into::into)
    }
}
