//! The tower services that can be handlers: what a layer may produce, and which errors its service may
//! have.

use std::convert::Infallible;

use tower::{BoxError, Service};

use super::answer::Answer;
use super::errors::{Boxed, HandlerError};
use crate::run::Run;

/// A tower service that handles runs. A layer around a handler must produce such a service, and
/// [`HandlerService::from_tower`](crate::HandlerService::from_tower) takes one.
///
/// Every `tower::Service<Run, Response = Answer>` implements this trait if
///
/// - its error is a [`LayerError`],
/// - its future is `Send + 'static`,
/// - the service itself is `Clone + Send + Sync + 'static`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a tower service that handles runs",
    label = "does not handle runs",
    note = "it must be a `tower::Service<rasynq::Run, Response = rasynq::Answer>`",
    note = "its error must be a `rasynq::LayerError`, and its future `Send + 'static`",
    note = "the service itself must be `Clone + Send + Sync + 'static`"
)]
pub trait RunService:
    Service<Run, Response = Answer, Error: LayerError, Future: Send + 'static>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> RunService for S where
    S: Service<Run, Response = Answer, Error: LayerError, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// The error of a service around a handler: [`HandlerError`] (the error of the inner service,
/// unchanged), `anyhow::Error`, [`tower::BoxError`], or `Infallible`.
///
/// The trait is sealed. Convert another error with [`tower::util::MapErrLayer`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a service that handles runs",
    note = "the error must be `rasynq::HandlerError`, `anyhow::Error`, `tower::BoxError` or `Infallible`",
    note = "convert another error with `tower::util::MapErrLayer::new(anyhow::Error::from)`"
)]
pub trait LayerError: sealed::Sealed {
    /// Converts the error into the `anyhow::Error` that the server reads.
    fn into_anyhow(self) -> anyhow::Error;
}

impl LayerError for HandlerError {
    fn into_anyhow(self) -> anyhow::Error {
        self.into_inner()
    }
}

impl LayerError for anyhow::Error {
    fn into_anyhow(self) -> anyhow::Error {
        self
    }
}

impl LayerError for BoxError {
    fn into_anyhow(self) -> anyhow::Error {
        match self.downcast::<HandlerError>() {
            Ok(error) => error.into_inner(),
            Err(error) => Boxed::new(error).into(),
        }
    }
}

impl LayerError for Infallible {
    fn into_anyhow(self) -> anyhow::Error {
        match self {}
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::HandlerError {}
    impl Sealed for anyhow::Error {}
    impl Sealed for super::BoxError {}
    impl Sealed for super::Infallible {}
}
