//! Handlers that block: each run on a thread of its own.

use std::sync::Arc;

use anyhow::Context as _;

use super::answer::IntoOutcome;
use super::marker::{BuildOptions, OnThread, Typed, Untyped};
use super::panics::caught;
use super::service::{Erased, HandlerService, Outcome, OutcomeFuture, Run};
use super::{IntoHandler, decode_or};
use crate::context::TaskContext;
use crate::error::Result;
use crate::handler::kind::{Codec, TaskKind};
use crate::task::Task;

/// A handler that is a plain function, which may block: each run is on a thread of its own.
///
/// A thread cannot be stopped from outside. When the run ends early (deadline, cancel, lost
/// lease) the server goes on at once, but the run keeps its place among the server's
/// [concurrency](crate::Server::concurrency) until the function returns. A long one asks
/// [`TaskContext::cancellation`] from time to time.
///
/// The threads are those of [`tokio::task::spawn_blocking`], of which a runtime has 512 unless
/// told otherwise. To await something there: `tokio::runtime::Handle::current().block_on(…)`.
///
/// ```
/// use rasynq::{Mux, Task, TaskContext, blocking};
///
/// let mux = Mux::new().route("image:", blocking(|cx: TaskContext, task: Task| {
///     for _row in task.payload().chunks(4096) {
///         if cx.cancellation().is_cancelled() {
///             anyhow::bail!("stopped half-way");
///         }
///     }
///     Ok(())
/// }));
/// # mux.validate().unwrap();
/// ```
pub fn blocking<F>(function: F) -> Blocking<F> {
    Blocking { function }
}

/// A handler made by [`blocking`].
#[derive(Clone, Copy, Debug)]
pub struct Blocking<F> {
    function: F,
}

impl<F, R> IntoHandler<OnThread<Untyped>> for Blocking<F>
where
    F: Fn(TaskContext, Task) -> R + Send + Sync + 'static,
    R: IntoOutcome + 'static,
{
    fn build(self, _options: BuildOptions) -> Result<HandlerService> {
        let function = self.function;
        Ok(HandlerService::new(Thread(Arc::new(move |run: Run| {
            function(run.context, run.task).into_outcome()
        }))))
    }
}

impl<F, R, T, C> IntoHandler<OnThread<Typed<T, C>>> for Blocking<F>
where
    F: Fn(TaskContext, T) -> R + Send + Sync + 'static,
    R: IntoOutcome + 'static,
    T: TaskKind<C> + 'static,
    C: Codec<T> + 'static,
{
    fn build(self, options: BuildOptions) -> Result<HandlerService> {
        let function = self.function;
        let undecodable = options.undecodable();
        Ok(HandlerService::new(Thread(Arc::new(move |run: Run| {
            let payload = decode_or(undecodable, &run.task)?;
            function(run.context, payload).into_outcome()
        }))))
    }
}

struct Thread<F>(Arc<F>);

impl<F> Erased for Thread<F>
where
    F: Fn(Run) -> Outcome + Send + Sync + 'static,
{
    fn call(&self, run: Run) -> OutcomeFuture {
        let function = Arc::clone(&self.0);
        Box::pin(async move {
            let slot = run.context.hold_slot();
            let span = tracing::Span::current();
            let thread = tokio::task::spawn_blocking(move || {
                let outcome = span.in_scope(|| caught(|| function(run)));
                drop(slot);
                outcome
            });
            match thread.await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(panic)) => Err(panic.into()),
                // The function's panics are caught, so the runtime has stopped.
                Err(stopped) => Err(stopped).context("the thread of a blocking handler"),
            }
        })
    }
}
