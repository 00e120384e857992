//! Processing tasks: [`Server`] and its parts.
//!
//! Each part is one noun in one file, and they never name each other's insides: the processor
//! fetches, the worker runs, the syncer tells Redis how it went; the heartbeater keeps leases
//! alive; forwarder, recoverer and janitor move what time moves. They meet in [`runs::Runs`], what
//! this server holds, in [`endings::Endings`], what has ended, and in the channel that is made here.

mod config;
mod endings;
mod forwarder;
mod healthchecker;
mod heartbeater;
mod janitor;
mod lost_fetches;
mod policy;
mod processor;
mod queues;
mod recoverer;
mod running;
mod runs;
mod service;
mod signals;
mod status;
mod subscriber;
mod syncer;
mod wakeups;
mod watcher;
mod worker;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

pub use config::{
    CancelPolicy, DEFAULT_ARCHIVE_MAX_AGE, DEFAULT_ARCHIVE_MAX_SIZE, DEFAULT_CANCEL_GRACE,
    DEFAULT_DELAYED_TASK_CHECK_INTERVAL, DEFAULT_HEALTH_CHECK_INTERVAL, DEFAULT_JANITOR_BATCH_SIZE,
    DEFAULT_JANITOR_INTERVAL, DEFAULT_SHUTDOWN_TIMEOUT, DEFAULT_TASK_CHECK_INTERVAL, LostLease,
    UnknownType,
};
use config::{Config, HEARTBEAT_INTERVAL, RECOVER_INTERVAL};
use endings::Endings;
use forwarder::Forwarder;
use healthchecker::HealthChecker;
use heartbeater::Heartbeater;
use janitor::Janitor;
use policy::Policy;
use processor::Processor;
use queues::Queues;
use recoverer::Recoverer;
pub use running::RunningServer;
use running::Stop;
use runs::Runs;
use service::{Part, repeat};
use status::{Identity, Status};
use syncer::Syncer;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::TaskTracker;
use wakeups::Wakeups;
use watcher::Watcher;
use worker::Worker;

use crate::broker::Broker;
use crate::connection::Connection;
use crate::error::Result;
use crate::handler::IntoHandler;
use crate::retry_delay::RetryDelay;
use crate::run::TaskContext;
use crate::task::Task;

/// A server that has not been started: its settings, then [`serve`](Self::serve).
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
    /// A server with asynq's defaults on this Redis.
    pub fn new(connection: &Connection) -> Self {
        Self {
            connection: connection.clone(),
            config: Config::default(),
        }
    }

    /// How many tasks it runs at once. Default, and 0: the number of CPUs. asynq: `Concurrency`.
    pub fn concurrency(mut self, workers: usize) -> Self {
        self.config.concurrency = workers;
        self
    }

    /// How many tasks are fetched beyond those that run, so that a worker that becomes free need not wait
    /// for the next one. Default: 0. asynq has no such setting.
    ///
    /// It is for handlers that take about as long as a fetch does: a few milliseconds each, or a Redis far
    /// away. A task that is fetched ahead is active and has its lease, and waits here while another
    /// server may be idle, or while tasks of a queue of more weight come; its timeout counts from
    /// the beginning of its run, and until then it is not among the workers that asynqmon shows. A
    /// shutdown gives it back at once, uncounted and next in line; a server that is only
    /// [stopped](RunningServer::stop) runs it. In a crash it counts as one that ran: without retries left it
    /// is archived, unless [`lost_lease`](Self::lost_lease) says otherwise.
    pub fn prefetch(mut self, tasks: usize) -> Self {
        self.config.prefetch = tasks;
        self
    }

    /// Adds a queue with its weight; a weight of 0 leaves it out. Default: `default` alone.
    /// asynq: `Queues`.
    ///
    /// Weighted: for each free worker a queue is drawn, its chance being its share of all weights.
    pub fn queue(mut self, name: impl Into<String>, weight: u32) -> Self {
        self.config.queues.insert(name.into(), weight);
        self
    }

    /// Serves a queue only when all queues of higher weight are empty. Default: off. asynq:
    /// `StrictPriority`.
    pub fn strict_priority(mut self, strict: bool) -> Self {
        self.config.strict_priority = strict;
        self
    }

    /// How long to wait on average before looking again when all queues are empty. Default, and
    /// zero: 1 s. asynq: `TaskCheckInterval`.
    ///
    /// It applies only while the queues cannot be watched: where Redis tells of new tasks (`CLIENT
    /// TRACKING`), they are fetched at once and nothing is asked at this interval.
    pub fn task_check_interval(mut self, interval: Duration) -> Self {
        self.config.task_check_interval = interval;
        self
    }

    /// How often due scheduled and retried tasks are looked for. Default, and zero: 5 s. asynq:
    /// `DelayedTaskCheckInterval`.
    ///
    /// It applies only while the queues cannot be watched: where Redis tells of them (`CLIENT
    /// TRACKING`), tasks are moved at the second at which they are due.
    pub fn delayed_task_check_interval(mut self, interval: Duration) -> Self {
        self.config.delayed_task_check_interval = interval;
        self
    }

    /// How long a shutdown waits for running handlers before it gives their tasks back. Default,
    /// and zero: 8 s. asynq: `ShutdownTimeout`.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.config.shutdown_timeout = timeout;
        self
    }

    /// Is called every [`health_check_interval`](Self::health_check_interval) with what a ping
    /// of Redis gave. asynq: `HealthCheckFunc`.
    pub fn health_check(mut self, check: impl Fn(Result<()>) + Send + Sync + 'static) -> Self {
        self.config.health_check = Some(Arc::new(check));
        self
    }

    /// How often the health check is made. Default, and zero: 15 s. asynq: `HealthCheckInterval`.
    pub fn health_check_interval(mut self, interval: Duration) -> Self {
        self.config.health_check_interval = interval;
        self
    }

    /// How often completed tasks whose retention has ended are deleted. Default, and zero: 8 s.
    /// asynq: `JanitorInterval`.
    pub fn janitor_interval(mut self, interval: Duration) -> Self {
        self.config.janitor_interval = interval;
        self
    }

    /// How many of them one call deletes. Default, and 0: 100. asynq: `JanitorBatchSize`.
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

    /// Whether an error counts as a failure; one that does not is retried without counting, as
    /// long as retries are left. Default: every error does. asynq: `IsFailure`.
    pub fn is_failure(
        mut self,
        predicate: impl Fn(&anyhow::Error) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.config.is_failure = Some(Arc::new(predicate));
        self
    }

    /// Is called with every error that a run ends with, also those of ends that no handler
    /// answered. asynq: `ErrorHandler`.
    pub fn error_handler(
        mut self,
        hook: impl Fn(&TaskContext, &Task, &anyhow::Error) + Send + Sync + 'static,
    ) -> Self {
        self.config.error_handler = Some(Arc::new(hook));
        self
    }

    /// Is called with the error for which a task is archived, after
    /// [`error_handler`](Self::error_handler): no retry was left, or none wanted.
    ///
    /// It is for runs of this server. It is not called when a recoverer archives the task of a
    /// server that is gone, for a message that does not decode, nor for a run that has lost its
    /// lease: there is no run of ours to tell of.
    pub fn exhausted(
        mut self,
        hook: impl Fn(&TaskContext, &Task, &anyhow::Error) + Send + Sync + 'static,
    ) -> Self {
        self.config.exhausted = Some(Arc::new(hook));
        self
    }

    /// What becomes of a task that no handler is registered for. Default: it fails, as in asynq.
    pub fn unknown_type(mut self, policy: UnknownType) -> Self {
        self.config.unknown_type = policy;
        self
    }

    /// What becomes of a cancelled task. Default: it fails, as in asynq.
    pub fn after_cancel(mut self, policy: CancelPolicy) -> Self {
        self.config.after_cancel = policy;
        self
    }

    /// How long a cancelled handler has to answer before its future is dropped. Default: 1 s;
    /// zero drops it at once.
    pub fn cancel_grace(mut self, grace: Duration) -> Self {
        self.config.cancel_grace = grace;
        self
    }

    /// What becomes of a task whose server is gone. Default: it fails, as in asynq.
    pub fn lost_lease(mut self, policy: LostLease) -> Self {
        self.config.lost_lease = policy;
        self
    }

    /// How many tasks the archive of a queue holds; beyond it the oldest go. Default 10,000, at
    /// least 1. A Go server on the same queue applies its own limit, 9,999.
    pub fn archive_max_size(mut self, tasks: u64) -> Self {
        self.config.archive_max_size = tasks;
        self
    }

    /// How long an archived task is kept, in whole seconds. Default 90 days, at least 1 s.
    pub fn archive_max_age(mut self, age: Duration) -> Self {
        self.config.archive_max_age = age;
        self
    }

    /// Starts the server and runs it until SIGTERM or SIGINT, then shuts it down. SIGTSTP only
    /// stops the fetching of tasks. asynq: `Run`.
    ///
    /// From then on for as long as the process lives, these signals no longer end it by
    /// themselves: after `serve` has returned, or failed, SIGTERM and SIGINT are caught and do
    /// nothing, and a second Ctrl-C does not cut a shutdown short. A program that goes on after
    /// it, or that wants a second signal to kill, takes [`serve_until`](Self::serve_until) with a
    /// future of its own.
    ///
    /// # Errors
    /// Those of [`start`](Self::start).
    ///
    /// # Cancel safety
    /// Dropped, the server ends at once, as a [`RunningServer`] that is dropped: its tasks wait for
    /// their leases to end.
    pub async fn serve<M>(self, handler: impl IntoHandler<M>) -> Result<()> {
        // before anything runs: a signal that comes early counts
        let signals = signals::Signals::listen()?;
        let running = self.start(handler).await?;
        signals.wait(|| running.stop()).await;
        running.shutdown().await;
        Ok(())
    }

    /// Starts the server and runs it until `until` ends, then shuts it down. Signals are the
    /// caller's.
    ///
    /// # Errors
    /// Those of [`start`](Self::start).
    ///
    /// # Cancel safety
    /// Dropped, the server ends at once, as a [`RunningServer`] that is dropped. To end it in
    /// order, let `until` end.
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
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for a setting or a mux that is wrong;
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable),
    /// [`ErrorKind::Redis`](crate::ErrorKind::Redis) and
    /// [`ErrorKind::UnsupportedRedis`](crate::ErrorKind::UnsupportedRedis) where Redis is not what
    /// we need.
    ///
    /// # Cancel safety
    /// Dropped before it returns, no task has been fetched; the server's entry, if it was written,
    /// ends after 10 s.
    pub async fn start<M>(self, handler: impl IntoHandler<M>) -> Result<RunningServer> {
        let config = self.config.checked()?;
        let service = handler.into_service()?;
        let broker = Broker::connect(&self.connection).await?;
        let queues = Queues::new(&broker, &config.queues, config.strict_priority);
        let identity = Arc::new(Identity::new(
            config.concurrency,
            config.queues.clone(),
            config.strict_priority,
        ));
        let status = Arc::new(Status::new());
        let runs = Arc::new(Runs::default());
        let policy = Arc::new(Policy {
            retry_delay: config.retry_delay.clone(),
            is_failure: config.is_failure.clone(),
            error_handler: config.error_handler.clone(),
            exhausted: config.exhausted.clone(),
            unknown_type: config.unknown_type,
            after_cancel: config.after_cancel,
            cancel_grace: config.cancel_grace,
            lost_lease: config.lost_lease,
            archive: config.archive(),
        });
        let (lost, lost_receiver) = mpsc::unbounded_channel();
        let (wakeups, words) = Wakeups::new(queues.len());
        let wakeups = Arc::new(wakeups);
        let (endings, ended) = Endings::new(Arc::clone(&runs), Arc::clone(&wakeups));
        let stop = Stop::default();
        let workers = TaskTracker::new();
        let worker = Arc::new(Worker {
            service,
            policy: Arc::clone(&policy),
            runs: Arc::clone(&runs),
            wakeups: Arc::clone(&wakeups),
            ended,
            turns: (config.prefetch > 0).then(|| Arc::new(Semaphore::new(config.concurrency))),
            closing: stop.beginning.clone(),
            abort: stop.abort.clone(),
            tracker: workers.clone(),
        });
        let mut heartbeater = Heartbeater {
            broker: broker.clone(),
            identity: Arc::clone(&identity),
            status: Arc::clone(&status),
            runs: Arc::clone(&runs),
        };
        // one beat before the first task: whoever sees a task of ours active can see us
        status.set_active();
        if let Err(error) = heartbeater.run_once().await {
            broker.close().await;
            return Err(error);
        }

        let processor = Processor {
            broker: broker.clone(),
            queues: queues.clone(),
            wakeups: Arc::clone(&wakeups),
            runs: Arc::clone(&runs),
            worker,
            endings: Arc::clone(&endings),
            concurrency: config.concurrency,
            prefetch: config.prefetch,
            task_check_interval: config.task_check_interval,
            lost,
        };
        let syncer = Syncer {
            broker: broker.clone(),
            endings,
            archive: config.archive(),
        };
        let mut parts = vec![
            tokio::spawn(
                Watcher {
                    broker: broker.clone(),
                    queues: queues.clone(),
                    wakeups: Arc::clone(&wakeups),
                    words,
                    server_key: identity.server_key(),
                }
                .run(stop.parts.clone()),
            ),
            tokio::spawn(
                Forwarder {
                    broker: broker.clone(),
                    queues: queues.clone(),
                    wakeups: Arc::clone(&wakeups),
                    interval: config.delayed_task_check_interval,
                }
                .run(stop.parts.clone()),
            ),
            tokio::spawn(ignore(repeat(
                Recoverer {
                    broker: broker.clone(),
                    queues: queues.clone(),
                    policy,
                },
                RECOVER_INTERVAL,
                true,
                stop.parts.clone(),
            ))),
            tokio::spawn(ignore(repeat(
                Janitor {
                    broker: broker.clone(),
                    queues,
                    wakeups,
                    batch_size: config.janitor_batch_size,
                },
                config.janitor_interval,
                false,
                stop.parts.clone(),
            ))),
            tokio::spawn(subscriber::listen(broker.clone(), runs, stop.parts.clone())),
            tokio::spawn(lost_fetches::give_back(
                broker.clone(),
                lost_receiver,
                stop.parts.clone(),
            )),
        ];
        if let Some(callback) = config.health_check {
            let checker = HealthChecker {
                broker: broker.clone(),
                callback,
            };
            parts.push(tokio::spawn(ignore(repeat(
                checker,
                config.health_check_interval,
                false,
                stop.parts.clone(),
            ))));
        }
        tracing::info!(
            server_id = identity.server_id,
            concurrency = identity.concurrency,
            queues = ?identity.queues,
            "server started"
        );
        Ok(RunningServer {
            broker,
            identity,
            status,
            workers,
            shutdown_timeout: config.shutdown_timeout,
            processor: tokio::spawn(processor.run(stop.fetching.clone())),
            syncer: tokio::spawn(syncer.run()),
            heartbeater: tokio::spawn(repeat(
                heartbeater,
                HEARTBEAT_INTERVAL,
                false,
                stop.heart.clone(),
            )),
            parts,
            stop,
        })
    }
}

async fn ignore<T>(part: impl Future<Output = T>) {
    part.await;
}
