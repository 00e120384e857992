//! One node of a cluster.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fred::error::Error as FredError;
use fred::types::Value;
use fred::types::config::Server;
use tokio::time::Instant;

use super::super::Host;
use super::super::command::Command;
use super::super::failure::map_redis_error;
use super::super::server_link::ServerLink;
use super::super::settings::Settings;
use crate::clock;
use crate::error::Result;

/// For how long a node may have been lost while commands wait for it.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long a node without slots is kept after a redirection has named it: slots may be on their way to it.
const NAMED_FOR: Duration = Duration::from_secs(60);

/// A node with connections of its own. They are opened, and opened again, in the background. So a node
/// that is dead delays no other node.
pub(super) struct Node {
    host: Host,
    /// The name for which the node's certificate must be valid. Nodes are often reported by address, but
    /// certificates are for names: a node without a name gets that of the node that reported it.
    certified_name: String,
    link: ServerLink,
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
            named_at: Mutex::new(None),
        }
    }

    /// Sends one command. A connection that has been lost for long is not waited for.
    pub(super) async fn send(&self, command: Command) -> Result<Value, FredError> {
        self.link.open_within(PATIENCE).await?;
        self.link.send(command).await
    }

    /// Sends several commands at once, in their order.
    pub(super) async fn send_all(&self, commands: Vec<Command>) -> Vec<Result<Value, FredError>> {
        match self.link.open_within(PATIENCE).await {
            Ok(()) => self.link.send_all(commands).await,
            Err(error) => commands.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    pub(super) fn host(&self) -> &Host {
        &self.host
    }

    /// Fails if the node is lost and does not come back soon. `what` names the operation, for the error.
    pub(super) async fn is_open_soon(&self, what: &str) -> Result<()> {
        let open = self.link.open_within(PATIENCE).await;
        open.map_err(|error| map_redis_error(error, what))
    }

    pub(super) fn link(&self) -> &ServerLink {
        &self.link
    }

    /// Whether the node answers, as far as is known.
    pub(super) fn is_open(&self) -> bool {
        self.link.is_open().is_ok()
    }

    /// A redirection has named this node.
    pub(super) fn named(&self) {
        *self.named_at() = Some(clock::monotonic());
    }

    /// Whether a redirection has named this node lately.
    pub(super) fn was_named_lately(&self) -> bool {
        let now = clock::monotonic();
        self.named_at().is_some_and(|at| now - at < NAMED_FOR)
    }

    fn named_at(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.named_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
