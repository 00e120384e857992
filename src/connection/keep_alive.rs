//! Keeps one connection alive.
//!
//! fred reconnects when a connection breaks. It does not notice three other failures:
//!
//! - Redis stops answering. fred does not notice this if commands are written all the time, or never
//!   (a subscriber).
//! - Redis answers that it is not the server to write to.
//! - fred's connection task ends.
//!
//! [`KeepAlive`] sends a `PING` at intervals. If no reply comes, it makes fred reconnect; also if a
//! [renewal](super::outage::ConnectionState::renew) is requested. If fred's connection task ends, `KeepAlive`
//! starts it again. It writes into the [`ConnectionState`] whether the connection is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fred::clients::Client as FredClient;
use fred::error::{Error as FredError, ErrorKind as FredKind};
use fred::interfaces::{ClientLike, EventInterface};
use fred::types::config::Server;
use fred::types::{ClientState, ConnectHandle};
use futures_util::future::BoxFuture;
use tokio::sync::Mutex;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{sleep, timeout};

use super::failure::in_words;
use super::outage::{ConnectionState, RenewalCause};
use super::settings::Settings;

/// Pings come once per command timeout, but never more often than this.
const PING_INTERVAL_MIN: Duration = Duration::from_millis(50);

/// The pause before fred's connection task is started again.
const RESTART_DELAY: Duration = Duration::from_millis(500);

/// Why a connection is lost if Redis leaves commands unanswered.
const SILENCE: &str = "Redis does not answer";

/// The tokio task that keeps a fred client connected. It owns fred's connection task. If this tokio
/// task ends, the connection is closed.
pub(super) struct KeepAlive {
    /// Only [`close`](Self::close) locks it, and waits for the task.
    task: Mutex<JoinHandle<()>>,
    abort: AbortHandle,
    closing: Arc<AtomicBool>,
    state: Arc<ConnectionState>,
    quit: Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>,
}

/// fred's connection task. Dropping it aborts the task, which closes the connection.
struct ConnectionTask(ConnectHandle);

impl Drop for ConnectionTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl KeepAlive {
    /// Connects `client` and keeps it connected until the `KeepAlive` is closed or aborted.
    ///
    /// Cancel-safe: if the future is dropped, no connection stays open.
    pub(super) async fn start<C: ClientLike + EventInterface + 'static>(
        client: &C,
        settings: &Settings,
        state: Arc<ConnectionState>,
    ) -> Result<Self, FredError> {
        let mut connected = std::pin::pin!(client.wait_for_connect());
        // The first poll subscribes to fred's events, so the event that `connect` sends is not missed.
        let early = futures_util::poll!(&mut connected);
        let mut connection = ConnectionTask(client.connect());
        if early.is_pending() {
            tokio::select! {
                result = &mut connected => result?,
                ended = &mut connection.0 => {
                    return Err(match ended {
                        Ok(Err(error)) => error,
                        _ => FredError::new(FredKind::Canceled, "The connection task has ended."),
                    });
                }
            }
        }
        let (errors, reconnections) = (client.error_rx(), client.reconnect_rx());
        state.set_open();
        Ok(Self::keep(
            client,
            settings,
            state,
            connection,
            errors,
            reconnections,
        ))
    }

    /// Connects `client` in the background, again and again until it succeeds, and keeps it connected.
    pub(super) fn start_in_background<C: ClientLike + EventInterface + 'static>(
        client: &C,
        settings: &Settings,
        state: Arc<ConnectionState>,
    ) -> Self {
        state.set_connecting();
        let (errors, reconnections) = (client.error_rx(), client.reconnect_rx());
        let connection = ConnectionTask(client.connect());
        Self::keep(client, settings, state, connection, errors, reconnections)
    }

    fn keep<C: ClientLike + EventInterface + 'static>(
        client: &C,
        settings: &Settings,
        state: Arc<ConnectionState>,
        connection: ConnectionTask,
        errors: Receiver<(FredError, Option<Server>)>,
        reconnections: Receiver<Server>,
    ) -> Self {
        let closing = Arc::new(AtomicBool::new(false));
        let task = KeepAliveTask {
            errors,
            reconnections,
            client: client.clone(),
            connection,
            command_timeout: settings.command_timeout,
            state: Arc::clone(&state),
            closing: Arc::clone(&closing),
        };
        let task = tokio::spawn(task.run());
        let client = client.clone();
        Self {
            abort: task.abort_handle(),
            task: Mutex::new(task),
            closing,
            state,
            quit: Box::new(move || {
                let client = client.clone();
                Box::pin(async move {
                    if let Err(error) = client.quit().await {
                        tracing::debug!(%error, "could not close the connection to Redis with QUIT");
                    }
                })
            }),
        }
    }

    /// What is known of the connection.
    pub(super) fn state(&self) -> &Arc<ConnectionState> {
        &self.state
    }

    /// Whether the runtime has ended on which the connection was opened.
    pub(super) fn has_ended(&self) -> bool {
        self.abort.is_finished() && !self.closing.load(Ordering::Relaxed)
    }

    /// Closes the connection once the commands in flight are answered, or when `within` has passed. A
    /// connection that is certainly lost is not waited for.
    ///
    /// If the future is dropped, the connection may stay open. Then `close` may be called again.
    pub(super) async fn close(&self, within: Duration) {
        self.closing.store(true, Ordering::Relaxed);
        if self.state.lost().is_some_and(|loss| loss.is_certain) {
            return self.abort();
        }
        let quit = async {
            let mut task = self.task.lock().await;
            if task.is_finished() {
                return;
            }
            (self.quit)().await;
            // The task can only fail by being aborted.
            let _ = (&mut *task).await;
        };
        if timeout(within, quit).await.is_err() {
            self.abort();
        }
    }

    /// Closes the connection without waiting.
    pub(super) fn abort(&self) {
        self.closing.store(true, Ordering::Relaxed);
        self.abort.abort();
    }
}

struct KeepAliveTask<C> {
    client: C,
    connection: ConnectionTask,
    command_timeout: Duration,
    state: Arc<ConnectionState>,
    closing: Arc<AtomicBool>,
    errors: Receiver<(FredError, Option<Server>)>,
    reconnections: Receiver<Server>,
}

impl<C: ClientLike + EventInterface> KeepAliveTask<C> {
    async fn run(mut self) {
        let interval = self.command_timeout.max(PING_INTERVAL_MIN);
        loop {
            tokio::select! {
                // An error is taken before the reconnection that came after it.
                biased;
                ended = &mut self.connection.0 => {
                    if self.is_closing() {
                        return;
                    }
                    let reason = match ended {
                        Ok(Ok(())) => "it has ended".to_owned(),
                        Ok(Err(error)) => in_words(error.details()),
                        Err(error) => error.to_string(),
                    };
                    self.state.set_lost(&reason, true);
                    sleep(RESTART_DELAY).await;
                    self.connection = ConnectionTask(self.client.connect());
                }
                error = self.errors.recv() => self.on_error(error),
                reconnection = self.reconnections.recv() => match reconnection {
                    Err(RecvError::Closed) => self.reconnections = self.client.reconnect_rx(),
                    _ => self.state.set_open(),
                },
                cause = self.state.renewal_due() => self.renew(cause, interval).await,
                () = sleep(interval) => self.check(interval).await,
            }
        }
    }

    fn on_error(&mut self, error: Result<(FredError, Option<Server>), RecvError>) {
        match error {
            // While the connection is being closed, its end is no error.
            Ok(_) if self.is_closing() => {}
            // An error without a server is that of an attempt to connect again.
            Ok((error, server)) => {
                let is_certain = server.is_none();
                self.state.set_lost(&in_words(error.details()), is_certain);
            }
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => self.errors = self.client.error_rx(),
        }
    }

    /// Finds out whether Redis answers. If not, opens the connection anew.
    async fn check(&self, interval: Duration) {
        // False while fred reconnects.
        if self.is_closing() || self.client.state() != ClientState::Connected {
            return;
        }
        // A reply of late is as good as a reply to a ping.
        if self.state.was_answered() && self.state.lost().is_none() {
            return;
        }
        // While large replies arrive, the connection is not silent.
        let link_time = self.state.in_flight().link_time(0);
        let patience = self.command_timeout.saturating_add(link_time);
        let answer = tokio::select! {
            answer = timeout(patience, self.client.ping::<()>(None)) => answer,
            // A command has waited longer than the ping.
            cause = self.state.renewal_due() => return self.renew(cause, interval).await,
        };
        let is_silent = match answer {
            Ok(Err(error)) => *error.kind() == FredKind::Timeout,
            Ok(Ok(())) => {
                self.state.in_flight().release_abandoned();
                if self.state.lost().is_some() {
                    self.state.set_open();
                }
                false
            }
            Err(_) => true,
        };
        // Any other error is a reply of Redis, or a failure that fred itself has noticed.
        if is_silent && self.client.state() == ClientState::Connected && !self.is_closing() {
            self.state.set_lost(SILENCE, true);
            self.open_anew(interval).await;
        }
    }

    /// Meets a request to open the connection anew.
    async fn renew(&self, cause: RenewalCause, interval: Duration) {
        if cause == RenewalCause::Silence && !self.is_closing() {
            self.state.set_lost(SILENCE, true);
        }
        self.open_anew(interval).await;
    }

    async fn open_anew(&self, within: Duration) {
        self.state.renewal_begins();
        // The timeout only ends the wait: fred goes on reconnecting.
        let _ = timeout(within, self.client.force_reconnection()).await;
    }

    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }
}

/// A fred client with its own connection. Dropping it closes the connection, also for clones of the
/// fred client. It dereferences to the fred client.
pub(crate) struct Owned<C: ClientLike + 'static> {
    client: C,
    keep_alive: Arc<KeepAlive>,
    /// The tokio task that subscribes to the pub/sub channels again after a reconnection. Only a subscriber
    /// has this task.
    resubscribe: Option<JoinHandle<()>>,
}

impl<C: ClientLike + 'static> Owned<C> {
    pub(super) fn new(client: C, keep_alive: KeepAlive) -> Self {
        Self {
            client,
            keep_alive: Arc::new(keep_alive),
            resubscribe: None,
        }
    }

    /// `task` subscribes to the pub/sub channels again after a reconnection. It ends with the connection.
    pub(super) fn resubscribe(&mut self, task: JoinHandle<()>) {
        self.resubscribe = Some(task);
    }

    /// Waits until the connection is lost. Cancel-safe.
    pub(crate) async fn lost(&self) {
        self.keep_alive.state.becomes_lost().await;
    }

    /// Redis has answered on this connection, so that it need not be asked now whether it answers.
    pub(crate) fn set_answered(&self) {
        self.keep_alive.state.set_answered();
    }

    pub(super) fn keep_alive(&self) -> &Arc<KeepAlive> {
        &self.keep_alive
    }
}

impl<C: ClientLike + 'static> std::ops::Deref for Owned<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.client
    }
}

impl<C: ClientLike + 'static> Drop for Owned<C> {
    fn drop(&mut self) {
        if let Some(resubscribe) = &self.resubscribe {
            resubscribe.abort();
        }
        self.keep_alive.abort();
    }
}

/// Opens the connection of the caller's own fred client anew when that is requested. Ends when it is dropped.
pub(super) struct Renewer(AbortHandle);

impl Renewer {
    pub(super) fn start(client: FredClient, state: Arc<ConnectionState>) -> Self {
        let renew = async move {
            loop {
                state.renewal_due().await;
                state.renewal_begins();
                if let Err(error) = client.force_reconnection().await {
                    tracing::debug!(%error, "could not reconnect the fred client");
                }
            }
        };
        Self(tokio::spawn(renew).abort_handle())
    }
}

impl Drop for Renewer {
    fn drop(&mut self) {
        self.0.abort();
    }
}
