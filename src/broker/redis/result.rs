//! The result of a running task, and the message that cancels it.

use bytes::Bytes;
use fred::interfaces::PubsubInterface;
use fred::types::{Key, Value};

use super::script::WRITE_RESULT;
use super::{Broker, reply};
use crate::connection::map_redis_error;
use crate::error::Result;
use crate::wire::{QueueKeys, keys};

impl Broker {
    /// Writes the result of a running task. Returns false, and writes nothing, if the task is not active
    /// or has another owner token.
    pub(crate) async fn write_result(
        &self,
        queue: &QueueKeys,
        id: &str,
        owner: &str,
        result: Bytes,
    ) -> Result<bool> {
        let build = || {
            let keys = vec![Key::from(queue.task(id))];
            let args: Vec<Value> = vec![owner.into(), result.clone().into()];
            (keys, args)
        };
        let reply = WRITE_RESULT.call(self.client()?, build).await?;
        Ok(reply::integer(&reply, WRITE_RESULT.name)? == 1)
    }

    /// Asks all servers to end the run of this task.
    pub(crate) async fn publish_cancellation(&self, id: &str) -> Result<()> {
        self.client()?
            .publish(keys::CANCEL_CHANNEL, id)
            .await
            .map_err(|error| map_redis_error(error, "publish a cancellation"))
    }
}
