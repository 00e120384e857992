//! Where a queue lies in a Redis Cluster.

use super::Inspector;
use crate::error::Result;

/// A node of a Redis Cluster. asynq: `ClusterNode`.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterNode {
    /// The id of the node in the cluster.
    pub id: String,
    /// `host:port`, as the node announces it.
    pub address: String,
}

impl Inspector {
    /// The hash slot of a queue: all its keys are in it. asynq: `ClusterKeySlot`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the name is blank or Redis is not a cluster, and the errors of
    /// [`queues`](Self::queues).
    ///
    /// # Cancel safety
    /// It only reads; the future may be dropped at any time.
    pub async fn cluster_key_slot(&self, queue: &str) -> Result<u16> {
        let keys = self.queue_keys(queue)?;
        self.broker.cluster_key_slot(&keys).await
    }

    /// The nodes of the cluster that have a queue: first its master, then the replicas. asynq: `ClusterNodes`.
    ///
    /// # Errors
    /// Those of [`cluster_key_slot`](Self::cluster_key_slot).
    ///
    /// # Cancel safety
    /// It only reads; the future may be dropped at any time.
    pub async fn cluster_nodes(&self, queue: &str) -> Result<Vec<ClusterNode>> {
        let keys = self.queue_keys(queue)?;
        let nodes = self.broker.cluster_nodes(&keys).await?.into_iter();
        let nodes = nodes.map(|node| ClusterNode {
            id: node.id,
            address: node.address,
        });
        Ok(nodes.collect())
    }
}
