//! Blocking handlers: plain functions. Each run has its own thread.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::answer::{HandlerResult, IntoOutcome};
use super::errors::Panic;
use super::input::HandlerInput;
use super::into_handler::IntoHandler;
use super::marker::OnThread;
use super::options::BuildOptions;
use super::service::{AnswerFuture, ErasedHandler, HandlerService};
use crate::error::Result;
use crate::guard::{CallersLog, Foreign, GuardedSpan, caught};
use crate::run::{Run, TaskContext};

/// Makes a handler from a plain function, which may block. Each run has its own thread.
///
/// A thread cannot be stopped from outside. If the server ends the run early (deadline, cancellation,
/// lost lease), it does not wait for the function. But the run still counts towards the
/// server's [concurrency](crate::Server::concurrency) until the function returns. A function that runs
/// for long should therefore check [`TaskContext::cancellation`] regularly.
///
/// The threads are rasynq's own, so a function that does not return holds up neither a shutdown nor the
/// end of the tokio runtime. The runtime does wait at its end for the functions of
/// `tokio::task::spawn_blocking`, of which rasynq knows nothing. To await a future in the function, use
/// `tokio::runtime::Handle::current().block_on(…)`. The tracing span of the run is entered on the thread.
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

/// A blocking handler; see [`blocking`].
#[derive(Clone, Copy, Debug)]
pub struct Blocking<F> {
    function: F,
}

impl<F, R, T, X> IntoHandler<OnThread<T, X>> for Blocking<F>
where
    F: Fn(TaskContext, T) -> R + Send + Sync + 'static,
    R: IntoOutcome,
    T: HandlerInput<X>,
{
    fn build(self, options: BuildOptions) -> Result<HandlerService> {
        let function = self.function;
        let undecodable = options.undecodable.unwrap_or_default();
        Ok(HandlerService::new(ThreadHandler(Arc::new(
            move |run: Run| {
                let input = T::from_task(run.task, undecodable)?;
                function(run.context, input).into_outcome()
            },
        ))))
    }
}

/// The name of the threads, in debuggers and in `top -H`.
const THREAD_NAME: &str = "rasynq-handler";

struct ThreadHandler<F>(Arc<F>);

impl<F> ErasedHandler for ThreadHandler<F>
where
    F: Fn(Run) -> HandlerResult + Send + Sync + 'static,
{
    fn call(&self, run: Run) -> AnswerFuture {
        let function = Arc::clone(&self.0);
        Box::pin(async move {
            let slot = run.context.borrow_slot();
            let span = GuardedSpan::new(tracing::Span::current);
            let runtime = Handle::try_current().ok();
            let log = CallersLog::here();
            let (answer, answered) = oneshot::channel();
            // Not a thread of tokio: a runtime waits for those when it ends.
            std::thread::Builder::new()
                .name(THREAD_NAME.to_owned())
                .spawn(move || {
                    let _runtime = runtime.as_ref().map(Handle::enter);
                    let _log = log.enter();
                    let result = span.in_scope(|| caught(move || function(run)));
                    drop(slot);
                    let result = result.unwrap_or_else(|panic| Err(Panic::from(panic).into()));
                    // If nobody waits any more, the error is dropped here.
                    let _ = answer.send(result.map_err(Foreign::new));
                })
                .context("cannot start a thread for a blocking handler")?;
            match answered.await {
                Ok(result) => result.map_err(Foreign::into_inner),
                Err(gone) => Err(gone).context("the thread of a blocking handler has ended"),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::sync::Semaphore;

    use super::*;
    use crate::run::{ResultSink, RunEnded, RunSeed, Slot};
    use crate::task::Task;
    use crate::wire::TaskMessage;

    // asynq frees the slot at once: docs/asynq-defects.md, row 24
    #[tokio::test]
    async fn a_blocking_handler_keeps_its_slot_until_it_returns() {
        let slots = Arc::new(Semaphore::new(1));
        let permit = Arc::clone(&slots).try_acquire_owned().expect("it is free");
        let slot = Slot::new(Some(permit));
        let context = TaskContext::new(RunSeed {
            message: Arc::new(TaskMessage::default()),
            results: ResultSink::Kept(Arc::default()),
            slot: Arc::clone(&slot),
        });
        let (started, has_started) = tokio::sync::oneshot::channel();
        let (go_on, may_go_on) = mpsc::channel();
        let channels = std::sync::Mutex::new(Some((started, may_go_on)));
        let handler = blocking(move |_: TaskContext, _: Task| {
            let taken = channels.lock().expect("no panic").take();
            let (started, may_go_on) = taken.expect("one run");
            started.send(()).expect("the test waits");
            may_go_on.recv().expect("the test sends");
            anyhow::Ok(())
        });
        let service = handler.into_service().expect("no mux");
        let mut run = service.run(Run::new(context.clone(), Task::new("any", "")));
        tokio::select! {
            _ = &mut run => unreachable!("it waits for the test"),
            begun = has_started => begun.expect("it starts"),
        }
        context.end(RunEnded::DeadlineExceeded);
        drop(run);
        let released = slot.release();
        assert!(!released.freed_now, "the thread has borrowed the slot");
        drop(released);
        assert_eq!(slots.available_permits(), 0);
        go_on.send(()).expect("the thread waits");
        let permit = tokio::time::timeout(std::time::Duration::from_secs(10), slots.acquire())
            .await
            .expect("the thread frees the slot");
        drop(permit);
        // The test's clone of the context keeps no permit, and cannot borrow one any more.
        assert!(context.borrow_slot().is_none());
    }
}
