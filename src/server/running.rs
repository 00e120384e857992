//! A running server: how it is asked to stop, and the order in which its parts end.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::identity::Identity;
use super::run::Executor;
use super::upkeep::LeaseThread;
use crate::background::{ServiceHandle, Services};
use crate::broker::Broker;
use crate::clock;
use crate::error::{Error, ErrorKind, Result};

/// How long an aborted shutdown waits for the sweeps in flight.
const LAST_SWEEPS: Duration = Duration::from_secs(1);
/// How long an aborted shutdown then waits for runs. The tokio task of a run does not end while its handler
/// blocks the thread.
const LAST_RUNS: Duration = Duration::from_secs(1);
/// After the last run has ended, a shutdown waits this long for a Redis that does not answer.
const LAST_CALLS: Duration = Duration::from_secs(5);

/// How long a shutdown may take in all, if the tokio runtime is not blocked: 8 s after the runs have ended, and
/// some leeway.
pub(super) fn longest_shutdown(shutdown_timeout: Duration) -> Duration {
    shutdown_timeout + Duration::from_secs(10)
}

/// A running server.
///
/// Three methods ask it to stop. Each includes those before it. They may be called in any order and any
/// number of times.
///
/// | method | the server | its running handlers |
/// |---|---|---|
/// | [`stop`](Self::stop) | fetches no more tasks, and runs on | continue |
/// | [`shutdown`](Self::shutdown) | ends | have the shutdown timeout to finish; then their tasks are requeued |
/// | [`shutdown_now`](Self::shutdown_now) | ends | are dropped, and their tasks are requeued |
///
/// The server ends in the background, on the runtime on which it was started. [`wait`](Self::wait) waits
/// for its end. A [`stopper`](Self::stopper) has the same three methods for other tokio tasks and threads,
/// without the waiting.
///
/// If the `RunningServer` is dropped before the server has ended, a warning is logged and the server ends
/// as after [`shutdown_now`](Self::shutdown_now). If the runtime ends before the server, this is like a
/// crash: the tasks run again after their leases have expired.
///
/// ```no_run
/// # async fn example() -> rasynq::Result<()> {
/// # use rasynq::{Connection, Mux, Server};
/// use std::time::Duration;
///
/// let redis = Connection::from_uri("redis://localhost")?;
/// let server = Server::new(&redis).start(Mux::new()).await?;
/// // … until this program must end
/// if tokio::time::timeout(Duration::from_secs(3), server.shutdown()).await.is_err() {
///     server.shutdown_now().await; // the handlers take too long
/// }
/// # Ok(()) }
/// ```
#[must_use = "if it is dropped, the server shuts down at once"]
pub struct RunningServer {
    pub(super) stopper: ServerStopper,
    pub(super) broker: Broker,
    /// The tokio tasks of its runs.
    pub(super) runs: TaskTracker,
    /// Fires when a part of the server has panicked.
    pub(super) failed: CancellationToken,
    /// Fires when the server has ended.
    pub(super) ended: CancellationToken,
}

/// Asks a [`RunningServer`] to stop, without waiting. Clones ask the same server.
///
/// It does not keep the server running.
#[derive(Clone)]
pub struct ServerStopper(Arc<StopRequests>);

struct StopRequests {
    identity: Arc<Identity>,
    /// No more tasks are fetched.
    stop: CancellationToken,
    /// No prefetched run starts any more, and the server ends.
    shutdown: CancellationToken,
    /// The futures of handlers are dropped.
    abort: CancellationToken,
}

impl RunningServer {
    /// The id under which asynqmon shows this server.
    pub fn server_id(&self) -> &str {
        self.stopper.server_id()
    }

    /// A stopper for this server, for other tokio tasks and threads.
    pub fn stopper(&self) -> ServerStopper {
        self.stopper.clone()
    }

    /// Stops fetching tasks. Running handlers go on, and prefetched tasks still run. asynq: `Stop`.
    ///
    /// No task that is enqueued after this runs on this server. A fetch may be in flight; the tasks that it brings are
    /// requeued, as next in line, as soon as no prefetched task waits any more.
    pub fn stop(&self) {
        self.stopper.stop();
    }

    /// Shuts the server down and waits until it has ended. asynq: `Shutdown`.
    ///
    /// The server fetches no more tasks and waits up to the shutdown timeout for running handlers. It
    /// requeues the tasks of handlers that have not finished, as next in line. Then it sends the waiting
    /// acknowledgements and disconnects.
    ///
    /// If Redis does not answer, or if handlers block their threads, this takes up to 10 s longer. Tasks that could
    /// not be acknowledged run again after their leases have expired; their number is logged. A handler that
    /// blocks its thread and does not return is left behind, and its task is requeued.
    ///
    /// There is no bound if handlers block *all* threads of the runtime: then the server can do nothing until one
    /// of them gives its thread back. Only [`Server::serve`](crate::Server::serve) ends the process in this case.
    /// Handlers that block belong in [`blocking`](crate::blocking()).
    ///
    /// # Cancel safety
    /// The first poll makes the request. If the future is dropped later, the shutdown goes on. Call
    /// [`wait`](Self::wait) or `shutdown` again to wait for it.
    pub async fn shutdown(&self) {
        self.stopper.shutdown();
        self.wait().await;
    }

    /// Shuts the server down without waiting for handlers, and waits until it has ended.
    ///
    /// The futures of running handlers are dropped and their tasks requeued. Otherwise it does what
    /// [`shutdown`](Self::shutdown) does. A shutdown that is waiting for handlers is cut short.
    ///
    /// # Cancel safety
    /// The same as for [`shutdown`](Self::shutdown).
    pub async fn shutdown_now(&self) {
        self.stopper.shutdown_now();
        self.wait().await;
    }

    /// Waits until the server has ended. This does not ask the server to end.
    ///
    /// A server ends by itself only if one of its parts panics, which is a defect of rasynq or of the
    /// program's tracing subscriber. The panic is logged, and the server ends as after
    /// [`shutdown`](Self::shutdown).
    ///
    /// # Cancel safety
    /// If the future is dropped, nothing changes.
    pub async fn wait(&self) {
        self.ended.cancelled().await;
    }

    /// An error if a part of the server has panicked.
    pub(super) fn result(&self) -> Result<()> {
        if self.failed.is_cancelled() {
            let text = "a part of the server has panicked, so the server has shut down";
            return Err(Error::new(ErrorKind::Internal, text));
        }
        Ok(())
    }

    /// Checks that Redis answers. asynq: `Ping`.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if Redis does not answer,
    /// [`ErrorKind::Redis`](crate::ErrorKind::Redis) if it answers with an error,
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed) if the server has ended.
    ///
    /// # Cancel safety
    /// If the future is dropped, nothing changes.
    pub async fn ping(&self) -> Result<()> {
        self.broker.ping().await
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        if !self.ended.is_cancelled() {
            tracing::warn!(
                server_id = self.server_id(),
                "a running server was dropped, shutting it down without waiting for its handlers"
            );
            self.stopper.shutdown_now();
        }
    }
}

impl ServerStopper {
    pub(super) fn new(identity: Arc<Identity>) -> Self {
        Self(Arc::new(StopRequests {
            identity,
            stop: CancellationToken::new(),
            shutdown: CancellationToken::new(),
            abort: CancellationToken::new(),
        }))
    }

    /// The id under which asynqmon shows the server.
    pub fn server_id(&self) -> &str {
        &self.0.identity.info.server_id
    }

    /// Asks the server to stop fetching. See [`RunningServer::stop`].
    pub fn stop(&self) {
        if !self.0.stop.is_cancelled() {
            tracing::info!(server_id = self.server_id(), "fetches no more tasks");
            self.0.stop.cancel();
        }
    }

    /// Asks the server to shut down. See [`RunningServer::shutdown`].
    pub fn shutdown(&self) {
        self.stop();
        self.0.shutdown.cancel();
    }

    /// Asks the server to shut down without waiting for handlers. See
    /// [`RunningServer::shutdown_now`].
    pub fn shutdown_now(&self) {
        self.shutdown();
        self.0.abort.cancel();
    }

    pub(super) fn stop_token(&self) -> CancellationToken {
        self.0.stop.clone()
    }

    pub(super) fn shutdown_token(&self) -> CancellationToken {
        self.0.shutdown.clone()
    }

    pub(super) fn abort_token(&self) -> CancellationToken {
        self.0.abort.clone()
    }
}

/// Owns the started parts of a server, and ends them in order.
pub(super) struct Supervisor {
    pub(super) stopper: ServerStopper,
    pub(super) broker: Broker,
    pub(super) shutdown_timeout: Duration,
    pub(super) processor: ServiceHandle,
    pub(super) executor: Arc<Executor>,
    /// If the server aggregates.
    pub(super) aggregator: Option<ServiceHandle>,
    pub(super) acknowledger: ServiceHandle,
    pub(super) upkeep: Services,
    pub(super) leases: LeaseThread,
    /// Fires when a part has panicked.
    pub(super) failed: CancellationToken,
    /// Fires when the server has ended.
    pub(super) ended: CancellationToken,
}

impl Supervisor {
    /// Waits until a shutdown is asked for, and carries it out.
    pub(super) async fn run(mut self) {
        let _ended = self.ended.clone().drop_guard();
        let server_id = self.stopper.server_id().to_owned();
        let shutdown = self.stopper.shutdown_token();
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.failed.cancelled() => self.stopper.shutdown(),
        }
        tracing::info!(server_id, "shutting down");
        self.broker.give_up_when_lost();
        self.end_runs().await;
        let deadline = clock::monotonic() + LAST_CALLS;
        tokio::join!(
            self.acknowledger.stop(deadline),
            stop_aggregator(&mut self.aggregator, deadline)
        );
        let left = self.executor.held.all().len();
        if left > 0 {
            tracing::error!(
                server_id,
                tasks = left,
                "could not acknowledge some tasks before the end, their leases will expire"
            );
        }
        self.upkeep.stop(deadline).await;
        if !self.leases.stop(deadline).await {
            tracing::warn!(
                server_id,
                "the server's entry could not be removed in time, it will expire"
            );
        }
        self.broker.close().await;
        tracing::info!(server_id, "shut down");
    }

    /// Waits until no run and no aggregation is left. Aborts those that do not end in time.
    async fn end_runs(&mut self) {
        self.executor.runs.close();
        let abort = self.stopper.abort_token();
        let all_ended = async {
            self.processor.ended().await;
            self.executor.runs.wait().await;
            if let Some(aggregator) = &mut self.aggregator {
                aggregator.ended().await;
            }
        };
        tokio::select! {
            biased;
            () = all_ended => return,
            () = abort.cancelled() => {}
            () = tokio::time::sleep(self.shutdown_timeout) => abort.cancel(),
        }
        // The sweeps in flight requeue their tasks. A fetch without a reply by the deadline is lost, and its tasks
        // are restored.
        self.processor.stop(clock::monotonic() + LAST_SWEEPS).await;
        if timeout(LAST_RUNS, self.executor.runs.wait()).await.is_err() {
            self.executor.give_up_runs();
        }
    }
}

/// An aggregator that is aborted puts the tasks of its sets back. If nothing was left to wait for, it has ended already.
async fn stop_aggregator(aggregator: &mut Option<ServiceHandle>, deadline: Instant) {
    if let Some(aggregator) = aggregator
        && !aggregator.stop(deadline).await
    {
        tracing::warn!(
            "the aggregator did not end in time, the tasks of its sets will be put back after 2 minutes"
        );
    }
}
