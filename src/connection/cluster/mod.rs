//! A cluster: which node runs a command, and what a node's refusal means.
//!
//! Each node has connections of its own, and nobody waits for a node except for the commands that only this
//! node can run. Which node serves which hash slots is read from the cluster at the start, after a
//! redirection, after a failure, and at intervals while a node does not answer.

mod hash_slot_ranges;
mod node;
mod redirection;
mod topology;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use fred::clients::{Client as FredClient, SubscriberClient};
use fred::error::{Error as FredError, ErrorKind as FredKind};
use fred::types::Value;
use fred::util::redis_keyslot;
use futures_util::future::{join_all, select_ok};
use parking_lot::RwLock;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use self::hash_slot_ranges::HashSlotRange;
use self::node::Node;
use self::redirection::HashSlotRefusal;
use self::topology::Topology;
use super::Host;
use super::command::Command;
use super::failure::{is_lost_connection, map_redis_error};
use super::keep_alive::Owned;
use super::settings::Settings;
use crate::clock;
use crate::error::Result;

/// How many redirections of one command are followed. Each of them says that nothing has run.
const MAX_REDIRECTIONS: usize = 5;
/// The pauses of a command that waits until its hash slot has moved: 1.9 s in all.
const MOVING_PAUSES: [u64; 9] = [20, 40, 80, 160, 320, 320, 320, 320, 320];
/// How often a cluster is looked at: is it complete?
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How often the map is read if nothing is known to be wrong. A queue that is idle may have moved.
const READ_INTERVAL: Duration = Duration::from_secs(10);
/// The pause after the map was read. It doubles with each reading in a row.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How many nodes are asked for the map at the same time.
const ASKED_AT_ONCE: usize = 3;
/// How long their replies are waited for before others are asked.
const MAP_TIMEOUT: Duration = Duration::from_secs(1);

/// The connections to the nodes of a cluster. They are closed when it is dropped.
pub(super) struct Cluster {
    shared: Arc<ClusterState>,
    /// Reads the map again and again.
    watch: AbortOnDropHandle<()>,
}

struct ClusterState {
    settings: Settings,
    topology: RwLock<Topology>,
    /// Counts the maps that differ from the one before.
    changes: watch::Sender<u64>,
    /// The map of hash slots is to be read again.
    is_outdated: Notify,
    /// Nodes that become known later are connected here, whoever has met them.
    runtime: Handle,
    /// Whether a command waits while its hash slot moves.
    waits_for_moves: AtomicBool,
}

/// The commands for one node, with their places among all commands.
struct NodePart {
    node: Arc<Node>,
    commands: Vec<(usize, Command)>,
}

impl Cluster {
    /// Connects to the nodes of the settings until one of them has told the map of hash slots. The other nodes
    /// are connected in the background.
    ///
    /// # Errors
    /// If no node tells the map.
    pub(super) async fn open(settings: Settings) -> Result<Self> {
        let asked = settings.config.server.hosts().into_iter().map(|seed| {
            let settings = &settings;
            Box::pin(async move {
                let node = Node::open(&seed, settings).await?;
                let map = hash_slot_map(&node).await.map_err(|error| {
                    let what = format!("cannot read which nodes the cluster of {seed} has");
                    map_redis_error(error, &what)
                })?;
                Ok((map, node))
            })
        });
        let ((map, node), others) = select_ok(asked).await?;
        drop(others);
        let settings = match node.link().settings().has_resp3() {
            true => settings,
            false => settings.with_resp2(),
        };
        let mut topology = Topology::default();
        topology.set_ranges(map, &Arc::new(node), &settings);
        Ok(Self::of(topology, settings))
    }

    /// Other connections to the same nodes, one for commands to each. They are opened in the background, on the
    /// runtime of the caller.
    pub(super) fn separate(&self) -> Self {
        let mut settings = self.shared.settings.clone();
        settings.pool_size = 1;
        let topology = self.shared.topology.read().separate(&settings);
        Self::of(topology, settings)
    }

    fn of(topology: Topology, settings: Settings) -> Self {
        let shared = Arc::new(ClusterState {
            settings,
            topology: RwLock::new(topology),
            changes: watch::Sender::new(0),
            is_outdated: Notify::new(),
            runtime: Handle::current(),
            waits_for_moves: AtomicBool::new(false),
        });
        let watch = tokio::spawn(keep_current(Arc::downgrade(&shared)));
        let watch = AbortOnDropHandle::new(watch);
        Self { shared, watch }
    }

    /// Sends one command to the node that serves its key, and waits for the reply.
    pub(super) async fn send(&self, command: Command) -> Result<Value, FredError> {
        self.shared.send(command).await
    }

    /// Sends several commands at once. Those for the same node keep their order.
    pub(super) async fn send_all(&self, commands: Vec<Command>) -> Vec<Result<Value, FredError>> {
        self.shared.send_all(commands).await
    }

    /// Fails with a cause if no node is known to answer.
    pub(super) fn check_open(&self) -> Result<(), FredError> {
        let mut failure = Err(no_node());
        for node in self.shared.topology.read().nodes() {
            match node.link().check_open() {
                Ok(()) => return Ok(()),
                Err(cause) => failure = Err(cause),
            }
        }
        failure
    }

    /// From now on, commands do not wait for a connection that is lost.
    pub(super) fn give_up(&self) {
        self.shared.settings.gives_up.cancel();
    }

    /// From now on, a command waits for a while if its hash slot is moving and some of its keys have not moved yet.
    pub(super) fn wait_for_moves(&self) {
        self.shared.waits_for_moves.store(true, Ordering::Relaxed);
    }

    /// The address of the node that serves a key.
    pub(super) fn node_of(&self, key: &str) -> Option<String> {
        let slot = redis_keyslot(key.as_bytes());
        let master = self.shared.topology.read().master(slot)?;
        Some(master.host().to_string())
    }

    /// Changes when another node may serve a key.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// The map of hash slots is outdated.
    pub(super) fn node_has_changed(&self) {
        self.shared.is_outdated.notify_one();
    }

    /// A separate connection for client tracking, to the node that serves a key.
    pub(super) async fn dedicated(&self, key: &str) -> Result<Owned<FredClient>> {
        let node = self.shared.master(redis_keyslot(key.as_bytes()));
        let node = node.map_err(|error| map_redis_error(error, "track keys"))?;
        node.dedicated().await
    }

    /// A separate connection for pub/sub, to a node that answers.
    pub(super) async fn subscriber(&self) -> Result<Owned<SubscriberClient>> {
        let mut failure = map_redis_error(no_node(), "subscribe");
        for node in self.shared.open_first() {
            match node.subscriber().await {
                Ok(subscriber) => return Ok(subscriber),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Closes the connections of all nodes. From then on, none is opened.
    pub(super) async fn close(&self) {
        self.watch.abort();
        let nodes = self.shared.topology.write().close();
        join_all(nodes.iter().map(|node| node.link().close())).await;
    }
}

impl ClusterState {
    async fn send(&self, command: Command) -> Result<Value, FredError> {
        let Some(slot) = command.hash_slot() else {
            return self.send_to_any(command).await;
        };
        let node = self.master(slot)?;
        let reply = node.send(command.clone()).await;
        self.follow(command, node, reply).await
    }

    async fn send_all(&self, commands: Vec<Command>) -> Vec<Result<Value, FredError>> {
        let mut replies: Vec<_> = commands.iter().map(|_| Err(no_node())).collect();
        let mut parts: Vec<NodePart> = Vec::new();
        for (index, command) in commands.into_iter().enumerate() {
            let node = match command.hash_slot() {
                Some(slot) => self.master(slot),
                None => self.open_first().into_iter().next().ok_or_else(no_node),
            };
            let node = match node {
                Ok(node) => node,
                Err(error) => {
                    replies[index] = Err(error);
                    continue;
                }
            };
            let part = parts.iter_mut().find(|part| Arc::ptr_eq(&part.node, &node));
            match part {
                Some(part) => part.commands.push((index, command)),
                None => parts.push(NodePart {
                    node,
                    commands: vec![(index, command)],
                }),
            }
        }
        let sent = join_all(parts.into_iter().map(|part| self.send_part(part))).await;
        for (index, reply) in sent.into_iter().flatten() {
            replies[index] = reply;
        }
        replies
    }

    async fn send_part(&self, part: NodePart) -> Vec<(usize, Result<Value, FredError>)> {
        let NodePart { node, commands } = part;
        let sent = commands.iter().map(|(_, command)| command.clone());
        let replies = node.send_all(sent.collect()).await;
        let followed = commands
            .into_iter()
            .zip(replies)
            .map(|((index, command), reply)| {
                let node = Arc::clone(&node);
                async move { (index, self.follow(command, node, reply).await) }
            });
        join_all(followed).await
    }

    /// Follows the redirections of a command: `node` has sent this reply. A command that was redirected has not
    /// run, so it is safe to send it again.
    async fn follow(
        &self,
        command: Command,
        mut node: Arc<Node>,
        mut reply: Result<Value, FredError>,
    ) -> Result<Value, FredError> {
        let mut pauses = MOVING_PAUSES.into_iter();
        let mut redirections = 0;
        while redirections < MAX_REDIRECTIONS {
            let Err(error) = &reply else {
                return reply;
            };
            redirections += 1;
            let again = match HashSlotRefusal::parse(error.details(), node.host()) {
                Some(HashSlotRefusal::Moved { slot, to }) => {
                    node = self.redirected(to, &node)?;
                    self.topology
                        .write()
                        .set_master(slot, Some(Arc::clone(&node)));
                    self.is_outdated.notify_one();
                    command.clone()
                }
                Some(HashSlotRefusal::Ask { to }) => {
                    node = self.redirected(to, &node)?;
                    command.clone().after_asking()
                }
                Some(HashSlotRefusal::Moving) => {
                    let Some(pause) = pauses.next() else {
                        return reply;
                    };
                    if !self.waits_for_moves.load(Ordering::Relaxed) {
                        return reply;
                    }
                    tokio::select! {
                        () = sleep(Duration::from_millis(pause)) => {}
                        () = self.settings.gives_up.cancelled() => return reply,
                    }
                    if let Some(slot) = command.hash_slot() {
                        node = self.master(slot)?;
                    }
                    redirections = 0;
                    command.clone()
                }
                Some(HashSlotRefusal::NotServed) => {
                    if let Some(slot) = command.hash_slot() {
                        self.topology.write().set_master(slot, None);
                    }
                    self.is_outdated.notify_one();
                    return reply;
                }
                None => {
                    if is_lost_connection(error) || error.details().starts_with("CLUSTERDOWN") {
                        self.is_outdated.notify_one();
                    }
                    return reply;
                }
            };
            reply = node.send(again).await;
        }
        match reply {
            // The nodes do not agree. The caller may try again, as after any other temporary error.
            Err(error) if HashSlotRefusal::parse(error.details(), node.host()).is_some() => {
                let text = format!("TRYAGAIN too many redirections: {}", error.details());
                Err(FredError::new(FredKind::Cluster, text))
            }
            reply => reply,
        }
    }

    /// Sends a command that any node can run. If a connection fails, the next node is tried: such commands do
    /// no harm if they run twice.
    async fn send_to_any(&self, command: Command) -> Result<Value, FredError> {
        let mut reply = Err(no_node());
        for node in self.open_first() {
            reply = node.send(command.clone()).await;
            match &reply {
                Err(error) if is_lost_connection(error) => self.is_outdated.notify_one(),
                _ => return reply,
            }
        }
        reply
    }

    /// All nodes: first those that answer, as far as is known. The order among them stays.
    fn open_first(&self) -> Vec<Arc<Node>> {
        let mut nodes = self.nodes();
        // A connection may be lost meanwhile: each node is looked at once.
        nodes.sort_by_cached_key(|node| !node.is_open());
        nodes
    }

    /// The node that serves a hash slot.
    fn master(&self, slot: u16) -> Result<Arc<Node>, FredError> {
        let master = self.topology.read().master(slot);
        master.ok_or_else(|| {
            self.is_outdated.notify_one();
            no_node()
        })
    }

    /// The node that a redirection of `from` names.
    fn redirected(&self, to: Host, from: &Node) -> Result<Arc<Node>, FredError> {
        let _runtime = self.runtime.enter();
        let node = self.topology.write().redirected(to, from, &self.settings);
        node.ok_or_else(|| FredError::new(FredKind::Canceled, "the connection was closed"))
    }

    /// Reads the map from a node that answers, otherwise from one of the settings.
    async fn read_map(&self) -> Result<(), FredError> {
        let mut nodes = self.nodes();
        let looks = join_all(nodes.iter().map(|node| node.look()));
        // A look without a reply is repeated.
        let _ = timeout(MAP_TIMEOUT, looks).await;
        nodes.retain(|node| node.is_open());
        for nodes in nodes.chunks(ASKED_AT_ONCE) {
            if let Ok(Ok(())) = timeout(MAP_TIMEOUT, self.read_map_from(nodes.to_vec())).await {
                return Ok(());
            }
        }
        self.read_map_from_seeds().await
    }

    async fn read_map_from_seeds(&self) -> Result<(), FredError> {
        let seeds = self.settings.config.server.hosts();
        let seeds = seeds
            .into_iter()
            .map(|seed| Arc::new(Node::seed(&seed, &self.settings)))
            .collect();
        self.read_map_from(seeds).await
    }

    /// Asks all these nodes. The first map counts.
    async fn read_map_from(&self, nodes: Vec<Arc<Node>>) -> Result<(), FredError> {
        let asked = nodes.into_iter().map(|node| {
            Box::pin(async move {
                let map = hash_slot_map(&node).await?;
                Ok::<_, FredError>((map, node))
            })
        });
        let ((map, from), _) = select_ok(asked).await?;
        self.set_map(map, &from);
        Ok(())
    }

    fn set_map(&self, map: Vec<HashSlotRange<Host>>, from: &Arc<Node>) {
        let has_changed = self.topology.write().set_ranges(map, from, &self.settings);
        if has_changed {
            self.changes.send_modify(|changes| *changes += 1);
        }
    }

    fn nodes(&self) -> Vec<Arc<Node>> {
        self.topology.read().nodes().to_vec()
    }
}

/// The map of hash slots that a node tells.
async fn hash_slot_map(node: &Node) -> Result<Vec<HashSlotRange<Host>>, FredError> {
    let slots = Command::without_key("CLUSTER", ["SLOTS".into()]);
    hash_slot_ranges::parse(node.send(slots).await?, node.host())
}

/// Reads the map again when it is outdated, and at intervals: soon while the cluster is not complete. The pauses
/// grow while this goes on, so that hash slots that move cause no storm of questions.
async fn keep_current(cluster: Weak<ClusterState>) {
    let mut pause = FIRST_PAUSE;
    let mut read_at = clock::monotonic();
    while let Some(state) = cluster.upgrade() {
        let looked = timeout(LOOK_INTERVAL, state.is_outdated.notified()).await;
        if looked.is_err() && state.topology.read().is_complete() {
            pause = FIRST_PAUSE;
            if clock::monotonic() - read_at < READ_INTERVAL {
                continue;
            }
        }
        if let Err(error) = state.read_map().await {
            tracing::debug!(%error, "no node tells which node serves which hash slots");
        }
        read_at = clock::monotonic();
        drop(state);
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn no_node() -> FredError {
    let text = "CLUSTERDOWN no node of the cluster serves the hash slot";
    FredError::new(FredKind::Cluster, text)
}
