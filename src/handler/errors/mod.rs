//! The errors of handlers.
//!
//! - `control`: the errors by which a handler chooses what the server does with the task.
//! - `facts`: the errors that rasynq itself creates for a failed run.
//! - `chain`: finds an error in a chain of errors.
//! - `text`: the text of a chain, bounded.
//! - `verdict`: what a chain asks the server to do.
//! - `failure`: all of this for the error of one run, read once and behind the guard.

mod chain;
mod control;
mod facts;
mod failure;
mod text;
mod verdict;

pub(super) use chain::Boxed;
pub use chain::{HandlerError, find_error};
pub use control::{RetryAfter, Revoke, SkipRetry};
pub use facts::{HandlerNotFound, Panic, is_panic};
pub(crate) use failure::Failure;
pub use text::MAX_ERROR_TEXT;
pub(crate) use verdict::Verdict;
