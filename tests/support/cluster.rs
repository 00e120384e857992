//! A private Redis Cluster for one test: three masters without replicas.

use fred::clients::Client;
use fred::interfaces::ClientLike;
use fred::types::{ClusterHash, CustomCommand, Value};

use super::RedisServer;
use super::wait::{DEADLINE, eventually};

/// How many slots a cluster has.
const SLOTS: u16 = 16_384;

/// Three nodes that cover all slots. Dropping the value ends them.
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts the nodes, joins them, and waits until each reports that the cluster is complete.
    pub async fn start() -> Self {
        let mut nodes = Vec::new();
        for _ in 0..3 {
            nodes.push(RedisServer::builder().cluster().start().await);
        }
        let mut clients = Vec::new();
        for node in &nodes {
            clients.push(node.client().await);
        }
        let share = SLOTS / 3;
        for (index, client) in (0_u16..).zip(&clients) {
            let first = index * share;
            let end = if index == 2 { SLOTS } else { first + share };
            let mut args = vec!["ADDSLOTS".to_owned()];
            // Redis 6.2 does not have ADDSLOTSRANGE
            args.extend((first..end).map(|slot| slot.to_string()));
            cluster_command(client, args).await;
            let epoch = (index + 1).to_string();
            cluster_command(client, vec!["SET-CONFIG-EPOCH".to_owned(), epoch]).await;
        }
        for node in &nodes[1..] {
            let port = node.port().to_string();
            let meet = vec!["MEET".to_owned(), "127.0.0.1".to_owned(), port];
            cluster_command(&clients[0], meet).await;
        }
        for client in &clients {
            eventually("the cluster is complete", DEADLINE, || async {
                let info = cluster_command(client, vec!["INFO".to_owned()]).await;
                let info = info.as_string().unwrap_or_default();
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
            })
            .await;
        }
        for client in clients {
            client.quit().await.unwrap();
        }
        Self { nodes }
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
}

async fn cluster_command(client: &Client, args: Vec<String>) -> Value {
    let command = CustomCommand::new_static("CLUSTER", ClusterHash::FirstKey, false);
    client.custom(command, args).await.unwrap()
}
