//! The result of a running task, and the message that cancels it.

use bytes::Bytes;
use fred::types::{Key, Value};

use super::script::WRITE_RESULT;
use super::{Broker, reply};
use crate::error::Result;
use crate::wire::QueueKeys;

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
}
