//! [`Server`]: the builder of a server. It has the settings, and starts the server.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::aggregate::{GroupAggregator, GroupLimits, TypedFunction};
use super::config::{CancelPolicy, Config, LostLease, UnknownType};
use super::running::{RunningServer, longest_shutdown};
use super::start;
use crate::background::Signals;
use crate::broker::Broker;
use crate::connection::Connection;
use crate::error::Result;
use crate::handler::IntoHandler;
use crate::metrics;
use crate::retry_delay::RetryDelay;
use crate::run::TaskContext;
use crate::task::{Decode, Task, TaskKind};

/// The builder of a server: set its options, then start it with [`serve`](Self::serve),
/// [`serve_until`](Self::serve_until) or [`start`](Self::start).
///
/// Several servers may run in one process. asynq: `Server`, `Config`.
///
/// ```no_run
/// # async fn example() -> rasynq::Result<()> {
/// use rasynq::{Connection, Mux, Server, Task, TaskContext};
///
/// async fn resize(cx: TaskContext, task: Task) -> anyhow::Result<()> {
///     println!("{} has {} bytes", cx.task_id(), task.payload().len());
///     Ok(())
/// }
///
/// let redis = Connection::from_uri("redis://localhost")?;
/// Server::new(&redis)
///     .concurrency(10)
///     .queue("critical", 6)
///     .queue("default", 3)
///     .serve(Mux::new().route("image:resize", resize))
///     .await?; // until SIGTERM or SIGINT
/// # Ok(()) }
/// ```
#[must_use = "a server does nothing until it is served or started"]
pub struct Server {
    connection: Connection,
    config: Config,
}

impl Server {
    /// Creates the builder of a server on this Redis, with asynq's defaults.
    pub fn new(connection: &Connection) -> Self {
        Self {
            connection: connection.clone(),
            config: Config::default(),
        }
    }

    /// How many tasks run at once. Default, and the meaning of 0: the number of CPUs. asynq: `Concurrency`.
    pub fn concurrency(mut self, tasks: usize) -> Self {
        self.config.concurrency = tasks;
        self
    }

    /// How many tasks are fetched beyond those that run, so that a run can start without waiting for a
    /// fetch. Default: 0. asynq has no such setting.
    ///
    /// This helps if handlers take about as long as a fetch: a few milliseconds, or more if Redis is
    /// far away. What changes for a prefetched task:
    ///
    /// - While the task waits in this server, it is active and has a lease. It waits even if another
    ///   server is idle, or if tasks of a queue with a higher weight arrive.
    /// - Its timeout counts from the start of its run. Until then asynqmon does not show it among the
    ///   running tasks.
    /// - A shutdown requeues the task at once, uncounted and next in line. A server that was only
    ///   [stopped](RunningServer::stop) still runs it.
    /// - If the process crashes, the task counts as failed although it did not run: it is retried, or
    ///   archived if no retry is left. [`lost_lease`](Self::lost_lease) can change this.
    pub fn prefetch(mut self, tasks: usize) -> Self {
        self.config.prefetch = tasks;
        self
    }

    /// Adds a queue with its weight. A queue of weight 0 is not fetched from. Default: the queue
    /// `default` alone. asynq: `Queues`.
    ///
    /// If all queues have the weight 0, the server serves `default`, as in asynq, and logs a warning. A
    /// queue that is added twice is an error of [`start`](Self::start).
    ///
    /// For each free slot a queue is drawn at random, in proportion to the weights.
    pub fn queue(mut self, name: impl Into<String>, weight: u32) -> Self {
        let name = name.into();
        if self.config.queues.insert(name.clone(), weight).is_some() {
            self.config.repeated_queue.get_or_insert(name);
        }
        self
    }

    /// Strict priority: a queue is fetched from only while no task can be fetched from the queues of a
    /// higher weight, because they are empty or paused, or Redis refuses the fetch. Default: off. asynq:
    /// `StrictPriority`.
    pub fn strict_priority(mut self, strict: bool) -> Self {
        self.config.strict_priority = strict;
        self
    }

    /// How often, on average, the server asks an empty queue for tasks. Default, and the meaning of zero:
    /// 1 s. asynq: `TaskCheckInterval`.
    ///
    /// The interval applies only while Redis cannot notify the server of new tasks (`CLIENT
    /// TRACKING`). With notifications, tasks are fetched at once.
    pub fn task_check_interval(mut self, interval: Duration) -> Self {
        self.config.task_check_interval = interval;
        self
    }

    /// The polling interval for tasks in scheduled and retry that are due. Default, and the meaning of zero:
    /// 5 s. asynq: `DelayedTaskCheckInterval`.
    ///
    /// The interval applies only while Redis cannot notify the server (`CLIENT TRACKING`). With
    /// notifications, a task becomes pending in the second in which it is due.
    pub fn delayed_task_check_interval(mut self, interval: Duration) -> Self {
        self.config.delayed_task_check_interval = interval;
        self
    }

    /// How long a shutdown waits for running handlers before it requeues their tasks. Default, and the
    /// meaning of zero: 8 s. asynq: `ShutdownTimeout`.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.config.shutdown_timeout = timeout;
        self
    }

    /// A function that is called every [`health_check_interval`](Self::health_check_interval) with the
    /// result of a ping of Redis. asynq: `HealthCheckFunc`.
    pub fn health_check(mut self, check: impl Fn(Result<()>) + Send + Sync + 'static) -> Self {
        self.config.health_check = Some(Arc::new(check));
        self
    }

    /// The interval of health checks. Default, and the meaning of zero: 15 s. asynq: `HealthCheckInterval`.
    pub fn health_check_interval(mut self, interval: Duration) -> Self {
        self.config.health_check_interval = interval;
        self
    }

    /// The interval at which completed tasks whose retention has ended are deleted. Default, and the
    /// meaning of zero: 8 s. asynq: `JanitorInterval`.
    pub fn janitor_interval(mut self, interval: Duration) -> Self {
        self.config.janitor_interval = interval;
        self
    }

    /// How many completed tasks one call deletes. Default, and the meaning of 0: 100. At most 10,000. asynq:
    /// `JanitorBatchSize`.
    pub fn janitor_batch_size(mut self, tasks: usize) -> Self {
        self.config.janitor_batch_size = tasks;
        self
    }

    /// How long a failed task waits for its retry. Default: [`RetryDelay::exponential`]. asynq:
    /// `RetryDelayFunc`.
    pub fn retry_delay(mut self, delay: RetryDelay) -> Self {
        self.config.retry_delay = delay;
        self
    }

    /// Decides whether an error counts as a failure. After an error that does not count, the task is
    /// retried uncounted, as long as retries are left. Default: every error counts. asynq: `IsFailure`.
    pub fn is_failure(
        mut self,
        predicate: impl Fn(&anyhow::Error) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.config.is_failure = Some(Arc::new(predicate));
        self
    }

    /// A function that is called with the error of every run that ends with an error. This includes
    /// timeouts, cancellations and tasks without a handler. asynq: `ErrorHandler`.
    pub fn error_handler(
        mut self,
        hook: impl Fn(&TaskContext, &Task, &anyhow::Error) + Send + Sync + 'static,
    ) -> Self {
        self.config.error_handler = Some(Arc::new(hook));
        self
    }

    /// A function that is called when a task is archived, with the error that caused this: no retry was
    /// left, or the error forbids a retry. It is called after [`error_handler`](Self::error_handler).
    ///
    /// The function is called only for runs of this server. It is not called
    ///
    /// - if a recoverer archives a task whose server has disappeared,
    /// - for a message that does not decode,
    /// - for a run that has lost its lease, because another server decides on the task.
    pub fn exhausted(
        mut self,
        hook: impl Fn(&TaskContext, &Task, &anyhow::Error) + Send + Sync + 'static,
    ) -> Self {
        self.config.exhausted = Some(Arc::new(hook));
        self
    }

    /// What happens to a task without a registered handler. Default: its run fails, as in asynq.
    pub fn unknown_type(mut self, policy: UnknownType) -> Self {
        self.config.unknown_type = policy;
        self
    }

    /// What happens to a cancelled task whose handler does not answer within the
    /// [grace period](Self::cancel_grace). Default: its run fails, as in asynq.
    pub fn after_cancel(mut self, policy: CancelPolicy) -> Self {
        self.config.after_cancel = policy;
        self
    }

    /// The grace period: how long a cancelled handler may take to answer before its future is dropped.
    /// Zero: the future is dropped at once. Default: 1 s. At most a year.
    pub fn cancel_grace(mut self, grace: Duration) -> Self {
        self.config.cancel_grace = grace;
        self
    }

    /// What happens to a task whose server has disappeared. Default: the lost run counts as a failure,
    /// as in asynq. If the process of the server has certainly ended, the retry comes at once. See
    /// also [`max_lost_runs`](Self::max_lost_runs).
    pub fn lost_lease(mut self, policy: LostLease) -> Self {
        self.config.lost_lease = policy;
        self
    }

    /// How many runs of a task may be lost in a row. A run is lost if its server disappears: the process crashed or
    /// was killed. A task that has lost so many runs is archived, whatever retries are left and whatever
    /// [`lost_lease`](Self::lost_lease) says: it may be what ends the processes. A run that ends by itself on a
    /// rasynq server, with any outcome, starts the count again. The minimum is 1, `u32::MAX` means no bound.
    /// Default: 5.
    pub fn max_lost_runs(mut self, runs: u32) -> Self {
        self.config.max_lost_runs = runs;
        self
    }

    /// How many tasks the archive of a queue may have. If there are more, the oldest are deleted. The
    /// minimum is 1. Default: 10,000. A Go server on the same queue applies its own limit of 9,999.
    pub fn archive_max_size(mut self, tasks: u64) -> Self {
        self.config.archive_max_size = tasks;
        self
    }

    /// How long an archived task is kept, in whole seconds. At least 1 s. Default: 90 days.
    pub fn archive_max_age(mut self, age: Duration) -> Self {
        self.config.archive_max_age = age;
        self
    }

    /// Aggregates the groups of the server's queues: the function gets the tasks of a group, and the task that it
    /// returns is stored in their place. Default: none, the server does not aggregate. asynq: `GroupAggregator`.
    ///
    /// A group is aggregated when one of these is true:
    ///
    /// - it has [`group_max_size`](Self::group_max_size) tasks: the function gets this many;
    /// - its oldest task has waited for [`group_max_delay`](Self::group_max_delay);
    /// - no task was added for the [grace period](Self::group_grace_period).
    ///
    /// The tasks come in the order in which they were added, to the second. Their options are not passed on. The new
    /// task has the options and headers that the function gives it, and always the queue of the group. It is stored in
    /// one step with the removal of the others, so none of them is aggregated twice.
    ///
    /// The function has 2 minutes from the moment when the tasks were taken from their group; then its future is dropped.
    /// If it takes longer, fails or panics, this is logged. The tasks return to their group two to three minutes after
    /// they were taken from it, and are aggregated again.
    /// A [shutdown](crate::RunningServer::shutdown) waits for it as for a handler, and then puts the tasks back at once.
    /// So if the function has effects of its own, it may have them more than once.
    ///
    /// ```no_run
    /// # async fn example(redis: rasynq::Connection, mux: rasynq::Mux) -> rasynq::Result<()> {
    /// use rasynq::{Server, Task};
    /// use std::time::Duration;
    ///
    /// async fn digest(user: String, tasks: Vec<Task>) -> anyhow::Result<Task> {
    ///     let lines: Vec<&[u8]> = tasks.iter().map(Task::payload).collect();
    ///     Ok(Task::new("email:digest", lines.join(&b'\n')).header("user", user).max_retry(5))
    /// }
    ///
    /// Server::new(&redis)
    ///     .aggregate(digest)
    ///     .group_grace_period(Duration::from_secs(60))
    ///     .group_max_delay(Duration::from_secs(600))
    ///     .group_max_size(50)
    ///     .serve(mux)
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub fn aggregate(mut self, function: impl GroupAggregator) -> Self {
        self.config.groups.function = Some(Arc::new(function));
        self
    }

    /// The same as [`aggregate`](Self::aggregate), with a function that takes decoded payloads.
    ///
    /// A task of another type than `T`'s task type, and a payload that does not decode, are archived with the reason
    /// as their error; the function gets the others.
    ///
    /// ```no_run
    /// # async fn example(redis: rasynq::Connection, mux: rasynq::Mux) -> rasynq::Result<()> {
    /// # #[derive(serde::Serialize, serde::Deserialize)] struct Note { text: String }
    /// # impl rasynq::TaskKind for Note { const TYPE: &'static str = "note"; }
    /// # #[derive(serde::Serialize)] struct Digest { texts: Vec<String> }
    /// # impl rasynq::TaskKind for Digest { const TYPE: &'static str = "digest"; }
    /// use rasynq::{Server, Task};
    ///
    /// async fn digest(_user: String, notes: Vec<Note>) -> anyhow::Result<Task> {
    ///     let texts = notes.into_iter().map(|note| note.text).collect();
    ///     Ok(Task::typed(&Digest { texts })?)
    /// }
    ///
    /// Server::new(&redis).aggregate_typed(digest).serve(mux).await?;
    /// # Ok(()) }
    /// ```
    pub fn aggregate_typed<T, C, F, Fut, E>(mut self, function: F) -> Self
    where
        F: Fn(String, Vec<T>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Task, E>> + Send + 'static,
        E: Into<anyhow::Error> + 'static,
        T: TaskKind<C> + Send + 'static,
        C: Decode<T> + 'static,
    {
        self.config.groups.function = Some(Arc::new(TypedFunction::new(function)));
        self
    }

    /// A group is aggregated once no task was added to it for this time, in whole seconds (fractions are cut). At
    /// least 1 s. Default, and the meaning of zero: 1 minute. asynq: `GroupGracePeriod`.
    pub fn group_grace_period(mut self, period: Duration) -> Self {
        self.config.groups.limits = self.config.groups.limits.grace_period(period);
        self
    }

    /// A group is aggregated once its oldest task has waited for this time, in whole seconds (fractions are cut). At
    /// least 1 s. Default, and the meaning of zero: no limit. asynq: `GroupMaxDelay`.
    pub fn group_max_delay(mut self, delay: Duration) -> Self {
        self.config.groups.limits = self.config.groups.limits.max_delay(delay);
        self
    }

    /// A group is aggregated as soon as it has this many tasks, and no aggregate has more. More than 100,000 means
    /// 100,000. Default, and the meaning of 0: no limit, the size of a group does not make it due. Then, too, an aggregate
    /// has at most 100,000 tasks, and the others are the next one's. asynq: `GroupMaxSize`; without it all tasks are
    /// aggregated at once, however many.
    pub fn group_max_size(mut self, tasks: usize) -> Self {
        self.config.groups.limits = self.config.groups.limits.max_size(tasks);
        self
    }

    /// How many sets of tasks are aggregated at once: for so many the function runs, or their tasks are loaded. A set
    /// counts from the moment when it is formed of the tasks of its group, but not while Redis has not answered for more
    /// than a second. Default, and the meaning of 0: 10. At most 10,000.
    /// asynq has no such setting: it runs up to three functions.
    pub fn group_concurrency(mut self, sets: usize) -> Self {
        self.config.groups.concurrency = sets;
        self
    }

    /// Limits for the groups of one queue. They override those of the server, each by itself. It is an error of
    /// [`start`](Self::start) if the server does not have this queue. asynq has no such setting.
    pub fn group_limits_of_queue(mut self, queue: impl Into<String>, limits: GroupLimits) -> Self {
        self.config.groups.set_queue(queue.into(), limits);
        self
    }

    /// Limits for one group of a queue. They override those of the queue and of the server, each by itself. It is an
    /// error of [`start`](Self::start) if the server does not have this queue. asynq has no such setting.
    pub fn group_limits_of_group(
        mut self,
        queue: impl Into<String>,
        group: impl Into<String>,
        limits: GroupLimits,
    ) -> Self {
        let groups = &mut self.config.groups;
        groups.set_group(queue.into(), group.into(), limits);
        self
    }

    /// Starts the server, runs it until SIGTERM or SIGINT, and shuts it down. SIGTSTP only stops
    /// fetching. asynq: `Run`.
    ///
    /// Signals count even if handlers block every thread of the tokio runtime: a thread of rasynq listens to
    /// them as long as the process lives. It ends the process by [`std::process::exit`], after a line in
    /// the log,
    ///
    /// - at a second SIGTERM or SIGINT during a shutdown (the same signal within 0.5 s counts once), and at one that
    ///   comes after `serve` has returned:
    ///   exit code 143 for SIGTERM, 130 for SIGINT;
    /// - if a shutdown takes longer than the [shutdown timeout](Self::shutdown_timeout) and 10 s, because
    ///   handlers block the runtime: exit code 70;
    /// - if handlers that block their threads hold up the end of the runtime after `serve`: exit code 70,
    ///   2 s after the runtime has begun to end.
    ///
    /// Tasks that were not requeued by then run again after their leases have expired. To handle signals
    /// yourself, use [`serve_until`](Self::serve_until) with your own future: it never ends the process.
    ///
    /// # Errors
    /// Those of [`start`](Self::start). [`ErrorKind::Internal`](crate::ErrorKind::Internal) if a part of the
    /// server has panicked, so that the server has shut down.
    ///
    /// # Cancel safety
    /// If the future is dropped, the server shuts down at once, as if its [`RunningServer`] were dropped.
    pub async fn serve<M>(self, handler: impl IntoHandler<M>) -> Result<()> {
        let Self { connection, config } = self;
        let config = config.checked()?;
        // Listen before anything runs, so that an early signal counts.
        let signals = Signals::listen(longest_shutdown(config.shutdown_timeout))?;
        let start = start_on(&connection, config, handler);
        let Some(running) = signals.started(start).await? else {
            return Ok(());
        };
        tokio::select! {
            () = signals.wait(|| running.stop()) => {}
            () = running.wait() => {}
        }
        running.shutdown().await;
        signals.server_has_ended(running.runs.clone());
        running.result()
    }

    /// Starts the server, runs it until `until` completes, and shuts it down as
    /// [`RunningServer::shutdown`] does. It does not listen for signals of the operating system, and has no
    /// watchdog: if handlers block all threads of the runtime, it returns only after one of them has given its
    /// thread back.
    ///
    /// # Errors
    /// Those of [`start`](Self::start). [`ErrorKind::Internal`](crate::ErrorKind::Internal) if a part of the
    /// server has panicked, so that the server has shut down.
    ///
    /// # Cancel safety
    /// If the future is dropped, the server shuts down at once, as if its [`RunningServer`] were dropped.
    /// For a graceful shutdown, complete `until`.
    pub async fn serve_until<M>(
        self,
        handler: impl IntoHandler<M>,
        until: impl Future<Output = ()>,
    ) -> Result<()> {
        let running = self.start(handler).await?;
        tokio::select! {
            () = until => {}
            () = running.wait() => {}
        }
        running.shutdown().await;
        running.result()
    }

    /// Starts the server and returns once it runs. asynq: `Start`.
    ///
    /// # Errors
    /// - [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for a wrong setting or a wrong mux.
    /// - [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if Redis cannot be reached.
    /// - [`ErrorKind::Redis`](crate::ErrorKind::Redis) if Redis refuses the connection or a command.
    /// - [`ErrorKind::UnsupportedRedis`](crate::ErrorKind::UnsupportedRedis) if Redis is too old.
    ///
    /// # Cancel safety
    /// If the future is dropped before it completes, no task has been fetched. The server's entry in
    /// Redis may have been written; then it is no longer shown after 10 s.
    pub async fn start<M>(self, handler: impl IntoHandler<M>) -> Result<RunningServer> {
        start_on(&self.connection, self.config.checked()?, handler).await
    }
}

async fn start_on<M>(
    connection: &Connection,
    config: Config,
    handler: impl IntoHandler<M>,
) -> Result<RunningServer> {
    let handler = handler.into_service()?;
    metrics::describe();
    let broker = Broker::connect(connection).await?;
    start(config, handler, broker).await
}
