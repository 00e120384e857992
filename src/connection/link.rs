//! The open connections of one client or server: to one Redis server, or to the nodes of a cluster.

use std::sync::Arc;
use std::time::Duration;

use fred::clients::{Client as FredClient, SubscriberClient};
use fred::error::Error as FredError;
use fred::types::Value;
use tokio::sync::watch;
use tokio::time::timeout;

use super::cluster::Cluster;
use super::command::Command;
use super::keep_alive::Owned;
use super::server_link::{ServerLink, connect_timed_out};
use super::settings::Settings;
use super::{Connection, Target};
use crate::error::{Error, Result};

/// The open connections of one client or server. Clones share them.
///
/// When the last clone is dropped, the connections for commands are aborted, unless
/// [`close`](Self::close) has closed them. Those of [`dedicated`](Self::dedicated) and
/// [`subscriber`](Self::subscriber) are aborted when their [`Owned`] is dropped.
#[derive(Clone)]
pub(crate) struct Link {
    servers: Arc<Servers>,
    settings: Arc<Settings>,
}

enum Servers {
    /// One server, or the caller's own fred client.
    One(Box<ServerLink>),
    Cluster(Cluster),
}

impl Connection {
    /// Connects within the connect timeout, and checks that Redis is ready and new enough.
    ///
    /// Cancel-safe: if the future is dropped, no connection stays open.
    pub(crate) async fn open(&self) -> Result<Link> {
        self.validate()?;
        let settings = self.settings()?;
        let address = self.to_string();
        let within = settings.connect_timeout;
        let servers = timeout(within, self.servers(settings.clone(), address.clone()));
        let servers = servers.await;
        Ok(Link {
            servers: Arc::new(
                servers.unwrap_or_else(|_| Err(connect_timed_out(&address, within)))?,
            ),
            settings: Arc::new(settings),
        })
    }

    /// The same, but if a single server does not answer now, the link connects in the background, again and again
    /// until it succeeds. Then nothing is checked: see [`check`](Link::check). The error of the first attempt is returned
    /// too. Everything else fails as in [`open`](Self::open).
    ///
    /// Cancel-safe: if the future is dropped, no connection stays open.
    pub(crate) async fn open_or_later(&self) -> Result<(Link, Option<Error>)> {
        let error = match self.open().await {
            Ok(link) => return Ok((link, None)),
            Err(error) => error,
        };
        if !error.is_transient() || !matches!(self.target, Target::Tcp(_) | Target::Unix(_)) {
            return Err(error);
        }
        let settings = self.settings()?;
        let server = ServerLink::open_in_background(settings.clone(), self.to_string());
        let link = Link {
            servers: Arc::new(Servers::One(Box::new(server))),
            settings: Arc::new(settings),
        };
        Ok((link, Some(error)))
    }

    async fn servers(&self, settings: Settings, address: String) -> Result<Servers> {
        Ok(match &self.target {
            Target::Existing(client) => {
                let link = ServerLink::of_fred_client(client.clone(), settings, address);
                Servers::One(Box::new(link.await?))
            }
            Target::Cluster(_) => Servers::Cluster(Cluster::open(settings).await?),
            _ => Servers::One(Box::new(ServerLink::open(settings, address).await?)),
        })
    }
}

impl Link {
    /// Sends one command and waits for its reply. With a pool, successive calls use its connections in
    /// rotation. A large command uses a separate connection. On a cluster, the command goes to the node that
    /// serves its key.
    ///
    /// Never send a command that blocks: all callers share the connections.
    ///
    /// If the future is dropped after its first poll, the command may still be sent.
    pub(crate) async fn send(&self, command: Command) -> Result<Value, FredError> {
        match &*self.servers {
            Servers::One(server) => server.send(command).await,
            // In a box: otherwise the future of every command would be larger.
            Servers::Cluster(cluster) => Box::pin(cluster.send(command)).await,
        }
    }

    /// Sends several commands at once. The results are in the order of the commands. All commands use the
    /// same connection, and Redis runs them in their order, without waiting for each other's replies. They
    /// are no transaction.
    ///
    /// On a cluster, only the commands for the same node have this order.
    pub(crate) async fn send_all(&self, commands: Vec<Command>) -> Vec<Result<Value, FredError>> {
        match &*self.servers {
            Servers::One(server) => server.send_all(commands).await,
            Servers::Cluster(cluster) => Box::pin(cluster.send_all(commands)).await,
        }
    }

    /// Fails with the cause if the connection for commands is known to be lost; on a cluster, if those to
    /// all nodes are. Does not ask Redis.
    pub(crate) fn check_open(&self) -> Result<(), FredError> {
        match &*self.servers {
            Servers::One(server) => server.check_open(),
            Servers::Cluster(cluster) => cluster.check_open(),
        }
    }

    /// From now on, commands do not wait for a connection that is lost.
    pub(crate) fn give_up(&self) {
        match &*self.servers {
            Servers::One(server) => server.give_up(),
            Servers::Cluster(cluster) => cluster.give_up(),
        }
    }

    /// From now on, a command on a cluster waits for up to 2 s if its hash slot is moving and some of its keys have not moved
    /// yet. Otherwise it fails at once, and the caller may repeat it.
    pub(crate) fn wait_for_moves(&self) {
        match &*self.servers {
            Servers::One(_) => {}
            Servers::Cluster(cluster) => cluster.wait_for_moves(),
        }
    }

    /// Checks that a single server, which was not there at first, is new enough and ready.
    pub(crate) async fn check(&self) -> Result<()> {
        match &*self.servers {
            Servers::One(server) => server.check().await,
            // Each node was checked when it was reached.
            Servers::Cluster(_) => Ok(()),
        }
    }

    /// An operation got this error. If it is the answer of a server that is not the one to write to, which a
    /// script has caught, the connections are opened anew.
    pub(crate) fn note_answer(&self, error: &Error) {
        match &*self.servers {
            Servers::One(server) => server.note_answer(error),
            // A node that is not the master refuses the whole script.
            Servers::Cluster(_) => {}
        }
    }

    /// Another link to the same Redis, with one connection for commands (on a cluster, one to each node). It
    /// works on the runtime of the caller, which may differ from the runtime of this link.
    pub(crate) async fn separate(&self) -> Result<Self> {
        let servers = match &*self.servers {
            Servers::One(server) => Servers::One(Box::new(server.separate().await?)),
            Servers::Cluster(cluster) => Servers::Cluster(cluster.separate()),
        };
        Ok(Self {
            servers: Arc::new(servers),
            settings: Arc::clone(&self.settings),
        })
    }

    /// A separate connection with RESP3, for client tracking. On a cluster, it leads to the node that serves
    /// `key`, and stays there.
    ///
    /// A reconnection loses the state of the connection itself (`CLIENT TRACKING`). The caller must
    /// set it again: listen to fred's `reconnect_rx`.
    ///
    /// # Errors
    /// [`ErrorKind::UnsupportedRedis`](crate::ErrorKind::UnsupportedRedis) if Redis has no RESP3.
    pub(crate) async fn dedicated(&self, key: &str) -> Result<Owned<FredClient>> {
        match &*self.servers {
            Servers::One(server) => server.dedicated().await,
            Servers::Cluster(cluster) => cluster.dedicated(key).await,
        }
    }

    /// The address of the node of a cluster that serves a key, as far as is known. `None`: no node does. All
    /// keys of a single server have the same.
    pub(crate) fn node_of(&self, key: &str) -> Option<String> {
        match &*self.servers {
            Servers::One(_) => Some(String::new()),
            Servers::Cluster(cluster) => cluster.node_of(key),
        }
    }

    /// Changes when another node of the cluster may serve a key. `None`: there is one server only.
    pub(crate) fn node_changes(&self) -> Option<watch::Receiver<u64>> {
        match &*self.servers {
            Servers::One(_) => None,
            Servers::Cluster(cluster) => Some(cluster.changes()),
        }
    }

    /// A node of the cluster has said that another one serves a key.
    pub(crate) fn node_has_changed(&self) {
        if let Servers::Cluster(cluster) = &*self.servers {
            cluster.node_has_changed();
        }
    }

    /// A separate connection for pub/sub, for cancellations. It subscribes again after each
    /// reconnection. On a cluster, it leads to a node that answers, and stays there.
    pub(crate) async fn subscriber(&self) -> Result<Owned<SubscriberClient>> {
        match &*self.servers {
            Servers::One(server) => server.subscriber().await,
            Servers::Cluster(cluster) => cluster.subscriber().await,
        }
    }

    /// Whether Redis is a cluster. Then all keys of a script must be in the same hash slot.
    pub(crate) fn is_cluster(&self) -> bool {
        self.settings.config.server.is_clustered()
    }

    /// How long a command waits for its reply.
    pub(crate) fn command_timeout(&self) -> Duration {
        self.settings.command_timeout
    }

    /// Closes every connection that this link opened, once the commands in flight on it are
    /// answered. Later commands fail. The caller's own fred client stays open.
    ///
    /// Idempotent. Takes at most 2 s, even if Redis does not answer. If the future is dropped,
    /// connections may stay open; a second call closes them.
    pub(crate) async fn close(&self) {
        match &*self.servers {
            Servers::One(server) => server.close().await,
            Servers::Cluster(cluster) => cluster.close().await,
        }
    }
}
