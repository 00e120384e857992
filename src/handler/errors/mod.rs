//! The errors of handlers.
//!
//! - `control`: the errors by which a handler chooses what the server does with the task.
//! - `facts`: the errors that rasynq itself creates for a failed run.
//! - `chain`: finds an error in a chain of errors, and prints the chain.
//! - `verdict`: what a chain asks the server to do.

mod chain;
mod control;
mod facts;
mod verdict;

pub(super) use chain::Boxed;
pub(crate) use chain::stored_text;
pub use chain::{HandlerError, find_error};
pub use control::{RetryAfter, Revoke, SkipRetry};
pub use facts::{HandlerNotFound, Panic, is_panic};
pub(crate) use verdict::Verdict;
