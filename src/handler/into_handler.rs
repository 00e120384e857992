//! What can be a handler: async functions, structs, `HandlerService`s, and each of these within a tower
//! layer.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use tower::Layer;

use super::answer::{Answer, IntoOutcome};
use super::input::HandlerInput;
use super::layer::RunService;
use super::marker::{Built, Function, Struct, Within};
use super::options::BuildOptions;
use super::service::{AnswerFuture, ErasedHandler, HandlerService};
use crate::error::Result;
use crate::run::{Run, TaskContext};
use crate::task::Task;

/// A handler that is a struct. It takes a [`Task`] by default, or a typed payload `T`.
///
/// Write `run` as an `async fn`. Functions and closures are handlers without this trait; see
/// [`IntoHandler`].
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
    /// Handles one task.
    ///
    /// The server drops the future at the run's deadline, after the grace period of a cancellation,
    /// when the lease is lost, and at the end of a shutdown.
    fn run(
        &self,
        cx: TaskContext,
        input: T,
    ) -> impl Future<Output = Result<Answer, anyhow::Error>> + Send;
}

/// Everything that can handle tasks:
///
/// - an `async fn(TaskContext, Task) -> Result<_, _>`, or a closure of that kind
/// - the same with a typed payload, a [`TaskKind`](crate::TaskKind), in place of the task
/// - a struct that implements [`Handler`]
/// - a plain function in [`blocking`](crate::blocking())
/// - a [`Mux`](crate::Mux), and a [`HandlerService`]
/// - each of these within a tower layer, by [`layered`](Self::layered)
///
/// A handler returns `Result<(), E>` or `Result<Answer, E>`; `E` is `anyhow::Error` or any error type.
/// A closure must name the types of its parameters.
///
/// The compiler infers the marker `M`; you never write it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler",
    label = "not a handler",
    note = "`#[rasynq::debug_handler]` on the function names what is wrong with it",
    note = "a handler is `async fn(TaskContext, Task) -> Result<(), E>` or `Result<Answer, E>`",
    note = "in place of `Task` it may take a type `T: TaskKind` that the codec of `T` can read",
    note = "`E` is `anyhow::Error` or an error type; `Box<dyn Error + Send + Sync>` is not one",
    note = "its future must be `Send`: keep nothing that is not `Send` across an `.await`",
    note = "a closure must name the types of its parameters, and be `Send + Sync + 'static`"
)]
pub trait IntoHandler<M>: Sized {
    /// Builds the handler's service.
    #[doc(hidden)]
    fn build(self, options: BuildOptions) -> Result<HandlerService>;

    /// Converts the handler into a tower service.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if a [`Mux`](crate::Mux) is not
    /// [valid](crate::Mux::validate).
    fn into_service(self) -> Result<HandlerService> {
        self.build(BuildOptions::default())
    }

    /// Wraps the handler in a tower layer.
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
    /// Each run calls a clone of the layer's service. Clones of the service of tower's
    /// `ConcurrencyLimitLayer` share their limit. So the limit applies to all runs together.
    fn layered<L>(self, layer: L) -> Layered<Self, L, M>
    where
        L: Layer<HandlerService>,
        L::Service: RunService,
    {
        Layered {
            handler: self,
            layer,
            marker: PhantomData,
        }
    }
}

/// A handler that is a closure: it takes a run, and returns a future of the answer or error.
struct Call<F>(F);

impl<F: Fn(Run) -> AnswerFuture + Send + Sync + 'static> ErasedHandler for Call<F> {
    fn call(&self, run: Run) -> AnswerFuture {
        (self.0)(run)
    }
}

fn service_of(call: impl Fn(Run) -> AnswerFuture + Send + Sync + 'static) -> HandlerService {
    HandlerService::new(Call(call))
}

fn failed(error: anyhow::Error) -> AnswerFuture {
    Box::pin(std::future::ready(Err(error)))
}

impl<F, Fut, T, X> IntoHandler<Function<T, X>> for F
where
    F: Fn(TaskContext, T) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: IntoOutcome> + Send + 'static,
    T: HandlerInput<X>,
{
    fn build(self, options: BuildOptions) -> Result<HandlerService> {
        let undecodable = options.undecodable.unwrap_or_default();
        Ok(service_of(move |run| {
            match T::from_task(run.task, undecodable) {
                Ok(input) => {
                    let future = self(run.context, input);
                    Box::pin(async move { future.await.into_outcome() })
                }
                Err(error) => failed(error),
            }
        }))
    }
}

impl<H, T, X> IntoHandler<Struct<T, X>> for H
where
    H: Handler<T>,
    T: HandlerInput<X> + Send + 'static,
{
    fn build(self, options: BuildOptions) -> Result<HandlerService> {
        let handler = Arc::new(self);
        let undecodable = options.undecodable.unwrap_or_default();
        Ok(service_of(move |run| {
            match T::from_task(run.task, undecodable) {
                Ok(input) => {
                    let handler = Arc::clone(&handler);
                    Box::pin(async move { handler.run(run.context, input).await })
                }
                Err(error) => failed(error),
            }
        }))
    }
}

impl IntoHandler<Built> for HandlerService {
    fn build(self, _options: BuildOptions) -> Result<HandlerService> {
        Ok(self)
    }
}

/// A handler within a tower layer; see [`IntoHandler::layered`].
pub struct Layered<H, L, M> {
    handler: H,
    layer: L,
    marker: PhantomData<fn() -> M>,
}

impl<H, L, M> fmt::Debug for Layered<H, L, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layered").finish_non_exhaustive()
    }
}

impl<H, L, M> IntoHandler<Within<M>> for Layered<H, L, M>
where
    H: IntoHandler<M>,
    L: Layer<HandlerService>,
    L::Service: RunService,
{
    fn build(self, options: BuildOptions) -> Result<HandlerService> {
        Ok(self.handler.build(options)?.layered(&self.layer))
    }
}
