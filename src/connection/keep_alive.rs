//! Keeps one connection alive.
//!
//! fred reconnects when a connection breaks. It does not notice two other failures:
//!
//! - The server stops answering, while commands are written to the connection all the time, or
//!   while nothing is written at all (a subscriber's connection).
//! - fred's own connection task ends.
//!
//! [`KeepAlive`] sends a `PING` at intervals and makes fred reconnect when no reply comes. It starts
//! the connection task again when that ends.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fred::error::{Error as FredError, ErrorKind as FredKind};
use fred::interfaces::ClientLike;
use fred::types::{ClientState, ConnectHandle};
use futures_util::future::BoxFuture;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{sleep, timeout};

use super::settings::Settings;

/// The shortest interval between two pings. Otherwise the interval is the command timeout.
const PING_INTERVAL_MIN: Duration = Duration::from_millis(50);

/// The pause before a connection task that ended is started again.
const RESTART_DELAY: Duration = Duration::from_millis(500);

/// The task that keeps a client connected. The task owns fred's connection task: when it ends, the
/// connection is closed.
pub(super) struct KeepAlive {
    task: Mutex<Option<JoinHandle<()>>>,
    abort: AbortHandle,
    closing: Arc<AtomicBool>,
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
    /// Connects `client` and keeps it connected until this is closed or aborted.
    ///
    /// Cancel-safe: if the future is dropped, no connection stays open.
    pub(super) async fn start<C: ClientLike + 'static>(
        client: &C,
        settings: &Settings,
        address: &str,
    ) -> Result<Self, FredError> {
        let mut connected = std::pin::pin!(client.wait_for_connect());
        // The first poll subscribes to fred's events, so the one sent by `connect` is not missed.
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
        let closing = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(keep_alive(
            client.clone(),
            connection,
            settings.command_timeout,
            address.to_owned(),
            closing.clone(),
        ));
        let client = client.clone();
        Ok(Self {
            abort: task.abort_handle(),
            task: Mutex::new(Some(task)),
            closing,
            quit: Box::new(move || {
                let client = client.clone();
                Box::pin(async move {
                    if let Err(error) = client.quit().await {
                        tracing::debug!(%error, "could not close the connection to Redis with QUIT");
                    }
                })
            }),
        })
    }

    /// Closes the connection once the commands in flight are answered, or when `within` has passed.
    pub(super) async fn close(&self, within: Duration) {
        self.closing.store(true, Ordering::Relaxed);
        let task = self
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(mut task) = task else {
            return;
        };
        let quit = async {
            (self.quit)().await;
            // The task can only fail by being aborted.
            let _ = (&mut task).await;
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

async fn keep_alive<C: ClientLike>(
    client: C,
    mut connection: ConnectionTask,
    command_timeout: Duration,
    address: String,
    closing: Arc<AtomicBool>,
) {
    let interval = command_timeout.max(PING_INTERVAL_MIN);
    loop {
        tokio::select! {
            ended = &mut connection.0 => {
                if closing.load(Ordering::Relaxed) {
                    return;
                }
                let reason = match ended {
                    Ok(Ok(())) => "ended".to_owned(),
                    Ok(Err(error)) => error.to_string(),
                    Err(error) => error.to_string(),
                };
                tracing::warn!(address, error = reason, "the connection to Redis ended, will connect again");
                sleep(RESTART_DELAY).await;
                connection = ConnectionTask(client.connect());
            }
            () = sleep(interval) => {
                if closing.load(Ordering::Relaxed) || is_alive(&client, command_timeout).await {
                    continue;
                }
                tracing::warn!(address, "Redis does not answer, reconnecting");
                // The timeout ends this wait only: fred goes on reconnecting.
                let _ = timeout(interval, client.force_reconnection()).await;
            }
        }
    }
}

/// Whether the connection answers, or fred is already reconnecting.
async fn is_alive<C: ClientLike>(client: &C, within: Duration) -> bool {
    if client.state() != ClientState::Connected {
        return true;
    }
    let silent = match timeout(within, client.ping::<()>(None)).await {
        Ok(Ok(())) => false,
        // Any other error is an answer of Redis, or a failure that fred has noticed itself.
        Ok(Err(error)) => *error.kind() == FredKind::Timeout,
        Err(_) => true,
    };
    !silent || client.state() != ClientState::Connected
}
