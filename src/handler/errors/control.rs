//! The errors by which a handler chooses what the server does with the task.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

/// Implements `Display` and `Error` for a type that wraps an `anyhow::Error`: the text and the source
/// are those of the wrapped error.
macro_rules! transparent {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                // Print only the outermost error: `source()` returns the rest, and `{:#}` would print
                // it a second time.
                let outermost: &(dyn StdError + Send + Sync + 'static) = self.error.as_ref();
                fmt::Display::fmt(outermost, f)
            }
        }

        impl StdError for $name {
            fn source(&self) -> Option<&(dyn StdError + 'static)> {
                let outermost: &(dyn StdError + Send + Sync + 'static) = self.error.as_ref();
                outermost.source()
            }
        }
    };
}
pub(super) use transparent;

/// Archives the task at once, even if retries are left.
///
/// The error has this effect anywhere in the chain of the handler's error. asynq: `SkipRetry`.
///
/// ```
/// use rasynq::{SkipRetry, Task, TaskContext};
///
/// async fn resize(_cx: TaskContext, task: Task) -> anyhow::Result<()> {
///     let width: u32 = std::str::from_utf8(task.payload())
///         .map_err(SkipRetry::from_error)? // a retry would read the same payload
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
    pub(super) error: anyhow::Error,
}

impl SkipRetry {
    /// Creates the error with this text, which is stored with the task.
    pub fn new(text: impl Into<String>) -> Self {
        Self::from_error(anyhow::Error::msg(text.into()))
    }

    /// Wraps an error. The text and the sources are those of the wrapped error.
    pub fn from_error(error: impl Into<anyhow::Error>) -> Self {
        Self {
            error: error.into(),
        }
    }
}

transparent!(SkipRetry);

/// Revokes the task: the server deletes it as if it were done. The task is neither retried nor
/// archived, and not kept for its retention.
///
/// The error has this effect anywhere in the chain of the handler's error. asynq: `RevokeTask`.
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
    pub(super) error: anyhow::Error,
}

impl Revoke {
    /// Creates the error with this text. The server logs the text at level info. The text is not
    /// stored, since the task is deleted.
    pub fn new(text: impl Into<String>) -> Self {
        Self::from_error(anyhow::Error::msg(text.into()))
    }

    /// Wraps an error. The text and the sources, which are logged, are those of the wrapped error.
    pub fn from_error(error: impl Into<anyhow::Error>) -> Self {
        Self {
            error: error.into(),
        }
    }
}

transparent!(Revoke);

/// Ends the run with an error, and sets the delay until the next run. The delay replaces the server's
/// [`RetryDelay`](crate::RetryDelay).
///
/// The error counts like any other error: [`Server::is_failure`](crate::Server::is_failure) decides
/// whether it is a failure, and if no retry is left, the task is archived. To run the task again
/// uncounted, return [`Answer::Snooze`](crate::Answer::Snooze).
///
/// The error has this effect anywhere in the chain of the handler's error.
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
    pub(super) error: anyhow::Error,
}

impl RetryAfter {
    /// Creates the error with this delay and this text. The text is stored with the task. A delay below 1 s, and
    /// zero, mean the same as in a [`RetryDelay`](crate::RetryDelay).
    pub fn new(delay: Duration, text: impl Into<String>) -> Self {
        Self::from_error(delay, anyhow::Error::msg(text.into()))
    }

    /// Wraps an error. The text and the sources are those of the wrapped error.
    pub fn from_error(delay: Duration, error: impl Into<anyhow::Error>) -> Self {
        Self {
            delay,
            error: error.into(),
        }
    }

    /// The delay from the failure to the next run.
    pub fn delay(&self) -> Duration {
        self.delay
    }
}

transparent!(RetryAfter);

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::super::HandlerError;
    use super::super::text::stored_text;
    use super::*;

    #[test]
    fn a_wrapped_error_prints_its_chain_once() {
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
}
