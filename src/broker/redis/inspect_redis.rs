//! Reading what Redis says of itself.

use super::Broker;
use super::script::word;
use crate::connection::Command;
use crate::error::Result;

impl Broker {
    /// The reply to `INFO`.
    pub(crate) async fn redis_info(&self) -> Result<String> {
        let info = Command::without_key("INFO", []);
        self.send(info, "read what Redis says of itself").await
    }

    /// The reply to `CLUSTER INFO`.
    pub(crate) async fn cluster_info(&self) -> Result<String> {
        let info = Command::without_key("CLUSTER", [word("INFO")]);
        self.send(info, "read the state of the cluster").await
    }
}
