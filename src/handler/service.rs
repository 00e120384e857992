//! The erased handler: a tower service that is always ready and cheap to clone.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tower::util::ServiceExt;
use tower::{BoxError, Layer, Service};

use super::answer::Answer;
use super::errors::{Boxed, HandlerError};
use super::panics::RunFuture;
use crate::context::TaskContext;
use crate::task::Task;

/// One run of a task: the request that [layers](crate::Mux::layer) see and may change.
#[derive(Clone, Debug)]
pub struct Run {
    /// What the handler can ask and do.
    pub context: TaskContext,
    /// The task.
    pub task: Task,
}

impl Run {
    /// A run of this task in this context.
    pub fn new(context: TaskContext, task: Task) -> Self {
        Self { context, task }
    }
}

pub(crate) type Outcome = Result<Answer, anyhow::Error>;
pub(crate) type OutcomeFuture = BoxFuture<'static, Outcome>;

/// What every handler becomes. A call costs one allocation, that of its future.
pub(crate) trait Erased: Send + Sync + 'static {
    fn call(&self, run: Run) -> OutcomeFuture;
}

/// Any handler, with its type erased: a [`tower::Service`] of [`Run`]s.
///
/// It is always ready, its clones share the handler, and [layers](crate::Mux::layer) wrap it.
/// asynq: `Handler`.
#[derive(Clone)]
pub struct HandlerService(Arc<dyn Erased>);

impl HandlerService {
    /// Makes a handler of any tower service.
    ///
    /// Each run goes through a clone of it, which is first waited for to be ready: a service that
    /// limits or counts does it across its clones, as tower's own do.
    ///
    /// ```
    /// use rasynq::{Answer, HandlerService, Run};
    /// let handler = HandlerService::from_tower(tower::service_fn(|run: Run| async move {
    ///     tracing::info!(task_id = run.context.task_id(), "run");
    ///     Ok::<_, anyhow::Error>(Answer::Done)
    /// }));
    /// ```
    pub fn from_tower<S>(service: S) -> Self
    where
        S: Service<Run, Response = Answer, Error: LayerError, Future: Send + 'static>
            + Clone
            + Send
            + Sync
            + 'static,
    {
        Self::new(FromTower(service))
    }

    pub(crate) fn new(handler: impl Erased) -> Self {
        Self(Arc::new(handler))
    }

    pub(crate) fn layered<L>(self, layer: &L) -> Self
    where
        L: Layer<Self>,
        L::Service: Service<Run, Response = Answer, Error: LayerError, Future: Send + 'static>
            + Clone
            + Send
            + Sync
            + 'static,
    {
        Self::from_tower(layer.layer(self))
    }

    /// Calls the handler. A handler that is no async function may panic here already.
    pub(crate) fn call_erased(&self, run: Run) -> OutcomeFuture {
        self.0.call(run)
    }

    /// Calls the handler, with its panics as errors: what a server does.
    pub(crate) fn run(&self, run: Run) -> RunFuture {
        RunFuture::new(self.clone(), run)
    }
}

impl fmt::Debug for HandlerService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerService").finish_non_exhaustive()
    }
}

impl Service<Run> for HandlerService {
    type Response = Answer;
    type Error = HandlerError;
    type Future = HandlerFuture;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), HandlerError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, run: Run) -> HandlerFuture {
        HandlerFuture(self.call_erased(run))
    }
}

/// The future of a [`HandlerService`].
#[must_use = "a run does nothing unless polled"]
pub struct HandlerFuture(OutcomeFuture);

impl Future for HandlerFuture {
    type Output = Result<Answer, HandlerError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0
            .as_mut()
            .poll(cx)
            .map(|outcome| outcome.map_err(HandlerError::from))
    }
}

impl fmt::Debug for HandlerFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerFuture").finish_non_exhaustive()
    }
}

struct FromTower<S>(S);

impl<S> Erased for FromTower<S>
where
    S: Service<Run, Response = Answer, Error: LayerError, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static,
{
    fn call(&self, run: Run) -> OutcomeFuture {
        let mut service = self.0.clone();
        Box::pin(async move {
            let ready = service.ready().await.map_err(LayerError::into_anyhow)?;
            let future = ready.call(run);
            future.await.map_err(LayerError::into_anyhow)
        })
    }
}

/// What the error of a layer's service may be: [`HandlerError`] (what is under the layer,
/// unchanged), `anyhow::Error`, [`tower::BoxError`], or `Infallible`.
///
/// Sealed; for another error put [`tower::util::MapErrLayer`] around.
#[diagnostic::on_unimplemented(
    message = "a layer cannot end with the error `{Self}`",
    note = "it ends with `rasynq::HandlerError`, `anyhow::Error`, `tower::BoxError` or `Infallible`",
    note = "map other errors with `tower::util::MapErrLayer::new(anyhow::Error::from)`"
)]
pub trait LayerError: sealed::Sealed {
    /// The error as the server takes it.
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
