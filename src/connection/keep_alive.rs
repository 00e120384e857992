//! Keeps one connection alive.
//!
//! fred reconnects when a connection breaks. It does not notice two other failures:
//!
//! - Redis stops answering. fred does not notice this if commands are written all the time, or never
//!   (a subscriber).
//! - fred's connection task ends.
//!
//! [`KeepAlive`] sends a `PING` at intervals. If no reply comes, it makes fred reconnect. If fred's
//! connection task ends, `KeepAlive` starts it again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fred::error::{Error as FredError, ErrorKind as FredKind};
use fred::interfaces::ClientLike;
use fred::types::{ClientState, ConnectHandle};
use futures_util::future::BoxFuture;
use tokio::sync::Mutex;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{sleep, timeout};

use super::settings::Settings;

/// Pings come once per command timeout, but never more often than this.
const PING_INTERVAL_MIN: Duration = Duration::from_millis(50);

/// The pause before fred's connection task is started again.
const RESTART_DELAY: Duration = Duration::from_millis(500);

/// The tokio task that keeps a fred client connected. It owns fred's connection task. If this tokio
/// task ends, the connection is closed.
pub(super) struct KeepAlive {
    /// Only [`close`](Self::close) locks it, and waits for the task.
    task: Mutex<JoinHandle<()>>,
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
    /// Connects `client` and keeps it connected until the `KeepAlive` is closed or aborted.
    ///
    /// Cancel-safe: if the future is dropped, no connection stays open.
    pub(super) async fn start<C: ClientLike + 'static>(
        client: &C,
        settings: &Settings,
        address: &str,
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
            task: Mutex::new(task),
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
    ///
    /// If the future is dropped, the connection may stay open. Then `close` may be called again.
    pub(super) async fn close(&self, within: Duration) {
        self.closing.store(true, Ordering::Relaxed);
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
                if closing.load(Ordering::Relaxed) || !is_silent(&client, command_timeout).await {
                    continue;
                }
                tracing::warn!(address, "Redis does not answer, reconnecting");
                // The timeout only ends the wait: fred goes on reconnecting.
                let _ = timeout(interval, client.force_reconnection()).await;
            }
        }
    }
}

/// Whether fred takes the client for connected, but Redis does not answer. False while fred reconnects.
async fn is_silent<C: ClientLike>(client: &C, within: Duration) -> bool {
    if client.state() != ClientState::Connected {
        return false;
    }
    let timed_out = match timeout(within, client.ping::<()>(None)).await {
        Ok(Ok(())) => false,
        // Any other error is a reply of Redis, or a failure that fred itself has noticed.
        Ok(Err(error)) => *error.kind() == FredKind::Timeout,
        Err(_) => true,
    };
    timed_out && client.state() == ClientState::Connected
}
