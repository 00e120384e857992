//! [`Server`]: the settings of a server, and how it is started.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::config::{CancelPolicy, Config, LostLease, UnknownType};
use super::running::RunningServer;
use super::start;
use crate::background::Signals;
use crate::broker::Broker;
use crate::connection::Connection;
use crate::error::Result;
use crate::handler::IntoHandler;
use crate::retry_delay::RetryDelay;
use crate::run::TaskContext;
use crate::task::Task;

/// The settings of a server, to be started with [`serve`](Self::serve) or [`start`](Self::start).
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
    /// A server on this Redis, with asynq's defaults.
    pub fn new(connection: &Connection) -> Self {
        Self {
            connection: connection.clone(),
            config: Config::default(),
        }
    }

    /// How many tasks run at once. Default, and meaning of 0: the number of CPUs. asynq:
    /// `Concurrency`.
    pub fn concurrency(mut self, tasks: usize) -> Self {
        self.config.concurrency = tasks;
        self
    }

    /// How many tasks are fetched beyond those that run, so that a free slot need not wait for a
    /// fetch. Default: 0. asynq has no such setting.
    ///
    /// It helps handlers that take about as long as a fetch: a few milliseconds, or more if Redis
    /// is far away. What changes for a prefetched task:
    ///
    /// - It is active and has a lease while it waits here. Another server may be idle meanwhile, and
    ///   tasks of a queue with a higher weight may arrive.
    /// - Its timeout counts from the start of its run. Until then asynqmon does not show it among the
    ///   running tasks.
    /// - A shutdown requeues it at once, uncounted and next in line. A server that was only
    ///   [stopped](RunningServer::stop) runs it.
    /// - If the process crashes, the task counts as one that ran: without retries left it is archived,
    ///   unless [`lost_lease`](Self::lost_lease) is set otherwise.
    pub fn prefetch(mut self, tasks: usize) -> Self {
        self.config.prefetch = tasks;
        self
    }

    /// Adds a queue with its weight. A queue of weight 0 is not served. Default: the queue `default`
    /// alone. asynq: `Queues`.
    ///
    /// For each free slot a queue is drawn at random, in proportion to the weights.
    pub fn queue(mut self, name: impl Into<String>, weight: u32) -> Self {
        self.config.queues.insert(name.into(), weight);
        self
    }

    /// Serves a queue only while all queues of a higher weight are empty. Default: off. asynq:
    /// `StrictPriority`.
    pub fn strict_priority(mut self, strict: bool) -> Self {
        self.config.strict_priority = strict;
        self
    }

    /// The average polling interval while all queues are empty. Default, and meaning of zero: 1 s.
    /// asynq: `TaskCheckInterval`.
    ///
    /// It applies only while Redis cannot notify the server of new tasks (`CLIENT TRACKING`). With
    /// notifications, tasks are fetched at once.
    pub fn task_check_interval(mut self, interval: Duration) -> Self {
        self.config.task_check_interval = interval;
        self
    }

    /// The polling interval for due scheduled and retried tasks. Default, and meaning of zero: 5 s.
    /// asynq: `DelayedTaskCheckInterval`.
    ///
    /// It applies only while Redis cannot notify the server (`CLIENT TRACKING`). With notifications,
    /// a task becomes pending in the second at which it is due.
    pub fn delayed_task_check_interval(mut self, interval: Duration) -> Self {
        self.config.delayed_task_check_interval = interval;
        self
    }

    /// How long a shutdown waits for running handlers before it requeues their tasks. Default, and
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

    /// The interval of health checks. Default, and meaning of zero: 15 s. asynq:
    /// `HealthCheckInterval`.
    pub fn health_check_interval(mut self, interval: Duration) -> Self {
        self.config.health_check_interval = interval;
        self
    }

    /// The interval at which completed tasks whose retention has expired are deleted. Default, and
    /// meaning of zero: 8 s. asynq: `JanitorInterval`.
    pub fn janitor_interval(mut self, interval: Duration) -> Self {
        self.config.janitor_interval = interval;
        self
    }

    /// How many expired tasks one call deletes. Default, and meaning of 0: 100. At most 10,000. asynq:
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

    /// Decides whether an error counts as a failure. After an error that does not, the task is retried
    /// without counting, as long as retries are left. Default: every error counts. asynq: `IsFailure`.
    pub fn is_failure(
        mut self,
        predicate: impl Fn(&anyhow::Error) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.config.is_failure = Some(Arc::new(predicate));
        self
    }

    /// A function that is called with every error that a run ends with. This includes timeouts,
    /// cancellations and tasks without a handler. asynq: `ErrorHandler`.
    pub fn error_handler(
        mut self,
        hook: impl Fn(&TaskContext, &Task, &anyhow::Error) + Send + Sync + 'static,
    ) -> Self {
        self.config.error_handler = Some(Arc::new(hook));
        self
    }

    /// A function that is called with the error for which a task is archived: no retry was left, or the
    /// error forbids a retry. It is called after [`error_handler`](Self::error_handler).
    ///
    /// It is called for the runs of this server only. It is not called
    ///
    /// - for a task whose server has disappeared and which a recoverer archives,
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

    /// What happens to a cancelled task. Default: its run fails, as in asynq.
    pub fn after_cancel(mut self, policy: CancelPolicy) -> Self {
        self.config.after_cancel = policy;
        self
    }

    /// How long a cancelled handler may take to answer before its future is dropped. Default: 1 s.
    /// Zero drops it at once.
    pub fn cancel_grace(mut self, grace: Duration) -> Self {
        self.config.cancel_grace = grace;
        self
    }

    /// What happens to a task whose server has disappeared. Default: its run fails, as in asynq.
    pub fn lost_lease(mut self, policy: LostLease) -> Self {
        self.config.lost_lease = policy;
        self
    }

    /// How many tasks the archive of a queue may have. Beyond that the oldest are deleted. Default:
    /// 10,000, at least 1. A Go server on the same queue applies its own limit of 9,999.
    pub fn archive_max_size(mut self, tasks: u64) -> Self {
        self.config.archive_max_size = tasks;
        self
    }

    /// How long an archived task is kept, in whole seconds. Default: 90 days, at least 1 s.
    pub fn archive_max_age(mut self, age: Duration) -> Self {
        self.config.archive_max_age = age;
        self
    }

    /// Starts the server, runs it until SIGTERM or SIGINT, and shuts it down. SIGTSTP only stops
    /// fetching. asynq: `Run`.
    ///
    /// From this call on, and for as long as the process lives, these signals no longer end the process
    /// by themselves. After `serve` has returned, SIGTERM and SIGINT have no effect, and a second
    /// Ctrl-C does not cut a shutdown short. A program that goes on afterwards, or that handles a second
    /// signal, uses [`serve_until`](Self::serve_until) with a future of its own.
    ///
    /// # Errors
    /// Those of [`start`](Self::start).
    ///
    /// # Cancel safety
    /// If the future is dropped, the server shuts down at once, as if a [`RunningServer`] was dropped.
    pub async fn serve<M>(self, handler: impl IntoHandler<M>) -> Result<()> {
        // Listen before anything runs, so that an early signal counts.
        let signals = Signals::listen()?;
        let running = self.start(handler).await?;
        signals.wait(|| running.stop()).await;
        running.shutdown().await;
        Ok(())
    }

    /// Starts the server, runs it until `until` completes, and shuts it down. It does not listen for
    /// signals.
    ///
    /// # Errors
    /// Those of [`start`](Self::start).
    ///
    /// # Cancel safety
    /// If the future is dropped, the server shuts down at once, as if a [`RunningServer`] was dropped.
    /// For a graceful shutdown, complete `until`.
    pub async fn serve_until<M>(
        self,
        handler: impl IntoHandler<M>,
        until: impl Future<Output = ()>,
    ) -> Result<()> {
        let running = self.start(handler).await?;
        until.await;
        running.shutdown().await;
        Ok(())
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
    /// If the future is dropped before it returns, no task has been fetched. The server's entry in Redis,
    /// if it was written, expires after 10 s.
    pub async fn start<M>(self, handler: impl IntoHandler<M>) -> Result<RunningServer> {
        let config = self.config.checked()?;
        let handler = handler.into_service()?;
        let broker = Broker::connect(&self.connection).await?;
        start(config, handler, broker).await
    }
}
