//! What a handler is, what it may answer, and what it becomes.
//!
//! Everything that can be one is an [`IntoHandler`] and becomes a [`HandlerService`], which is
//! what a server calls and what tower layers wrap. This module owns nothing in Redis and never
//! decides about a task: it hands the server an [`Answer`] or an error, and `errors::Verdict`
//! reads what the error asks for.

mod answer;
mod blocking;
mod errors;
mod kind;
pub mod marker;
mod panics;
mod service;
mod testing;

use std::marker::PhantomData;
use std::sync::Arc;

use tower::{Layer, Service};

pub use answer::{Answer, IntoAnswer, IntoOutcome};
pub use blocking::{Blocking, blocking};
pub use errors::{
    HandlerError, HandlerNotFound, Panic, PayloadError, RetryAfter, Revoke, RunEnded, SkipRetry,
    find_error, is_panic,
};
pub(crate) use errors::{Verdict, stored_text};
pub use kind::{Codec, Json, Protobuf, TaskKind};
pub use marker::HasKind;
use marker::{BuildOptions, Built, Function, Struct, Typed, Untyped, Within};
pub(crate) use service::{Erased, OutcomeFuture};
pub use service::{HandlerFuture, HandlerService, LayerError, Run};
pub use testing::TestRun;

use crate::context::TaskContext;
use crate::error::Result;
use crate::task::Task;

/// A handler that is a struct, for tasks (the default) or for a typed payload `T`.
///
/// Write `run` as an `async fn`.
///
/// Functions and closures are handlers without this trait; see [`IntoHandler`].
///
/// ```
/// use rasynq::{Answer, Handler, Mux, TaskContext, TaskKind};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Welcome { user_id: u64 }
/// impl TaskKind for Welcome { const TYPE: &'static str = "email:welcome"; }
///
/// struct Mailer { from: String }
///
/// impl Handler<Welcome> for Mailer {
///     async fn run(&self, cx: TaskContext, mail: Welcome) -> anyhow::Result<Answer> {
///         tracing::info!(task_id = cx.task_id(), from = self.from, to = mail.user_id);
///         Ok(Answer::Done)
///     }
/// }
///
/// let mux = Mux::new().handle(Mailer { from: "us@example.org".into() });
/// # mux.validate().unwrap();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not handle `{T}`",
    note = "implement `rasynq::Handler<{T}>` for it"
)]
pub trait Handler<T = Task>: Send + Sync + 'static {
    /// Handles one task. The future is dropped at the task's deadline, when it is cancelled, and
    /// when the server loses its lease on it.
    fn run(
        &self,
        cx: TaskContext,
        input: T,
    ) -> impl Future<Output = Result<Answer, anyhow::Error>> + Send;
}

/// Everything that can handle tasks:
///
/// - `async fn(TaskContext, Task) -> Result<_, _>`, as a function or a closure
/// - the same with a typed payload, [`TaskKind`], in place of the task
/// - structs that are a [`Handler`]
/// - plain functions in [`blocking`]
/// - a [`Mux`](crate::Mux), and a [`HandlerService`]
/// - each of these in tower layers, by [`layered`](Self::layered)
///
/// The result is `Result<(), E>` or `Result<Answer, E>`; `E` is `anyhow::Error` or any error
/// type. A closure's parameters have their types written.
///
/// The marker `M` is found by the compiler; one never writes it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler",
    label = "not a handler",
    note = "a handler is `async fn(TaskContext, Task) -> Result<(), E>` or `Result<Answer, E>`",
    note = "in place of `Task` it may take a type `T: TaskKind` that its codec can write and read",
    note = "`E` is `anyhow::Error` or an error type; `Box<dyn Error + Send + Sync>` is none",
    note = "its future is `Send`: nothing that is not `Send` is held over an `.await`",
    note = "a closure has the types of its parameters written, and is `Send + Sync + 'static`"
)]
pub trait IntoHandler<M>: Sized {
    /// What the handler becomes.
    #[doc(hidden)]
    fn build(self, options: BuildOptions) -> Result<HandlerService>;

    /// The handler as a tower service. An error where a [`Mux`](crate::Mux) is not
    /// [valid](crate::Mux::validate).
    fn into_service(self) -> Result<HandlerService> {
        self.build(BuildOptions::default())
    }

    /// The handler within a tower layer.
    ///
    /// ```
    /// use rasynq::{IntoHandler, Mux, Task, TaskContext};
    /// use std::time::Duration;
    /// use tower::timeout::TimeoutLayer;
    ///
    /// async fn resize(_cx: TaskContext, _task: Task) -> anyhow::Result<()> { Ok(()) }
    ///
    /// let mux = Mux::new()
    ///     .route("image:", resize.layered(TimeoutLayer::new(Duration::from_secs(30))));
    /// # mux.validate().unwrap();
    /// ```
    ///
    /// What the layer makes is cloned for each run. A limit that its clones share, such as that
    /// of tower's `ConcurrencyLimitLayer`, holds for all runs.
    fn layered<L>(self, layer: L) -> Layered<Self, L, M>
    where
        L: Layer<HandlerService>,
        L::Service: Service<Run, Response = Answer, Error: LayerError, Future: Send + 'static>
            + Clone
            + Send
            + Sync
            + 'static,
    {
        Layered {
            handler: self,
            layer,
            marker: PhantomData,
        }
    }
}

/// What becomes of a task whose payload does not decode as the type that its handler takes.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UndecodablePayload {
    /// It fails as by any error, and is retried: a newer worker may know it. The default.
    #[default]
    Retry,
    /// It is archived at once.
    Archive,
}

/// What a handler may take besides the context: the [`Task`], or a [`TaskKind`], which is decoded.
///
/// The marker `X` is found by the compiler.
#[diagnostic::on_unimplemented(
    message = "a handler cannot take `{Self}`",
    label = "this handler takes `{Self}`, which is neither `Task` nor a `TaskKind`",
    note = "say which task type it is: \
            `impl TaskKind for {Self} {{ const TYPE: &'static str = \"…\"; }}`",
    note = "its codec, by default `Json`, must be able to write and read it"
)]
pub trait HandlerInput<X>: Sized {
    /// The input, or the error that says what becomes of the task.
    #[doc(hidden)]
    fn from_task(task: Task, options: BuildOptions) -> Result<Self, anyhow::Error>;
}

impl HandlerInput<Untyped> for Task {
    fn from_task(task: Task, _options: BuildOptions) -> Result<Self, anyhow::Error> {
        Ok(task)
    }
}

impl<T, C> HandlerInput<Typed<C>> for T
where
    T: TaskKind<C>,
    C: Codec<T>,
{
    fn from_task(task: Task, options: BuildOptions) -> Result<Self, anyhow::Error> {
        task.decode()
            .map_err(|error| match options.undecodable.unwrap_or_default() {
                UndecodablePayload::Retry => error.into(),
                UndecodablePayload::Archive => SkipRetry::from_error(error).into(),
            })
    }
}

/// A closure from a run to the future of its outcome.
struct Call<F>(F);

impl<F: Fn(Run) -> OutcomeFuture + Send + Sync + 'static> Erased for Call<F> {
    fn call(&self, run: Run) -> OutcomeFuture {
        (self.0)(run)
    }
}

fn call(f: impl Fn(Run) -> OutcomeFuture + Send + Sync + 'static) -> Result<HandlerService> {
    Ok(HandlerService::new(Call(f)))
}

fn failed(error: anyhow::Error) -> OutcomeFuture {
    Box::pin(std::future::ready(Err(error)))
}

impl<F, Fut, T, X> IntoHandler<Function<T, X>> for F
where
    F: Fn(TaskContext, T) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: IntoOutcome> + Send + 'static,
    T: HandlerInput<X>,
{
    fn build(self, options: BuildOptions) -> Result<HandlerService> {
        call(move |run| match T::from_task(run.task, options) {
            Ok(input) => {
                let future = self(run.context, input);
                Box::pin(async move { future.await.into_outcome() })
            }
            Err(error) => failed(error),
        })
    }
}

impl<H, T, X> IntoHandler<Struct<T, X>> for H
where
    H: Handler<T>,
    T: HandlerInput<X> + Send + 'static,
{
    fn build(self, options: BuildOptions) -> Result<HandlerService> {
        let handler = Arc::new(self);
        call(move |run| match T::from_task(run.task, options) {
            Ok(input) => {
                let handler = Arc::clone(&handler);
                Box::pin(async move { handler.run(run.context, input).await })
            }
            Err(error) => failed(error),
        })
    }
}

impl IntoHandler<Built> for HandlerService {
    fn build(self, _options: BuildOptions) -> Result<HandlerService> {
        Ok(self)
    }
}

/// A handler within a tower layer, made by [`IntoHandler::layered`].
pub struct Layered<H, L, M> {
    handler: H,
    layer: L,
    marker: PhantomData<fn() -> M>,
}

impl<H, L, M> std::fmt::Debug for Layered<H, L, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Layered").finish_non_exhaustive()
    }
}

impl<H, L, M> IntoHandler<Within<M>> for Layered<H, L, M>
where
    H: IntoHandler<M>,
    L: Layer<HandlerService>,
    L::Service: Service<Run, Response = Answer, Error: LayerError, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static,
{
    fn build(self, options: BuildOptions) -> Result<HandlerService> {
        Ok(self.handler.build(options)?.layered(&self.layer))
    }
}
