//! The errors that mean something to the server, and how they are found in a chain of others.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::wire::go_quote::quote;

/// Defines an error that says what becomes of the task and is, for the rest, the error in it:
/// the same text, the same source.
macro_rules! transparent {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(first(&self.error), f)
            }
        }

        impl StdError for $name {
            fn source(&self) -> Option<&(dyn StdError + 'static)> {
                first(&self.error).source()
            }
        }
    };
}

/// The outermost error of a chain, which prints itself alone whatever the format.
fn first(error: &anyhow::Error) -> &(dyn StdError + Send + Sync + 'static) {
    error.as_ref()
}

/// Fails the task for good: it is archived at once, whatever retries it has left.
///
/// It counts wherever it stands in the chain of the handler's error. asynq: `SkipRetry`.
///
/// ```
/// use rasynq::{SkipRetry, Task, TaskContext};
///
/// async fn resize(_cx: TaskContext, task: Task) -> anyhow::Result<()> {
///     let width: u32 = std::str::from_utf8(task.payload())
///         .map_err(SkipRetry::from_error)? // it will not be better next time
///         .parse()
///         .map_err(SkipRetry::from_error)?;
///     if width == 0 {
///         return Err(SkipRetry::new("width is zero").into());
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct SkipRetry {
    error: anyhow::Error,
}

impl SkipRetry {
    /// With this text, which is stored with the task.
    pub fn new(text: impl Into<String>) -> Self {
        Self::from_error(anyhow::Error::msg(text.into()))
    }

    /// With the text and the sources of this error.
    pub fn from_error(error: impl Into<anyhow::Error>) -> Self {
        Self {
            error: error.into(),
        }
    }
}

transparent!(SkipRetry);

/// Drops the task: it is taken as done, neither retried nor archived.
///
/// It counts wherever it stands in the chain of the handler's error. asynq: `RevokeTask`.
///
/// ```
/// use rasynq::{Revoke, Task, TaskContext};
///
/// async fn remind(_cx: TaskContext, task: Task) -> Result<(), Revoke> {
///     if task.payload().is_empty() {
///         return Err(Revoke::new("the user is gone"));
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Revoke {
    error: anyhow::Error,
}

impl Revoke {
    /// With this text, which the server logs at level info. It is not stored: the task is done.
    pub fn new(text: impl Into<String>) -> Self {
        Self::from_error(anyhow::Error::msg(text.into()))
    }

    /// With the text and the sources of this error, logged in the same way.
    pub fn from_error(error: impl Into<anyhow::Error>) -> Self {
        Self {
            error: error.into(),
        }
    }
}

transparent!(Revoke);

/// Fails the run, and sets when the next one is, in place of the server's retry delay.
///
/// The failure counts; to wait uncounted answer [`Answer::Snooze`](crate::Answer::Snooze). It
/// counts wherever it stands in the chain of the handler's error.
///
/// ```
/// use rasynq::{RetryAfter, Task, TaskContext};
/// use std::time::Duration;
///
/// async fn call_api(_cx: TaskContext, _task: Task) -> anyhow::Result<()> {
///     Err(RetryAfter::new(Duration::from_secs(90), "429 too many requests").into())
/// }
/// ```
#[derive(Debug)]
pub struct RetryAfter {
    delay: Duration,
    error: anyhow::Error,
}

impl RetryAfter {
    /// After this long, with this text, which is stored with the task.
    pub fn new(delay: Duration, text: impl Into<String>) -> Self {
        Self::from_error(delay, anyhow::Error::msg(text.into()))
    }

    /// After this long, with the text and the sources of this error.
    pub fn from_error(delay: Duration, error: impl Into<anyhow::Error>) -> Self {
        Self {
            delay,
            error: error.into(),
        }
    }

    /// How long after the failure the next run is.
    pub fn delay(&self) -> Duration {
        self.delay
    }
}

transparent!(RetryAfter);

/// The error of a handler, as [layers](crate::Mux::layer) see it: an `anyhow::Error` that is a
/// [`std::error::Error`] too, so that it can go through any tower layer and come out whole.
///
/// It dereferences to the `anyhow::Error`; [`find_error`] looks through it.
pub struct HandlerError {
    error: anyhow::Error,
}

impl HandlerError {
    /// The error itself.
    pub fn into_inner(self) -> anyhow::Error {
        self.error
    }
}

impl std::ops::Deref for HandlerError {
    type Target = anyhow::Error;

    fn deref(&self) -> &anyhow::Error {
        &self.error
    }
}

impl From<anyhow::Error> for HandlerError {
    fn from(error: anyhow::Error) -> Self {
        Self { error }
    }
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.error, f)
    }
}

transparent!(HandlerError);

/// A boxed error of a layer. anyhow can hold one, but hides what it is from [`find_error`].
#[derive(Debug)]
pub(super) struct Boxed {
    error: Box<dyn StdError + Send + Sync>,
}

impl Boxed {
    pub(super) fn new(error: Box<dyn StdError + Send + Sync>) -> Self {
        Self { error }
    }
}

impl fmt::Display for Boxed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

impl StdError for Boxed {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.error.source()
    }
}

/// Why a run was ended before its handler had answered.
///
/// The texts are those that asynq stores with the task.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum RunEnded {
    /// The task was cancelled, or the server gave it back because it shuts down.
    #[error("context canceled")]
    Canceled,
    /// The task's timeout or deadline has passed.
    #[error("context deadline exceeded")]
    DeadlineExceeded,
    /// The server could not renew its lease on the task: another one owns it now.
    ///
    /// asynq: `ErrLeaseExpired`.
    #[error("asynq: task lease expired")]
    LeaseExpired,
}

/// No handler is registered for the task's type. asynq: `ErrHandlerNotFound`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlerNotFound {
    task_type: String,
}

impl HandlerNotFound {
    /// For a task of this type.
    pub fn new(task_type: impl Into<String>) -> Self {
        Self {
            task_type: task_type.into(),
        }
    }

    /// The type that no pattern matches.
    pub fn task_type(&self) -> &str {
        &self.task_type
    }
}

impl fmt::Display for HandlerNotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "handler not found for task {}", quote(&self.task_type))
    }
}

impl StdError for HandlerNotFound {}

/// A task's payload is not what its type says.
///
/// The text names the task type, the Rust type, and the place and kind of the fault; it never
/// repeats the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadError {
    task_type: String,
    rust_type: &'static str,
    reason: String,
}

impl PayloadError {
    pub(crate) fn new(task_type: &str, rust_type: &'static str, reason: String) -> Self {
        Self {
            task_type: task_type.to_owned(),
            rust_type,
            reason,
        }
    }

    /// The type of the task.
    pub fn task_type(&self) -> &str {
        &self.task_type
    }

    /// The path of the Rust type that the payload should have been.
    pub fn rust_type(&self) -> &'static str {
        self.rust_type
    }

    /// What is wrong with the payload, and where.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "payload of task type {} does not decode as {}: {}",
            quote(&self.task_type),
            self.rust_type,
            self.reason
        )
    }
}

impl StdError for PayloadError {}

/// A handler panicked. The text is asynq's:
/// `panic error cause by: panic [file:line]: message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panic {
    message: String,
    location: Option<(String, u32)>,
}

impl Panic {
    pub(crate) fn new(message: String, location: Option<(String, u32)>) -> Self {
        Self { message, location }
    }

    /// What the handler panicked with.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The file and the line where it panicked.
    ///
    /// Unknown where the program has put a panic hook of its own in place of ours.
    pub fn location(&self) -> Option<(&str, u32)> {
        self.location
            .as_ref()
            .map(|(file, line)| (file.as_str(), *line))
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // COMPAT: asynq v0.26.0 `errors.PanicError`, grammar included
        match &self.location {
            Some((file, line)) => write!(
                f,
                "panic error cause by: panic [{file}:{line}]: {}",
                self.message
            ),
            None => write!(f, "panic error cause by: panic: {}", self.message),
        }
    }
}

impl StdError for Panic {}

/// Whether the handler panicked. asynq: `IsPanicError`.
pub fn is_panic(error: &anyhow::Error) -> bool {
    find_error::<Panic>(error).is_some()
}

/// The outermost error of type `T` in this error: the error itself, a context of it, or one of
/// its sources. It looks through [`SkipRetry`], [`Revoke`], [`RetryAfter`], [`HandlerError`] and the boxes of
/// tower layers.
///
/// ```
/// use rasynq::{SkipRetry, find_error};
/// let error = anyhow::Error::new(SkipRetry::new("no such user")).context("sending");
/// assert!(find_error::<SkipRetry>(&error).is_some());
/// ```
pub fn find_error<T: StdError + Send + Sync + 'static>(error: &anyhow::Error) -> Option<&T> {
    // First as anyhow sees it, which knows contexts; then as std sees it.
    error.downcast_ref::<T>().or_else(|| {
        error.chain().find_map(|cause| {
            cause
                .downcast_ref::<T>()
                .or_else(|| wrapped(cause).and_then(find_error::<T>))
                .or_else(|| cause.downcast_ref::<Boxed>()?.error.downcast_ref::<T>())
        })
    })
}

/// The error within one of ours that shows only the sources of it.
fn wrapped<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a anyhow::Error> {
    None.or_else(|| Some(&error.downcast_ref::<HandlerError>()?.error))
        .or_else(|| Some(&error.downcast_ref::<SkipRetry>()?.error))
        .or_else(|| Some(&error.downcast_ref::<Revoke>()?.error))
        .or_else(|| Some(&error.downcast_ref::<RetryAfter>()?.error))
}

/// What a failed run asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Done, neither retried nor archived.
    Revoke,
    /// Archived at once.
    SkipRetry,
    /// Retried after this long, or archived when the retries are exhausted.
    RetryAfter(Duration),
    /// Retried after the server's delay, or archived when the retries are exhausted.
    Retry,
}

impl Verdict {
    /// Where an error asks for several things, the earlier variant counts.
    ///
    /// COMPAT: asynq v0.26.0 `processor.handleFailedMessage` asks for revoke first.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        if find_error::<Revoke>(error).is_some() {
            Self::Revoke
        } else if find_error::<SkipRetry>(error).is_some() {
            Self::SkipRetry
        } else if let Some(after) = find_error::<RetryAfter>(error) {
            Self::RetryAfter(after.delay)
        } else {
            Self::Retry
        }
    }
}

/// The text that is stored with the task: the whole chain, as Go's `%w` prints it.
pub(crate) fn stored_text(error: &anyhow::Error) -> String {
    format!("{error:#}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[derive(Debug, thiserror::Error)]
    #[error("sending mail")]
    struct Sending(#[source] anyhow::Error);

    #[test]
    fn an_answer_counts_wherever_it_stands_in_the_chain() {
        let skip = || anyhow::Error::new(SkipRetry::new("no such user"));
        let in_layers = anyhow::Error::new(HandlerError::from(skip()));
        for error in [
            skip(),
            skip().context("sending"),
            Sending(skip()).into(),
            Sending(Sending(skip()).into()).into(),
            anyhow::anyhow!("no such user")
                .context(SkipRetry::new("x"))
                .context("y"),
            in_layers,
        ] {
            assert_eq!(Verdict::of(&error), Verdict::SkipRetry, "{error:?}");
        }
        assert_eq!(Verdict::of(&anyhow::anyhow!("boom")), Verdict::Retry);
    }

    #[test]
    fn revoke_counts_before_skip_retry_and_that_before_retry_after() {
        let delay = Duration::from_secs(7);
        let error = anyhow::Error::new(RetryAfter::new(delay, "busy"));
        assert_eq!(Verdict::of(&error), Verdict::RetryAfter(delay));
        let error = anyhow::Error::new(SkipRetry::from_error(error));
        assert_eq!(Verdict::of(&error), Verdict::SkipRetry);
        let error = anyhow::Error::new(RetryAfter::from_error(delay, Revoke::from_error(error)));
        assert_eq!(Verdict::of(&error), Verdict::Revoke);
        assert_eq!(stored_text(&error), "busy");
    }

    #[test]
    fn an_answer_made_of_an_error_prints_its_chain_once() {
        let parse = || "x".parse::<u32>().context("width").context("resizing");
        let plain = stored_text(&parse().expect_err("x is no number"));
        assert_eq!(plain, "resizing: width: invalid digit found in string");
        let errors: [anyhow::Error; 4] = [
            parse()
                .map_err(SkipRetry::from_error)
                .expect_err("no number")
                .into(),
            parse()
                .map_err(Revoke::from_error)
                .expect_err("no number")
                .into(),
            parse()
                .map_err(|e| RetryAfter::from_error(Duration::ZERO, e))
                .expect_err("no number")
                .into(),
            parse()
                .map_err(HandlerError::from)
                .expect_err("no number")
                .into(),
        ];
        for error in errors {
            assert_eq!(stored_text(&error), plain);
            assert_eq!(format!("{error}"), "resizing");
        }
    }

    #[test]
    fn an_error_within_an_answer_is_found() {
        let error = anyhow::Error::new(SkipRetry::from_error(HandlerNotFound::new("a")));
        assert_eq!(
            find_error::<HandlerNotFound>(&error.context("outer")).map(HandlerNotFound::task_type),
            Some("a")
        );
    }

    // asynq: NotFound, processor.perform, context errors of Go
    #[test]
    fn texts_are_those_of_asynq() {
        for (error, text) in [
            (
                HandlerNotFound::new("a\"b\n").into(),
                r#"handler not found for task "a\"b\n""#,
            ),
            (
                Panic::new("boom".into(), Some(("src/a.rs".into(), 7))).into(),
                "panic error cause by: panic [src/a.rs:7]: boom",
            ),
            (
                Panic::new("boom".into(), None).into(),
                "panic error cause by: panic: boom",
            ),
            (RunEnded::Canceled.into(), "context canceled"),
            (
                RunEnded::DeadlineExceeded.into(),
                "context deadline exceeded",
            ),
            (RunEnded::LeaseExpired.into(), "asynq: task lease expired"),
        ] {
            assert_eq!(stored_text(&error), text);
        }
    }
}
