//! What Redis says of itself.

use std::time::Duration;

use super::Inspector;
use crate::error::Result;

/// What Redis says of itself. asynq: the `redis` of `asynq stats`.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedisInfo {
    /// The version; that of Redis with which it is compatible, if it is Valkey.
    pub version: String,
    /// How long it has been running, in whole seconds.
    pub uptime: Duration,
    /// How many clients are connected.
    pub connected_clients: u64,
    /// How many bytes it uses.
    pub used_memory: u64,
    /// How many bytes it has used at most.
    pub used_memory_peak: u64,
    /// The cluster, if it is one. The other figures are those of one of its nodes.
    pub cluster: Option<ClusterInfo>,
}

/// What a node says of its Redis Cluster.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterInfo {
    /// `ok`, or `fail` if it does not serve all hash slots.
    pub state: String,
    /// How many nodes the node knows, with replicas.
    pub known_nodes: u64,
    /// How many masters serve hash slots.
    pub size: u64,
}

impl Inspector {
    /// What Redis says of itself: version, memory, clients, and the state of the cluster. What it does not say is 0 or
    /// empty.
    ///
    /// # Errors
    /// The errors of [`queues`](Self::queues).
    ///
    /// # Cancel safety
    /// It only reads; the future may be dropped at any time.
    pub async fn redis_info(&self) -> Result<RedisInfo> {
        let text = self.broker.redis_info().await?;
        let cluster = match self.broker.is_cluster() {
            true => Some(cluster_info(&self.broker.cluster_info().await?)),
            false => None,
        };
        Ok(RedisInfo {
            version: value(&text, "redis_version").to_owned(),
            uptime: Duration::from_secs(number(&text, "uptime_in_seconds")),
            connected_clients: number(&text, "connected_clients"),
            used_memory: number(&text, "used_memory"),
            used_memory_peak: number(&text, "used_memory_peak"),
            cluster,
        })
    }
}

fn cluster_info(text: &str) -> ClusterInfo {
    ClusterInfo {
        state: value(text, "cluster_state").to_owned(),
        known_nodes: number(text, "cluster_known_nodes"),
        size: number(text, "cluster_size"),
    }
}

/// The value on the line `name:value`.
fn value<'t>(text: &'t str, name: &str) -> &'t str {
    let mut pairs = text.lines().filter_map(|line| line.trim().split_once(':'));
    pairs
        .find(|(found, _)| *found == name)
        .map_or("", |(_, value)| value)
}

fn number(text: &str, name: &str) -> u64 {
    value(text, name).parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_info_are_read() {
        let text = "# Server\r\nredis_version:7.2.4\r\nused_memory:10\r\nused_memory_peak:x\r\n";
        assert_eq!(value(text, "redis_version"), "7.2.4");
        assert_eq!(number(text, "used_memory"), 10);
        assert_eq!(number(text, "used_memory_peak"), 0);
        assert_eq!(value(text, "nothing"), "");
    }
}
