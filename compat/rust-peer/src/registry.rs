//! The running servers, by their names.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rasynq::RunningServer;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;

/// The servers in the order of their starts. A name is in use from the beginning of the start to
/// the beginning of the shutdown.
#[derive(Default)]
pub(crate) struct Registry {
    slots: Mutex<Vec<Slot>>,
}

struct Slot {
    name: String,
    /// `None` while the server is being started.
    server: Option<Arc<ServerHandle>>,
}

impl Registry {
    /// Reserves the name and starts the server. If the start fails the name is free again.
    pub(crate) async fn add(
        &self,
        name: String,
        start: impl Future<Output = Result<RunningServer, Failure>>,
    ) -> Result<(), Failure> {
        if name.is_empty() {
            return Err(Failure::invalid("a server needs a name"));
        }
        {
            let mut slots = self.slots();
            if slots.iter().any(|slot| slot.name == name) {
                return Err(Failure::invalid(format!(
                    "the server name {name:?} is in use"
                )));
            }
            slots.push(Slot {
                name: name.clone(),
                server: None,
            });
        }
        let started = start.await;
        let mut slots = self.slots();
        slots.retain(|slot| slot.name != name);
        slots.push(Slot {
            name,
            server: Some(Arc::new(ServerHandle::new(started?))),
        });
        Ok(())
    }

    /// The server of this name.
    pub(crate) fn get(&self, name: &str) -> Result<Arc<ServerHandle>, Failure> {
        self.slots()
            .iter()
            .find(|slot| slot.name == name)
            .and_then(|slot| slot.server.clone())
            .ok_or_else(|| unknown(name))
    }

    /// Removes the server of this name, and frees the name.
    pub(crate) fn take(&self, name: &str) -> Result<Arc<ServerHandle>, Failure> {
        let mut slots = self.slots();
        let found = slots
            .iter()
            .position(|slot| slot.name == name && slot.server.is_some());
        found
            .and_then(|at| slots.remove(at).server)
            .ok_or_else(|| unknown(name))
    }

    /// Removes all servers, in the order of their starts, and frees all names.
    pub(crate) fn take_all(&self) -> Vec<Arc<ServerHandle>> {
        let slots = std::mem::take(&mut *self.slots());
        slots.into_iter().filter_map(|slot| slot.server).collect()
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unknown(name: &str) -> Failure {
    Failure::invalid(format!("there is no server {name:?}"))
}

/// A server, which requests share. Its name is gone once a shutdown begins.
pub(crate) struct ServerHandle {
    server: RunningServer,
    /// Fires when the shutdown begins: pings in flight give up.
    shutting_down: CancellationToken,
}

impl ServerHandle {
    fn new(server: RunningServer) -> Self {
        Self {
            server,
            shutting_down: CancellationToken::new(),
        }
    }

    pub(crate) async fn ping(&self) -> Result<(), Failure> {
        let ping = self.server.ping();
        match self.shutting_down.run_until_cancelled(ping).await {
            Some(pinged) => Ok(pinged?),
            None => Err(shut_down()),
        }
    }

    pub(crate) fn stop(&self) {
        self.server.stop();
    }

    pub(crate) async fn shutdown(&self) {
        self.shutting_down.cancel();
        self.server.shutdown().await;
    }
}

fn shut_down() -> Failure {
    Failure::invalid("the server was shut down")
}
