//! The type-erased handler: a tower service that is always ready and cheap to clone.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tower::util::ServiceExt;
use tower::{Layer, Service};

use super::answer::{Answer, HandlerResult};
use super::errors::{HandlerError, Panic};
use super::layer::{LayerError, RunService};
use crate::guard::{Foreign, caught, told};
use crate::run::Run;

pub(crate) type AnswerFuture = BoxFuture<'static, HandlerResult>;

/// The answer or error of a run, as the server gets it.
pub(crate) type RunAnswer = Result<Answer, Foreign<anyhow::Error>>;

/// What every handler becomes. A call allocates once, for its future.
pub(crate) trait ErasedHandler: Send + Sync + 'static {
    fn call(&self, run: Run) -> AnswerFuture;
}

/// Any handler with its type erased: a [`tower::Service`] of [`Run`]s.
///
/// The service is always ready. Its clones share one handler. [Layers](crate::Mux::layer) wrap it.
/// asynq: `Handler`.
#[derive(Clone)]
pub struct HandlerService(Arc<dyn ErasedHandler>);

impl HandlerService {
    /// Makes a handler from any tower service that handles runs.
    ///
    /// Each run calls a clone of the service, after the clone has become ready. A service that
    /// limits or counts runs must share its state between its clones, as tower's own services do.
    ///
    /// ```
    /// use rasynq::{Answer, HandlerService, Run};
    /// let handler = HandlerService::from_tower(tower::service_fn(|run: Run| async move {
    ///     tracing::info!(task_id = run.context.task_id(), "run");
    ///     Ok::<_, anyhow::Error>(Answer::Done)
    /// }));
    /// ```
    pub fn from_tower<S: RunService>(service: S) -> Self {
        Self::new(FromTower(service))
    }

    pub(crate) fn new(handler: impl ErasedHandler) -> Self {
        Self(Arc::new(handler))
    }

    pub(crate) fn layered<L>(self, layer: &L) -> Self
    where
        L: Layer<Self, Service: RunService>,
    {
        Self::from_tower(layer.layer(self))
    }

    /// Calls the handler. A function that is not async may panic already in this call.
    pub(crate) fn call_erased(&self, run: Run) -> AnswerFuture {
        self.0.call(run)
    }

    /// Calls the handler as a server does: a panic becomes an error.
    pub(crate) fn run(&self, run: Run) -> RunFuture {
        RunFuture(RunStage::NotCalled(self.clone(), run))
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
pub struct HandlerFuture(AnswerFuture);

impl Future for HandlerFuture {
    type Output = Result<Answer, HandlerError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0
            .as_mut()
            .poll(cx)
            .map(|result| result.map_err(HandlerError::from))
    }
}

impl fmt::Debug for HandlerFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerFuture").finish_non_exhaustive()
    }
}

struct FromTower<S>(S);

impl<S: RunService> ErasedHandler for FromTower<S> {
    fn call(&self, run: Run) -> AnswerFuture {
        let mut service = self.0.clone();
        Box::pin(async move {
            let ready = service.ready().await.map_err(LayerError::into_anyhow)?;
            let future = ready.call(run);
            future.await.map_err(LayerError::into_anyhow)
        })
    }
}

/// One run of a handler. A panic becomes the run's error. If dropping the future panics, this is
/// logged.
///
/// Dropping the future stops the handler, except for a blocking handler, whose thread goes on.
#[must_use = "a run does nothing unless polled"]
pub(crate) struct RunFuture(RunStage);

enum RunStage {
    NotCalled(HandlerService, Run),
    Called(AnswerFuture),
    Finished,
}

impl Future for RunFuture {
    type Output = RunAnswer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = caught(|| {
            if let RunStage::NotCalled(..) = self.0
                && let RunStage::NotCalled(service, run) =
                    std::mem::replace(&mut self.0, RunStage::Finished)
            {
                self.0 = RunStage::Called(service.call_erased(run));
            }
            match &mut self.0 {
                RunStage::Called(future) => future.as_mut().poll(cx),
                // Only reached if the future is polled after it has finished. rasynq never does this.
                RunStage::NotCalled(..) | RunStage::Finished => Poll::Pending,
            }
        });
        let answer = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(answer)) => answer,
            Err(panic) => Err(Panic::from(panic).into()),
        };
        // From here on nothing drops the error but the guard.
        let answer = answer.map_err(Foreign::new);
        self.finish();
        Poll::Ready(answer)
    }
}

impl RunFuture {
    /// Drops the handler's future.
    fn finish(&mut self) {
        let stage = std::mem::replace(&mut self.0, RunStage::Finished);
        if let RunStage::Finished = stage {
            return;
        }
        if let Err(panic) = caught(|| drop(stage)) {
            told(|| {
                tracing::error!(
                    error = panic.logged_text(),
                    "a handler panicked while its run was dropped"
                );
            });
        }
    }
}

impl Drop for RunFuture {
    fn drop(&mut self) {
        self.finish();
    }
}
