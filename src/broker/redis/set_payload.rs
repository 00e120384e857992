//! Replacing the payload of a scheduled task.

use fred::types::{Key, Value};

use super::script::SET_PAYLOAD;
use super::{Broker, reply};
use crate::broker::{NewPayload, PayloadChanged};
use crate::error::Result;
use crate::wire::QueueKeys;

impl Broker {
    /// Replaces the message of a scheduled task in one step, and moves the lock that it holds.
    pub(crate) async fn set_payload(
        &self,
        queue: &QueueKeys,
        id: &str,
        new: &NewPayload,
    ) -> Result<PayloadChanged> {
        let read = sha1_smol::Sha1::from(&new.read).digest().to_string();
        let build = || {
            let keys = vec![Key::from(queue.task(id)), Key::from(new.new_lock.as_str())];
            let args: Vec<Value> = vec![
                id.into(),
                read.as_str().into(),
                new.message.clone().into(),
                new.old_lock.as_str().into(),
            ];
            (keys, args)
        };
        let name = SET_PAYLOAD.name;
        Ok(match SET_PAYLOAD.call(self, build).await? {
            Value::Integer(1) => PayloadChanged::Yes,
            Value::Integer(0) => PayloadChanged::Missing,
            Value::Integer(2) => PayloadChanged::Meanwhile,
            Value::Array(holder) => {
                let holder = holder.into_iter().next().unwrap_or(Value::Null);
                PayloadChanged::Duplicate(reply::text(holder, name)?)
            }
            state => PayloadChanged::Other(reply::text(state, name)?),
        })
    }
}
