//! A private Redis Cluster for one test: three masters, without replicas unless a test adds one.

use fred::clients::Client;
use fred::error::Error as FredError;
use fred::interfaces::ClientLike;
use fred::types::{ClusterHash, CustomCommand, Value};
use fred::util::redis_keyslot;

use super::wait::{DEADLINE, eventually};
use super::{RedisServer, RedisServerBuilder};

/// How many slots a cluster has.
const SLOTS: u16 = 16_384;
/// How many masters a cluster begins with.
const MASTERS: u16 = 3;

/// Three nodes that cover all slots. Dropping the value ends them.
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts the nodes, joins them, and waits until each reports that the cluster is complete.
    pub async fn start() -> Self {
        Self::start_with(RedisServer::builder()).await
    }

    /// The same, but the nodes serve their slots while another node is dead.
    pub async fn start_without_full_coverage() -> Self {
        let nodes = RedisServer::builder().config("cluster-require-full-coverage", "no");
        Self::start_with(nodes).await
    }

    /// The same with these settings for each node.
    pub async fn start_with(node: RedisServerBuilder) -> Self {
        let mut nodes = Vec::new();
        for _ in 0..MASTERS {
            nodes.push(node.clone().cluster().start().await);
        }
        let cluster = Self { nodes };
        for index in 0..MASTERS {
            let share = SLOTS / MASTERS;
            let first = index * share;
            let end = if index == MASTERS - 1 {
                SLOTS
            } else {
                first + share
            };
            let mut args = vec!["ADDSLOTS".to_owned()];
            // Redis 6.2 does not have ADDSLOTSRANGE
            args.extend((first..end).map(|slot| slot.to_string()));
            let node = usize::from(index);
            cluster.ask(node, args).await;
            let epoch = (index + 1).to_string();
            let epoch = vec!["SET-CONFIG-EPOCH".to_owned(), epoch];
            cluster.ask(node, epoch).await;
        }
        for node in 1..cluster.nodes.len() {
            cluster.meet(node).await;
        }
        cluster.is_complete().await;
        cluster
    }

    /// The nodes.
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// The nodes, to stop and start them.
    pub fn nodes_mut(&mut self) -> &mut [RedisServer] {
        &mut self.nodes
    }

    /// The host and port of each node.
    pub fn addresses(&self) -> Vec<(String, u16)> {
        self.nodes
            .iter()
            .map(|node| ("127.0.0.1".to_owned(), node.port()))
            .collect()
    }

    /// The node that a key is on at the start.
    pub fn first_node_of(key: &str) -> usize {
        let share = SLOTS / MASTERS;
        usize::from((redis_keyslot(key.as_bytes()) / share).min(MASTERS - 1))
    }

    /// A queue whose keys are on this node at the start: the n-th of those that begin with `q`.
    pub fn queue_on(node: usize, n: usize) -> String {
        (0..)
            .map(|n| format!("q{n}"))
            .filter(|queue| Self::first_node_of(&format!("{{{queue}}}")) == node)
            .nth(n)
            .unwrap()
    }

    /// The slot of a queue.
    pub fn slot_of(queue: &str) -> u16 {
        redis_keyslot(queue.as_bytes())
    }

    /// Waits until each node reports that the cluster is complete, with all nodes known and all slots served.
    pub async fn is_complete(&self) {
        let known = format!("cluster_known_nodes:{}\r\n", self.nodes.len());
        // A node that needs no full coverage says `ok` before it knows the slots of the others.
        let served = format!("cluster_slots_ok:{SLOTS}\r\n");
        for node in 0..self.nodes.len() {
            eventually("the cluster is complete", DEADLINE, || async {
                let info = self.ask(node, vec!["INFO".to_owned()]).await;
                let info = info.as_string().unwrap_or_default();
                let complete = ["cluster_state:ok\r\n", &known, &served];
                complete.iter().all(|line| info.contains(line))
            })
            .await;
        }
    }

    /// Adds a master without slots. Returns its index.
    pub async fn add_master(&mut self) -> usize {
        let master = self.nodes.len();
        let node = RedisServer::builder().config("cluster-require-full-coverage", "no");
        self.nodes.push(node.cluster().start().await);
        self.meet(master).await;
        self.is_complete().await;
        master
    }

    /// Adds a replica of a master, and waits until it has the master's data. Returns its index.
    pub async fn add_replica(&mut self, of: usize) -> usize {
        let replica = self.add_master().await;
        let master = self.id(of).await;
        eventually("the node is a replica", DEADLINE, || async {
            let args = vec!["REPLICATE".to_owned(), master.clone()];
            self.try_ask(replica, args).await.is_ok()
        })
        .await;
        let client = self.nodes[replica].client().await;
        eventually("the replica has the data", DEADLINE, || async {
            let info = CustomCommand::new_static("INFO", ClusterHash::FirstKey, false);
            let info: String = client.custom(info, vec!["replication"]).await.unwrap();
            info.contains("master_link_status:up")
        })
        .await;
        client.quit().await.unwrap();
        replica
    }

    /// The first half of moving a slot: `from` sends commands for absent keys to `to`.
    pub async fn begin_to_move(&self, slot: u16, from: usize, to: usize) {
        let set = |words: [&str; 3]| words.map(str::to_owned).to_vec();
        let slot = slot.to_string();
        let mut importing = set(["SETSLOT", &slot, "IMPORTING"]);
        importing.push(self.id(from).await);
        self.ask(to, importing).await;
        let mut migrating = set(["SETSLOT", &slot, "MIGRATING"]);
        migrating.push(self.id(to).await);
        self.ask(from, migrating).await;
    }

    /// Moves the keys of a slot.
    pub async fn move_keys(&self, slot: u16, from: usize, to: usize) {
        let client = self.nodes[from].client().await;
        let port = self.nodes[to].port().to_string();
        loop {
            let keys = ["GETKEYSINSLOT", &slot.to_string(), "100"].map(str::to_owned);
            let keys = self.ask(from, keys.to_vec()).await.into_array();
            if keys.is_empty() {
                break;
            }
            migrate(&client, &port, keys).await;
        }
        client.quit().await.unwrap();
    }

    /// Moves one key.
    pub async fn move_key(&self, key: &str, from: usize, to: usize) {
        let client = self.nodes[from].client().await;
        let port = self.nodes[to].port().to_string();
        migrate(&client, &port, vec![key.into()]).await;
        client.quit().await.unwrap();
    }

    /// The second half of moving a slot: all nodes know the new master.
    pub async fn end_to_move(&self, slot: u16, to: usize) {
        let id = self.id(to).await;
        // The new master first: otherwise nobody would serve the slot for a moment.
        let others = (0..self.nodes.len()).filter(|node| *node != to);
        for node in [to].into_iter().chain(others) {
            let args = ["SETSLOT", &slot.to_string(), "NODE", &id].map(str::to_owned);
            self.ask(node, args.to_vec()).await;
        }
    }

    /// Moves a slot with its keys.
    pub async fn move_slot(&self, slot: u16, from: usize, to: usize) {
        self.begin_to_move(slot, from, to).await;
        self.move_keys(slot, from, to).await;
        self.end_to_move(slot, to).await;
    }

    async fn id(&self, node: usize) -> String {
        let id = self.ask(node, vec!["MYID".to_owned()]).await;
        id.as_string().unwrap()
    }

    async fn meet(&self, node: usize) {
        let port = self.nodes[node].port().to_string();
        let meet = vec!["MEET".to_owned(), "127.0.0.1".to_owned(), port];
        self.ask(0, meet).await;
    }

    /// Runs `CLUSTER` with these arguments on a node.
    pub async fn ask(&self, node: usize, args: Vec<String>) -> Value {
        self.try_ask(node, args).await.unwrap()
    }

    async fn try_ask(&self, node: usize, args: Vec<String>) -> Result<Value, FredError> {
        let client = self.nodes[node].client().await;
        let reply = cluster_command(&client, args).await;
        client.quit().await.unwrap();
        reply
    }
}

/// Moves keys to the node at this port.
async fn migrate(from: &Client, port: &str, keys: Vec<Value>) {
    let args = ["127.0.0.1", port, "", "0", "5000", "KEYS"].map(Value::from);
    let args: Vec<Value> = args.into_iter().chain(keys).collect();
    let migrate = CustomCommand::new_static("MIGRATE", ClusterHash::FirstKey, false);
    let _: Value = from.custom(migrate, args).await.unwrap();
}

async fn cluster_command(client: &Client, args: Vec<String>) -> Result<Value, FredError> {
    let command = CustomCommand::new_static("CLUSTER", ClusterHash::FirstKey, false);
    client.custom(command, args).await
}
