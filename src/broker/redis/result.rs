//! The result of a running task, and the message that cancels it.

use bytes::Bytes;
use fred::types::{Key, Value};

use super::script::{WRITE_RESULT, word};
use super::{Broker, reply};
use crate::connection::Command;
use crate::error::Result;
use crate::wire::{QueueKeys, keys};

impl Broker {
    /// Writes the result of a running task. Returns false, and writes nothing, if the task no longer belongs
    /// to the fetch with this owner token.
    pub(crate) async fn write_result(
        &self,
        queue: &QueueKeys,
        id: &str,
        owner: &str,
        result: Bytes,
    ) -> Result<bool> {
        let build = || {
            let keys = vec![Key::from(queue.task(id)), Key::from(queue.lease())];
            let args: Vec<Value> = vec![id.into(), owner.into(), result.clone().into()];
            (keys, args)
        };
        let reply = WRITE_RESULT.call(self, build).await?;
        Ok(reply::integer(&reply, WRITE_RESULT.name)? == 1)
    }

    /// Asks all servers to end the run of this task.
    pub(crate) async fn publish_cancellation(&self, id: &str) -> Result<()> {
        let publish = Command::without_key("PUBLISH", [word(keys::CANCEL_CHANNEL), id.into()]);
        self.send(publish, "publish a cancellation").await
    }
}
