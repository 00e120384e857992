//! The errors of handlers.
//!
//! `control` holds the errors by which a handler chooses what the server does with the task,
//! `facts` the errors that this crate itself makes of a failed run, `chain` finds an error in a chain
//! of others and prints the chain, and `verdict` reads what a chain asks the server to do.

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
