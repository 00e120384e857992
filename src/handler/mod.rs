//! Handlers: what can be a handler, what a handler may return, and the tower service that it becomes.
//!
//! Everything that can handle tasks implements [`IntoHandler`] and becomes a [`HandlerService`]. A
//! server calls that service, and tower layers wrap it. This module writes nothing to Redis and
//! decides nothing about a task: a handler returns an [`Answer`] or an error, and `errors::Verdict` is
//! what the error asks the server to do.

mod answer;
mod blocking;
pub mod check;
mod errors;
mod input;
mod into_handler;
mod layer;
pub mod marker;
mod options;
mod service;
mod testing;

pub use answer::{Answer, IntoAnswer, IntoOutcome};
pub use blocking::{Blocking, blocking};
pub(crate) use errors::{Failure, Verdict};
pub use errors::{
    HandlerError, HandlerNotFound, MAX_ERROR_TEXT, Panic, RetryAfter, Revoke, SkipRetry,
    find_error, is_panic,
};
pub use input::HandlerInput;
pub use into_handler::{Handler, IntoHandler, Layered};
pub use layer::{LayerError, RunService};
pub use marker::HasKind;
pub use options::UndecodablePayload;
pub(crate) use options::{BuildOptions, Reach};
pub(crate) use service::{AnswerFuture, ErasedHandler, RunAnswer};
pub use service::{HandlerFuture, HandlerService};
pub use testing::TestRun;
