//! Keeps one connection alive.
//!
//! fred connects again when a connection breaks. Two things it does not see: a connection that
//! has gone silent while commands are written to it all the time, or while nothing is written at
//! all (a listener's); and the end of its own task. This watch asks for a sign of life now and
//! then, and has the connection made anew where none comes.

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

/// A sign of life is asked for so much later than the last one, at the least.
const PING_INTERVAL_MIN: Duration = Duration::from_millis(50);

/// The pause before a connection task that has ended is started again.
const RESTART_DELAY: Duration = Duration::from_millis(500);

/// A connected client's connection task, and the task that watches over it.
pub(super) struct Watch {
    task: Mutex<Option<JoinHandle<()>>>,
    abort: AbortHandle,
    closing: Arc<AtomicBool>,
    quit: Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>,
}

/// fred's connection task: aborted when dropped, which closes the connection.
struct Connected(ConnectHandle);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Watch {
    /// Connects `client`. Cancel-safe: dropped, nothing stays open.
    pub(super) async fn start<C: ClientLike + 'static>(
        client: &C,
        settings: &Settings,
        place: &str,
    ) -> Result<Self, FredError> {
        let mut waiting = std::pin::pin!(client.wait_for_connect());
        // Polled once, it listens: what happens right after is not missed.
        let early = futures_util::poll!(&mut waiting);
        let mut connected = Connected(client.connect());
        if early.is_pending() {
            tokio::select! {
                result = &mut waiting => result?,
                ended = &mut connected.0 => {
                    return Err(match ended {
                        Ok(Err(error)) => error,
                        _ => FredError::new(FredKind::Canceled, "The connection task has ended."),
                    });
                }
            }
        }
        let closing = Arc::new(AtomicBool::new(false));
        let watching = watch(
            client.clone(),
            connected,
            settings.command_timeout,
            place.to_owned(),
            closing.clone(),
        );
        let task = tokio::spawn(watching);
        let client = client.clone();
        Ok(Self {
            abort: task.abort_handle(),
            task: Mutex::new(Some(task)),
            closing,
            quit: Box::new(move || {
                let client = client.clone();
                Box::pin(async move {
                    if let Err(error) = client.quit().await {
                        tracing::debug!(%error, "the connection to Redis was not closed politely");
                    }
                })
            }),
        })
    }

    /// Closes the connection after what is under way on it, or when `within` is over.
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
        let politely = async {
            (self.quit)().await;
            // Its only failure is that it was aborted.
            let _ = (&mut task).await;
        };
        if timeout(within, politely).await.is_err() {
            self.abort();
        }
    }

    /// Closes the connection at once.
    pub(super) fn abort(&self) {
        self.closing.store(true, Ordering::Relaxed);
        self.abort.abort();
    }
}

async fn watch<C: ClientLike>(
    client: C,
    mut connected: Connected,
    command_timeout: Duration,
    place: String,
    closing: Arc<AtomicBool>,
) {
    let interval = command_timeout.max(PING_INTERVAL_MIN);
    loop {
        tokio::select! {
            ended = &mut connected.0 => {
                if closing.load(Ordering::Relaxed) {
                    return;
                }
                let reason = match ended {
                    Ok(Ok(())) => "ended".to_owned(),
                    Ok(Err(error)) => error.to_string(),
                    Err(error) => error.to_string(),
                };
                tracing::warn!(place, error = reason, "connection to Redis given up; starting over");
                sleep(RESTART_DELAY).await;
                connected = Connected(client.connect());
            }
            () = sleep(interval) => {
                if closing.load(Ordering::Relaxed) || is_alive(&client, command_timeout).await {
                    continue;
                }
                tracing::warn!(place, "Redis is silent; connecting anew");
                // Gives up waiting, not connecting, when this takes longer.
                let _ = timeout(interval, client.force_reconnection()).await;
            }
        }
    }
}

/// Whether the connection answers, or is being made again already.
async fn is_alive<C: ClientLike>(client: &C, within: Duration) -> bool {
    if client.state() != ClientState::Connected {
        return true;
    }
    let silent = match timeout(within, client.ping::<()>(None)).await {
        Ok(Ok(())) => false,
        // An error that came back is an answer, or fred knows already.
        Ok(Err(error)) => *error.kind() == FredKind::Timeout,
        Err(_) => true,
    };
    !silent || client.state() != ClientState::Connected
}
