//! A connection that carries commands, within bounds: how much is in flight, and how long it may take.
//!
//! fred's own timeouts count from the call, and fred sees a reply only when it is complete. So a command
//! behind a large batch, or before a large reply, would count as unanswered. Here the time of a command
//! counts from when it is written, and the more is in flight, the longer it may take.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fred::clients::Client as FredClient;
use fred::error::{Error as FredError, ErrorKind as FredKind};
use fred::types::Value;
use parking_lot::Mutex;
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout};

use super::command::Command;
use super::failure::{RUNTIME_ENDED, means_wrong_server};
use super::in_flight::Room;
use super::keep_alive::{Owned, Renewer};
use super::outage::{ConnectionState, Loss};
use crate::clock;

/// A command with more bytes than this goes over the connection for bulk, so that small commands, such as the
/// renewal of leases, do not wait behind it.
const BULK: usize = 128 << 10;
/// The pause before the connection for bulk is tried again.
const BULK_PAUSE: Duration = Duration::from_secs(5);
/// The command timeout of a fred client of the caller's, which has timeouts of its own.
const UNLIMITED: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The connections to one address that carry commands.
pub(super) struct Pipes {
    /// Those that are open are used in rotation.
    pool: Vec<Pipe>,
    next: AtomicUsize,
    /// The connection for bulk, opened when it is needed first.
    bulk: OnceCell<Pipe>,
    /// When an attempt to open it failed last.
    bulk_failed: Mutex<Option<Instant>>,
}

/// One connection that carries commands.
pub(super) struct Pipe {
    client: PipeClient,
    state: Arc<ConnectionState>,
    /// How long a command may take.
    command_timeout: Duration,
}

enum PipeClient {
    /// The caller's own fred client. It is never closed here.
    External {
        client: FredClient,
        _renewer: Renewer,
    },
    Owned(Owned<FredClient>),
}

impl Pipes {
    pub(super) fn new(pool: Vec<Pipe>) -> Self {
        Self {
            pool,
            next: AtomicUsize::new(0),
            bulk: OnceCell::new(),
            bulk_failed: Mutex::default(),
        }
    }

    /// Whether a command goes over the connection for bulk. A fred client of the caller's carries all
    /// commands.
    pub(super) fn is_bulk(&self, command: &Command) -> bool {
        command.is_bulk(BULK) && !self.pool[0].is_external()
    }

    /// The connection for bulk. `open` opens it; without a result, small commands' connection serves for a
    /// while.
    pub(super) async fn bulk(&self, open: impl Future<Output = Option<Pipe>>) -> &Pipe {
        let open = async {
            // Commands that wait here for the attempt of another one do not all try it again.
            let failed = *self.bulk_failed.lock();
            if failed.is_some_and(|at| clock::monotonic() - at < BULK_PAUSE) {
                return Err(());
            }
            let opened = open.await.ok_or(());
            if opened.is_err() {
                *self.bulk_failed.lock() = Some(clock::monotonic());
            }
            opened
        };
        let bulk = self.bulk.get_or_try_init(|| open).await;
        bulk.unwrap_or_else(|()| self.next())
    }

    /// The next connection for small commands that is open. If all are lost, the next one.
    pub(super) fn next(&self) -> &Pipe {
        if let [only] = &*self.pool {
            return only;
        }
        let (earlier, later) = {
            let next = self.next.fetch_add(1, Ordering::Relaxed);
            self.pool.split_at(next % self.pool.len())
        };
        let mut in_turn = later.iter().chain(earlier);
        in_turn.find(|pipe| pipe.is_open()).unwrap_or(&later[0])
    }

    /// All connections for small commands.
    pub(super) fn pool(&self) -> &[Pipe] {
        &self.pool
    }
}

impl Pipe {
    /// A connection that this link has opened.
    pub(super) fn owned(client: Owned<FredClient>, command_timeout: Duration) -> Self {
        Self {
            state: Arc::clone(client.keep_alive().state()),
            client: PipeClient::Owned(client),
            command_timeout,
        }
    }

    /// The connection of the caller's own fred client, with its own timeouts.
    pub(super) fn external(client: FredClient, state: Arc<ConnectionState>) -> Self {
        Self {
            client: PipeClient::External {
                client: client.clone(),
                _renewer: Renewer::start(client, Arc::clone(&state)),
            },
            state,
            command_timeout: UNLIMITED,
        }
    }

    /// What is known of the connection.
    pub(super) fn state(&self) -> &ConnectionState {
        &self.state
    }

    fn is_external(&self) -> bool {
        matches!(self.client, PipeClient::External { .. })
    }

    fn client(&self) -> &FredClient {
        match &self.client {
            PipeClient::External { client, .. } => client,
            PipeClient::Owned(client) => client,
        }
    }

    /// Sends one command and waits for its reply.
    ///
    /// First the command waits in line, without a limit of time, until there is room on the connection: those
    /// before it have their replies in bounded time. While the connection is lost, it waits for the command
    /// timeout. After that it is written, and its time counts.
    pub(super) async fn send(&self, command: Command) -> Result<Value, FredError> {
        let in_flight = self.state.in_flight();
        let (bytes, unexpected) = (command.bytes(), command.unexpected_bytes());
        let room = match in_flight.try_take(bytes) {
            Some(room) if self.loss().is_none() => room,
            room => {
                room.into_iter().for_each(Room::free);
                self.wait_in_line(bytes).await?
            }
        };
        let generation = self.state.generation();
        let link_time = in_flight.link_time(unexpected);
        let allowed = self.command_timeout.saturating_add(link_time);
        // In a box: fred's future has 7 KB. Otherwise each future around it would contain it, and twice if it is
        // passed on by value.
        let reply = timeout(allowed, Box::pin(command.send_with(self.client()))).await;
        if self.has_ended() {
            return Err(runtime_ended());
        }
        match reply {
            Ok(reply) => {
                room.answered();
                self.state.set_answered();
                reply.inspect_err(|error| {
                    if means_wrong_server(error.details()) {
                        self.state.is_at_wrong_server(generation, error.details());
                    }
                })
            }
            // The command may still be answered: it is in flight until the connection is opened anew.
            Err(_) => {
                self.state.is_silent(generation);
                Err(FredError::new(FredKind::Timeout, "no reply in time"))
            }
        }
    }

    /// Fails if the connection is certainly lost, or if its runtime has ended.
    pub(super) fn check_open(&self) -> Result<(), FredError> {
        match self.loss() {
            Some((_, false)) | None => Ok(()),
            Some((error, true)) => Err(error),
        }
    }

    /// The error of a connection that is lost, or whose runtime has ended, and whether that is certain.
    fn loss(&self) -> Option<(FredError, bool)> {
        if self.has_ended() {
            return Some((runtime_ended(), true));
        }
        let Loss {
            cause, is_certain, ..
        } = self.state.lost()?;
        let error = FredError::new(FredKind::IO, cause.to_string());
        Some((error, is_certain))
    }

    /// Whether the connection is open, as far as is known.
    pub(super) fn is_open(&self) -> bool {
        self.loss().is_none()
    }

    /// Waits for a lost connection, until it has been lost for `patience`, but no longer than `limit`. Fails with
    /// the cause if it is still lost.
    pub(super) async fn open_within(
        &self,
        patience: Duration,
        limit: Duration,
    ) -> Result<(), FredError> {
        if self.loss().is_some() {
            self.state.open_within(patience, limit).await;
        }
        self.loss().map_or(Ok(()), |(error, _)| Err(error))
    }

    /// Waits until the connection is open and has room for a command of this many bytes.
    async fn wait_in_line(&self, bytes: usize) -> Result<Room<'_>, FredError> {
        loop {
            if self.loss().is_some() {
                // Whether it is open now is asked below.
                let _ = timeout(self.command_timeout, self.state.open()).await;
                if let Some((error, _)) = self.loss() {
                    return Err(error);
                }
            }
            let room = self.state.in_flight().take(bytes).await;
            let room = room.ok_or_else(runtime_ended)?;
            // The connection may have been lost meanwhile.
            if self.loss().is_none() {
                return Ok(room);
            }
            room.free();
        }
    }

    /// Whether the runtime has ended on which the connection was opened.
    fn has_ended(&self) -> bool {
        match &self.client {
            PipeClient::External { .. } => false,
            PipeClient::Owned(client) => client.keep_alive().has_ended(),
        }
    }
}

fn runtime_ended() -> FredError {
    FredError::new(FredKind::Canceled, RUNTIME_ENDED)
}
