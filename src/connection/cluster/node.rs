//! One node of a cluster.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use std::time::Duration;

use fred::clients::{Client as FredClient, SubscriberClient};
use fred::error::{Error as FredError, ErrorKind as FredKind};
use fred::types::Value;
use fred::types::config::Server;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::super::Host;
use super::super::command::Command;
use super::super::failure::{is_lost_connection, map_redis_error};
use super::super::keep_alive::Owned;
use super::super::server_link::ServerLink;
use super::super::settings::Settings;
use super::redirection::says_cluster_is_down;
use crate::clock;
use crate::error::Result;

/// For how long a node may have been lost while commands wait for it.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long a node without hash slots is kept after a redirection has named it: hash slots may be on their way to it.
const NAMED_FOR: Duration = Duration::from_secs(60);

/// A node with connections of its own. They are opened, and opened again, in the background. So a node
/// that is dead delays no other node.
pub(super) struct Node {
    host: Host,
    /// The name for which the node's certificate must be valid. Nodes are often reported by address, but
    /// certificates are for names: a node without a name gets that of the node that reported it.
    certified_name: String,
    link: ServerLink,
    /// The node has said that its cluster is down.
    is_down: AtomicBool,
    /// When a redirection has named the node last.
    named_at: Mutex<Option<Instant>>,
}

impl Node {
    /// Connects to a node of the settings, and checks it.
    pub(super) async fn open(server: &Server, settings: &Settings) -> Result<Self> {
        let host = Host::new(&*server.host, server.port);
        let settings = settings.of_node(&host, &host.name);
        let link = ServerLink::open(settings, host.to_string()).await?;
        Ok(Self::new(host.clone(), host.name, link))
    }

    /// A node of the settings. Its connections are opened in the background.
    pub(super) fn seed(server: &Server, settings: &Settings) -> Self {
        let host = Host::new(&*server.host, server.port);
        Self::in_background(host.clone(), host.name, settings)
    }

    /// A node that this one has reported. Its connections are opened in the background.
    pub(super) fn other(&self, host: Host, settings: &Settings) -> Self {
        let certified_name = match host.name.parse::<IpAddr>() {
            Ok(_) => self.certified_name.clone(),
            Err(_) => host.name.clone(),
        };
        Self::in_background(host, certified_name, settings)
    }

    /// The same node with other connections, opened in the background.
    pub(super) fn again(&self, settings: &Settings) -> Self {
        Self::in_background(self.host.clone(), self.certified_name.clone(), settings)
    }

    fn in_background(host: Host, certified_name: String, settings: &Settings) -> Self {
        let settings = settings.of_node(&host, &certified_name);
        let link = ServerLink::open_in_background(settings, host.to_string());
        Self::new(host, certified_name, link)
    }

    fn new(host: Host, certified_name: String, link: ServerLink) -> Self {
        Self {
            host,
            certified_name,
            link,
            is_down: AtomicBool::new(false),
            named_at: Mutex::new(None),
        }
    }

    /// Sends one command. A connection that has been lost for long is not waited for.
    pub(super) async fn send(&self, command: Command) -> Result<Value, FredError> {
        self.check_up(&command)?;
        let reply = self.link.send_within(PATIENCE, command).await;
        self.note(&reply);
        reply
    }

    /// Sends several commands at once, in their order.
    pub(super) async fn send_all(&self, commands: Vec<Command>) -> Vec<Result<Value, FredError>> {
        let refused = commands
            .iter()
            .find_map(|command| self.check_up(command).err());
        if let Some(error) = refused {
            return commands.iter().map(|_| Err(error.clone())).collect();
        }
        let replies = self.link.send_all_within(PATIENCE, commands).await;
        replies.iter().for_each(|reply| self.note(reply));
        replies
    }

    /// A node that says that its cluster is down refuses each command with a key, and fred then opens the
    /// connection anew. So such commands are refused here, until [`look`](Self::look) finds that this is over.
    fn check_up(&self, command: &Command) -> Result<(), FredError> {
        if command.hash_slot().is_some() && self.is_down() {
            let text = format!(
                "CLUSTERDOWN {} has said that the cluster is down",
                self.host
            );
            return Err(FredError::new(FredKind::Cluster, text));
        }
        Ok(())
    }

    fn note(&self, reply: &Result<Value, FredError>) {
        if reply
            .as_ref()
            .is_err_and(|error| says_cluster_is_down(error.details()))
        {
            self.is_down.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the node has said that its cluster is down.
    pub(super) fn is_down(&self) -> bool {
        self.is_down.load(Ordering::Relaxed)
    }

    /// Asks a node that has said that its cluster is down whether this is over.
    pub(super) async fn look(&self) {
        if !self.is_down() {
            return;
        }
        let info = Command::without_key("CLUSTER", ["INFO".into()]);
        let is_down = match self.link.send_within(PATIENCE, info).await {
            Ok(info) => info
                .as_str()
                .is_some_and(|info| info.contains("cluster_state:fail")),
            // If it does not tell, the next command will.
            Err(error) => is_lost_connection(&error),
        };
        self.is_down.store(is_down, Ordering::Relaxed);
    }

    pub(super) fn host(&self) -> &Host {
        &self.host
    }

    /// A separate connection for client tracking.
    pub(super) async fn dedicated(&self) -> Result<Owned<FredClient>> {
        let open = self.link.open_within(PATIENCE).await;
        open.map_err(|error| map_redis_error(error, "track keys"))?;
        self.link.dedicated().await
    }

    /// A separate connection for pub/sub.
    pub(super) async fn subscriber(&self) -> Result<Owned<SubscriberClient>> {
        let open = self.link.open_within(PATIENCE).await;
        open.map_err(|error| map_redis_error(error, "subscribe"))?;
        self.link.subscriber().await
    }

    pub(super) fn link(&self) -> &ServerLink {
        &self.link
    }

    /// Whether the node answers, as far as is known.
    pub(super) fn is_open(&self) -> bool {
        self.link.is_open()
    }

    /// A redirection has named this node.
    pub(super) fn named(&self) {
        *self.named_at.lock() = Some(clock::monotonic());
    }

    /// Whether a redirection has named this node lately.
    pub(super) fn was_named_lately(&self) -> bool {
        let now = clock::monotonic();
        self.named_at.lock().is_some_and(|at| now - at < NAMED_FOR)
    }
}
