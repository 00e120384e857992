//! What a handler answers when it ended well.

use std::time::Duration;

/// The good end of a run. The other ends are errors; see [`SkipRetry`](crate::SkipRetry),
/// [`Revoke`](crate::Revoke) and [`RetryAfter`](crate::RetryAfter) for those with a meaning of
/// their own.
///
/// ```
/// use rasynq::{Answer, Task, TaskContext};
/// use std::time::Duration;
///
/// async fn poll_export(_cx: TaskContext, task: Task) -> anyhow::Result<Answer> {
///     if task.payload().is_empty() {
///         return Ok(Answer::Snooze(Duration::from_secs(60))); // not there yet: look again later
///     }
///     Ok(Answer::Done)
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Answer {
    /// The task is done: it is completed, or deleted where it has no retention.
    #[default]
    Done,
    /// Run the task again after this long, without counting a retry or a failure.
    Snooze(Duration),
}

/// What may stand in the `Ok` of a handler's result: `()`, which is [`Answer::Done`], or an
/// [`Answer`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no answer of a handler",
    label = "a handler returns `Result<(), E>` or `Result<rasynq::Answer, E>`",
    note = "a result is written with `TaskContext::write_result`, not returned"
)]
pub trait IntoAnswer {
    /// The answer.
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

/// What a handler may return: `Result<A, E>`, where `A` is `()` or [`Answer`] and `E` is
/// `anyhow::Error` or any `std::error::Error + Send + Sync + 'static`.
///
/// `Box<dyn Error + Send + Sync>` is neither; `.map_err(anyhow::Error::from_boxed)` helps.
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    label = "a handler returns `Result<(), E>` or `Result<rasynq::Answer, E>`",
    note = "`E` is `anyhow::Error` or any error type that is `Send + Sync + 'static`"
)]
pub trait IntoOutcome {
    /// The answer or the error.
    fn into_outcome(self) -> Result<Answer, anyhow::Error>;
}

impl<A, E> IntoOutcome for Result<A, E>
where
    A: IntoAnswer,
    E: Into<anyhow::Error>,
{
    fn into_outcome(self) -> Result<Answer, anyhow::Error> {
        self.map(IntoAnswer::into_answer).map_err(Into::into)
    }
}
