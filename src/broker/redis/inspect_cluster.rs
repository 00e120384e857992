//! Where a queue lies in a cluster: its hash slot, and the nodes that have it.

use fred::types::Value;

use super::script::word;
use super::{Broker, reply};
use crate::broker::StoredNode;
use crate::connection::Command;
use crate::error::{Error, ErrorKind, Result};
use crate::wire::QueueKeys;

impl Broker {
    /// The hash slot of a queue. asynq: `ClusterKeySlot`.
    pub(crate) async fn cluster_key_slot(&self, queue: &QueueKeys) -> Result<u16> {
        let args = [word("KEYSLOT"), queue.pending().into()];
        let slot = Command::without_key("CLUSTER", args);
        self.send(slot, "read the hash slot of a queue")
            .await
            .map_err(no_cluster)
    }

    /// The nodes that have a queue, first its master. asynq: `ClusterNodes`.
    pub(crate) async fn cluster_nodes(&self, queue: &QueueKeys) -> Result<Vec<StoredNode>> {
        const WHAT: &str = "read the nodes of a cluster";
        let slot = i64::from(self.cluster_key_slot(queue).await?);
        let ranges: Vec<Value> = self
            .send(Command::without_key("CLUSTER", [word("SLOTS")]), WHAT)
            .await
            .map_err(no_cluster)?;
        for range in ranges {
            let mut parts = reply::array(range, WHAT)?.into_iter();
            let (first, last) = (parts.next(), parts.next());
            let first = first.and_then(|slot| slot.as_i64());
            let last = last.and_then(|slot| slot.as_i64());
            if first.is_some_and(|first| first <= slot) && last.is_some_and(|last| slot <= last) {
                return parts.map(|part| node(reply::array(part, WHAT)?)).collect();
            }
        }
        let text = format!("no node of the cluster serves queue {:?}", queue.queue());
        Err(Error::new(ErrorKind::Unavailable, text))
    }
}

fn node(parts: Vec<Value>) -> Result<StoredNode> {
    let mut parts = parts.into_iter();
    let (host, port, id) = (parts.next(), parts.next(), parts.next());
    let host = host.and_then(Value::into_string).unwrap_or_default();
    let port = port.and_then(|port| port.as_i64()).unwrap_or_default();
    Ok(StoredNode {
        id: id.and_then(Value::into_string).unwrap_or_default(),
        address: match host.contains(':') {
            true => format!("[{host}]:{port}"),
            false => format!("{host}:{port}"),
        },
    })
}

fn no_cluster(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Redis => Error::invalid("this Redis is not a cluster").with_source(error),
        _ => error,
    }
}
