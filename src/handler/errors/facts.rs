//! Two errors that rasynq itself creates for a run: no handler was found, or the handler panicked. The
//! third, [`RunEnded`](crate::RunEnded), is in `run/`.

use std::error::Error as StdError;
use std::fmt;

use super::chain::find_error;
use crate::guard::CaughtPanic;
use crate::wire::go_quote::quote;

/// The mux has no handler for the task's type. asynq: `ErrHandlerNotFound`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlerNotFound {
    task_type: String,
}

impl HandlerNotFound {
    /// Creates the error for a task of this type.
    pub fn new(task_type: impl Into<String>) -> Self {
        Self {
            task_type: task_type.into(),
        }
    }

    /// The type of the task. No pattern of the mux matches it.
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

/// A handler panicked. The text is asynq's:
/// `panic error cause by: panic [file:line]: message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panic {
    message: String,
    location: Option<(String, u32)>,
}

impl Panic {
    /// The message of the panic.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The file and the line of the panic.
    ///
    /// `None` if the program has replaced rasynq's panic hook, or if the handler resumed
    /// (`resume_unwind`) a panic that was caught elsewhere, for example in another tokio task.
    pub fn location(&self) -> Option<(&str, u32)> {
        self.location
            .as_ref()
            .map(|(file, line)| (file.as_str(), *line))
    }
}

impl From<CaughtPanic> for Panic {
    fn from(CaughtPanic { message, location }: CaughtPanic) -> Self {
        Self { message, location }
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

/// Whether the error comes from a panic of the handler. asynq: `IsPanicError`.
pub fn is_panic(error: &anyhow::Error) -> bool {
    find_error::<Panic>(error).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    // asynq: NotFound, processor.perform
    #[test]
    fn texts_are_those_of_asynq() {
        assert_eq!(
            HandlerNotFound::new("a\"b\n").to_string(),
            r#"handler not found for task "a\"b\n""#
        );
        let panic = |location| {
            let message = "boom".into();
            Panic { message, location }.to_string()
        };
        assert_eq!(
            panic(Some(("src/a.rs".into(), 7))),
            "panic error cause by: panic [src/a.rs:7]: boom"
        );
        assert_eq!(panic(None), "panic error cause by: panic: boom");
    }
}
