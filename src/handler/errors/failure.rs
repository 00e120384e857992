//! The error of a failed run with what the server reads from it.

use std::borrow::Cow;

use super::HandlerNotFound;
use super::chain::read_from;
use super::text::stored_text;
use super::verdict::Verdict;
use crate::bounded_text::logged_text;
use crate::guard::Foreign;
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
        Self {
            text,
            verdict: Verdict::of(&error),
            is_unknown_type: read_from(&error, |_: &HandlerNotFound| ()).is_some(),
            is_canceled: read_from(&error, |ended: &RunEnded| *ended) == Some(RunEnded::Canceled),
            error,
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
