//! Which handler runs a task: by its exact type, then by the longest prefix.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::Arc;

use tower::{Layer, Service};

use crate::context::States;
use crate::error::{Error, Result};
use crate::handler::marker::{BuildOptions, Muxed};
use crate::handler::{
    Answer, Erased, HandlerNotFound, HandlerService, HasKind, IntoHandler, LayerError,
    OutcomeFuture, Run, UndecodablePayload,
};

/// Chooses the handler of a task by its type. asynq: `ServeMux`.
///
/// A pattern that equals the type wins; otherwise the longest that the type begins with. Where
/// none does, the run fails with [`HandlerNotFound`], and the server's setting for unknown types
/// says what becomes of the task.
///
/// A mistake in it (a blank pattern, the same pattern twice) is an error of
/// [`Server::serve`](crate::Server::serve), and of [`validate`](Self::validate), never a panic.
///
/// ```
/// use rasynq::{Mux, Task, TaskContext, TaskKind};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Welcome { user_id: u64 }
/// impl TaskKind for Welcome { const TYPE: &'static str = "email:welcome"; }
///
/// async fn welcome(_cx: TaskContext, mail: Welcome) -> anyhow::Result<()> { Ok(()) }
/// async fn resize(_cx: TaskContext, task: Task) -> anyhow::Result<()> { Ok(()) }
///
/// let mux = Mux::new()
///     .handle(welcome)            // its payload says the type
///     .route("image:", resize);   // every type that begins so
/// mux.validate()?;
/// # Ok::<_, rasynq::Error>(())
/// ```
#[must_use = "a mux does nothing until a server serves it"]
#[derive(Default)]
pub struct Mux {
    routes: HashMap<String, Route>,
    layers: Vec<Wrap>,
    states: States,
    options: BuildOptions,
    mistake: Option<Error>,
}

type Route = Box<dyn FnOnce(BuildOptions) -> Result<HandlerService> + Send>;
type Wrap = Box<dyn FnOnce(HandlerService) -> HandlerService + Send>;

impl Mux {
    /// A mux without handlers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs tasks of the handler's own type with it: a handler of a typed payload, whose
    /// [`TaskKind`](crate::TaskKind) says the type.
    ///
    /// As a pattern the type is a prefix too; see [`Mux`].
    pub fn handle<M>(self, handler: impl IntoHandler<M> + Send + 'static) -> Self
    where
        M: HasKind + 'static,
    {
        self.route(M::TYPE, handler)
    }

    /// Runs tasks with this handler whose type is `pattern`, or begins with it and with no
    /// longer one. asynq: `HandleFunc`.
    pub fn route<M: 'static>(
        mut self,
        pattern: impl Into<String>,
        handler: impl IntoHandler<M> + Send + 'static,
    ) -> Self {
        let pattern = pattern.into();
        if pattern.trim().is_empty() {
            self.note(Error::invalid("a pattern of the mux is blank"));
            return self;
        }
        match self.routes.entry(pattern) {
            Entry::Vacant(free) => {
                free.insert(Box::new(|options| handler.build(options)));
            }
            Entry::Occupied(taken) => {
                let pattern = taken.key();
                let mistake = format!("pattern {pattern:?} of the mux has two handlers");
                self.note(Error::invalid(mistake));
            }
        }
        self
    }

    /// Puts a tower layer around all handlers, and around the answer for types without one. The
    /// first layer added is the outermost. asynq: `Use`.
    ///
    /// For one pattern: [`IntoHandler::layered`].
    ///
    /// ```
    /// use rasynq::{Mux, Run};
    /// use tower::util::MapRequestLayer;
    ///
    /// let mux = Mux::new().layer(MapRequestLayer::new(|run: Run| {
    ///     tracing::info!(task_type = run.task.task_type(), "start");
    ///     run
    /// }));
    /// # mux.validate().unwrap();
    /// ```
    ///
    /// The errors of a layer's service may be those of the handlers, `anyhow::Error`, or
    /// [`tower::BoxError`]; see [`LayerError`].
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<HandlerService> + Send + 'static,
        L::Service: Service<Run, Response = Answer, Error: LayerError, Future: Send + 'static>
            + Clone
            + Send
            + Sync
            + 'static,
    {
        self.layers
            .push(Box::new(move |inner| inner.layered(&layer)));
        self
    }

    /// Shares a value with all handlers and layers, which ask for it by its type:
    /// [`TaskContext::state`](crate::TaskContext::state). A later one of the same type replaces it.
    ///
    /// ```
    /// use rasynq::{Mux, Task, TaskContext};
    /// use std::sync::Arc;
    ///
    /// struct Smtp { host: String }
    ///
    /// async fn send(cx: TaskContext, _task: Task) -> anyhow::Result<()> {
    ///     let smtp = cx.state::<Smtp>().expect("the mux has it");
    ///     assert_eq!(smtp.host, "localhost");
    ///     Ok(())
    /// }
    ///
    /// let mux = Mux::new().state(Arc::new(Smtp { host: "localhost".into() })).route("email:", send);
    /// # mux.validate().unwrap();
    /// ```
    pub fn state<T: Send + Sync + 'static>(mut self, state: Arc<T>) -> Self {
        self.states.insert(state);
        self
    }

    /// Sets what becomes of a task whose payload does not decode as the type that its handler
    /// takes. Default [`UndecodablePayload::Retry`]; a mux within this one may have its own.
    pub fn on_undecodable(mut self, then: UndecodablePayload) -> Self {
        self.options.undecodable = Some(then);
        self
    }

    /// Says whether the mux can be served: the first mistake that was made in building it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid): a pattern is blank, or is there twice.
    pub fn validate(&self) -> Result<()> {
        match &self.mistake {
            None => Ok(()),
            Some(mistake) => Err(Error::invalid(mistake.to_string())),
        }
    }

    fn note(&mut self, mistake: Error) {
        self.mistake.get_or_insert(mistake);
    }
}

impl fmt::Debug for Mux {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut patterns: Vec<_> = self.routes.keys().collect();
        patterns.sort();
        f.debug_struct("Mux")
            .field("patterns", &patterns)
            .field("layers", &self.layers.len())
            .field("mistake", &self.mistake)
            .finish_non_exhaustive()
    }
}

impl IntoHandler<Muxed> for Mux {
    fn build(self, outer: BuildOptions) -> Result<HandlerService> {
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        let options = BuildOptions {
            undecodable: self.options.undecodable.or(outer.undecodable),
        };
        let mut table = Table::default();
        for (pattern, route) in self.routes {
            let handler = route(options)?;
            table.prefixes.push((pattern.clone(), handler.clone()));
            table.exact.insert(pattern, handler);
        }
        table
            .prefixes
            .sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.len()));
        let mut service = HandlerService::new(table);
        for wrap in self.layers.into_iter().rev() {
            service = wrap(service);
        }
        if self.states.is_empty() {
            return Ok(service);
        }
        Ok(HandlerService::new(WithStates {
            states: self.states,
            inner: service,
        }))
    }
}

/// The patterns: for the exact match, and from the longest to the shortest.
#[derive(Default)]
struct Table {
    exact: HashMap<String, HandlerService>,
    prefixes: Vec<(String, HandlerService)>,
}

impl Table {
    fn find(&self, task_type: &str) -> Option<&HandlerService> {
        self.exact.get(task_type).or_else(|| {
            self.prefixes
                .iter()
                .find(|(pattern, _)| task_type.starts_with(pattern.as_str()))
                .map(|(_, handler)| handler)
        })
    }
}

impl Erased for Table {
    fn call(&self, run: Run) -> OutcomeFuture {
        match self.find(run.task.task_type()) {
            Some(handler) => handler.call_erased(run),
            None => {
                let error = HandlerNotFound::new(run.task.task_type());
                Box::pin(std::future::ready(Err(error.into())))
            }
        }
    }
}

/// Gives each run the mux' states.
struct WithStates {
    states: States,
    inner: HandlerService,
}

impl Erased for WithStates {
    fn call(&self, mut run: Run) -> OutcomeFuture {
        run.context.states_mut().extend(&self.states);
        self.inner.call_erased(run)
    }
}
