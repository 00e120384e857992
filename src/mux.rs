//! The mux: it chooses the handler of a task by its type, and adds layers and shared state.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::Arc;

use tower::Layer;

use crate::error::{Error, Result};
use crate::handler::marker::Muxed;
use crate::handler::{
    AnswerFuture, BuildOptions, ErasedHandler, HandlerNotFound, HandlerService, HasKind,
    IntoHandler, Reach, RunService, UndecodablePayload,
};
use crate::pattern::is_odd;
use crate::run::{Run, States};

/// Chooses the handler of a task by its type. asynq: `ServeMux`.
///
/// - A handler of a typed payload ([`handle`](Self::handle)) gets exactly the tasks of its type.
/// - Any other task goes to the handler with the longest pattern ([`route`](Self::route)) with which its
///   type begins.
///
/// If nothing matches, the run gets the error [`HandlerNotFound`]; the server's setting
/// [`unknown_type`](crate::Server::unknown_type) decides what happens to the task.
///
/// A mistake in a mux (a blank pattern, or two handlers for the same pattern) does not panic. Every
/// method that starts a server returns it as an error ([`serve`](crate::Server::serve),
/// [`serve_until`](crate::Server::serve_until), [`start`](crate::Server::start)), and so does
/// [`validate`](Self::validate). What is only likely to be a mistake is logged as a warning when the
/// server starts: a mux without a handler, a pattern with `*`, `^` or a blank (they stand for
/// themselves), and a handler within an inner mux that no task can reach.
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
///     .handle(welcome)            // the payload's TaskKind names the type: this type alone
///     .route("image:", resize);   // every type with this prefix
/// mux.validate()?;
/// # Ok::<_, rasynq::Error>(())
/// ```
#[must_use = "a mux does nothing until a server serves it"]
#[derive(Default)]
pub struct Mux {
    /// By their task types.
    typed: HashMap<String, Route>,
    /// By their patterns.
    routes: HashMap<String, Route>,
    layers: Vec<Wrap>,
    states: States,
    undecodable: Option<UndecodablePayload>,
    mistake: Option<Error>,
}

type Route = Box<dyn FnOnce(BuildOptions) -> Result<HandlerService> + Send>;
type Wrap = Box<dyn FnOnce(HandlerService) -> HandlerService + Send>;

impl Mux {
    /// Creates a mux without handlers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a handler of a typed payload. It gets the tasks of one type, that of the payload's
    /// [`TaskKind`](crate::TaskKind), also if this type is a pattern of [`route`](Self::route) too.
    pub fn handle<M>(mut self, handler: impl IntoHandler<M> + Send + 'static) -> Self
    where
        M: HasKind + 'static,
    {
        let route: Route = Box::new(|options| handler.build(options));
        let added = add(&mut self.typed, "task type", M::TYPE.to_owned(), route);
        self.record(added);
        self
    }

    /// Adds a handler. It gets every task whose type begins with `pattern`, unless the mux has a longer
    /// pattern for the type, or a handler for exactly this type. asynq: `HandleFunc`.
    ///
    /// A pattern is a plain prefix: `*`, `^` and blanks in it stand for themselves.
    pub fn route<M: 'static>(
        mut self,
        pattern: impl Into<String>,
        handler: impl IntoHandler<M> + Send + 'static,
    ) -> Self {
        let route: Route = Box::new(|options| handler.build(options));
        let added = add(&mut self.routes, "pattern", pattern.into(), route);
        self.record(added);
        self
    }

    /// Wraps a tower layer around all handlers. The layer also sees tasks without a handler. The first
    /// layer that is added is the outermost. asynq: `Use`.
    ///
    /// To wrap one handler, use [`IntoHandler::layered`].
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
    /// The layer's service must be a [`RunService`]. Its error may be
    /// [`HandlerError`](crate::HandlerError) (the error of the inner service), `anyhow::Error`, or
    /// [`tower::BoxError`].
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<HandlerService> + Send + 'static,
        L::Service: RunService,
    {
        self.layers
            .push(Box::new(move |inner| inner.layered(&layer)));
        self
    }

    /// Shares a value with all handlers and layers. They get the value by its type:
    /// [`TaskContext::state`](crate::TaskContext::state). A later value of the same type replaces an
    /// earlier one.
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

    /// Sets what the server does with a task whose payload does not decode as the type that its
    /// handler takes. Default: [`UndecodablePayload::Retry`]. A mux within this one may have its own
    /// setting.
    pub fn on_undecodable(mut self, action: UndecodablePayload) -> Self {
        self.undecodable = Some(action);
        self
    }

    /// Checks the mux for mistakes. Returns the first one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if a pattern or a task type is blank or has two
    /// handlers.
    pub fn validate(&self) -> Result<()> {
        match &self.mistake {
            None => Ok(()),
            Some(mistake) => Err(Error::invalid(mistake.to_string())),
        }
    }

    /// Logs what is likely to be a mistake, although it is valid, as in asynq.
    fn warn(&self, reach: &Reach) {
        if self.typed.is_empty() && self.routes.is_empty() {
            tracing::warn!("a mux has no handler, so each of its tasks fails");
        }
        for pattern in self.typed.keys().chain(self.routes.keys()) {
            if is_odd(pattern) {
                tracing::warn!(
                    pattern,
                    "a pattern is a plain prefix: `*`, `^` and blanks in it stand for themselves"
                );
            }
        }
        let types = self.typed.keys().filter(|name| !reach.has_type(name));
        let patterns = self.routes.keys().filter(|name| !reach.has_prefix(name));
        for pattern in types.chain(patterns) {
            tracing::warn!(
                pattern,
                "no task can reach a handler of an inner mux: the outer mux sends none of its types there"
            );
        }
    }

    /// Keeps the first mistake.
    fn record(&mut self, added: Result<()>) {
        if let Err(mistake) = added {
            self.mistake.get_or_insert(mistake);
        }
    }
}

/// Adds a handler, unless its name is blank or taken.
fn add(routes: &mut HashMap<String, Route>, what: &str, name: String, route: Route) -> Result<()> {
    if name.trim().is_empty() {
        return Err(Error::invalid(format!("a {what} of the mux is blank")));
    }
    match routes.entry(name) {
        Entry::Vacant(free) => {
            free.insert(route);
            Ok(())
        }
        Entry::Occupied(taken) => {
            let name = taken.key();
            Err(Error::invalid(format!(
                "{what} {name:?} of the mux has two handlers"
            )))
        }
    }
}

impl fmt::Debug for Mux {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sorted = |routes: &HashMap<String, Route>| {
            let mut names: Vec<_> = routes.keys().cloned().collect();
            names.sort();
            names
        };
        f.debug_struct("Mux")
            .field("types", &sorted(&self.typed))
            .field("patterns", &sorted(&self.routes))
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
        self.warn(&outer.reach);
        let undecodable = self.undecodable.or(outer.undecodable);
        let names: Vec<_> = self.routes.keys().cloned().collect();
        let types: Vec<_> = self.typed.keys().cloned().collect();
        let mut table = RouteTable::default();
        for (pattern, route) in self.routes {
            let reach = outer.reach.through(&pattern, names.iter(), types.iter());
            let handler = route(BuildOptions { undecodable, reach })?;
            table.prefixes.push((pattern.clone(), handler.clone()));
            table.exact.insert(pattern, handler);
        }
        for (task_type, route) in self.typed {
            let reach = Reach::default();
            let handler = route(BuildOptions { undecodable, reach })?;
            table.exact.insert(task_type, handler);
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

/// The handlers: a map for the exact match, by types and patterns, and a list from the longest pattern
/// to the shortest.
#[derive(Default)]
struct RouteTable {
    exact: HashMap<String, HandlerService>,
    prefixes: Vec<(String, HandlerService)>,
}

impl RouteTable {
    fn find(&self, task_type: &str) -> Option<&HandlerService> {
        self.exact.get(task_type).or_else(|| {
            self.prefixes
                .iter()
                .find(|(pattern, _)| task_type.starts_with(pattern.as_str()))
                .map(|(_, handler)| handler)
        })
    }
}

impl ErasedHandler for RouteTable {
    fn call(&self, run: Run) -> AnswerFuture {
        match self.find(run.task.task_type()) {
            Some(handler) => handler.call_erased(run),
            None => {
                let error = HandlerNotFound::new(run.task.task_type());
                Box::pin(std::future::ready(Err(error.into())))
            }
        }
    }
}

/// Adds the mux's shared state to each run.
struct WithStates {
    states: States,
    inner: HandlerService,
}

impl ErasedHandler for WithStates {
    fn call(&self, mut run: Run) -> AnswerFuture {
        run.context.states_mut().extend(&self.states);
        self.inner.call_erased(run)
    }
}
