//! The error of a failed run with what the server reads from it.

use std::borrow::Cow;

use super::HandlerNotFound;
use super::chain::find_error;
use super::text::{logged_text, stored_text};
use super::verdict::Verdict;
use crate::guard::{Foreign, caught};
use crate::run::RunEnded;

/// The error of a failed run. Text and sources of an error are code of the caller. So they are read once,
/// behind the guard.
pub(crate) struct Failure {
    error: Foreign<anyhow::Error>,
    text: String,
    verdict: Verdict,
    is_unknown_type: bool,
    is_canceled: bool,
}

impl Failure {
    pub(crate) fn of(error: Foreign<anyhow::Error>) -> Self {
        let text = stored_text(&error);
        // An error whose sources cannot be read asks for nothing.
        let (verdict, is_unknown_type, is_canceled) = caught(|| {
            (
                Verdict::of(&error),
                find_error::<HandlerNotFound>(&error).is_some(),
                find_error::<RunEnded>(&error) == Some(&RunEnded::Canceled),
            )
        })
        .unwrap_or((Verdict::Retry, false, false));
        Self {
            error,
            text,
            verdict,
            is_unknown_type,
            is_canceled,
        }
    }

    /// The error itself, for hooks.
    pub(crate) fn error(&self) -> &anyhow::Error {
        &self.error
    }

    /// The text that is stored with the task.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The beginning of the text, for the log.
    pub(crate) fn logged_text(&self) -> Cow<'_, str> {
        logged_text(&self.text)
    }

    /// What the error asks for.
    pub(crate) fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Whether the mux had no handler for the task's type.
    pub(crate) fn is_unknown_type(&self) -> bool {
        self.is_unknown_type
    }

    /// Whether the run was cancelled.
    pub(crate) fn is_canceled(&self) -> bool {
        self.is_canceled
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::of(Foreign::new(error.into()))
    }
}
