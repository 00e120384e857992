//! Which queues there are and have tasks; listing and pausing a queue.

use bytes::Bytes;
use fred::types::Value;

use super::script::{number, word};
use super::{Broker, reply};
use crate::connection::{Command, has_wrong_type};
use crate::error::Result;
use crate::wire::{QueueKeys, keys};

const LIST: &str = "list queues";

impl Broker {
    /// The names of all queues. What is not UTF-8 in a name is replaced.
    pub(crate) async fn queues(&self) -> Result<Vec<String>> {
        let members = Command::on_key("SMEMBERS", [word(keys::QUEUES)]);
        let members: Vec<Value> = self.send(members, LIST).await?;
        let name = |member| reply::text(member, LIST).map(|name| name.to_string());
        members.into_iter().map(name).collect()
    }

    /// Whether `asynq:queues` contains this queue.
    pub(crate) async fn queue_exists(&self, queue: &str) -> Result<bool> {
        let is_member = Command::on_key("SISMEMBER", [word(keys::QUEUES), queue.into()]);
        self.send(is_member, "look up a queue").await
    }

    /// Whether a queue has tasks.
    pub(crate) async fn has_tasks(&self, queue: &QueueKeys) -> Result<bool> {
        let places = queue.task_places().map(Value::from);
        let exists = Command::on_key("EXISTS", places);
        let exists: i64 = self.send(exists, "look for the tasks of a queue").await?;
        Ok(exists > 0)
    }

    /// Lists a queue. Returns whether it was not listed.
    pub(crate) async fn list_queue(&self, queue: &str) -> Result<bool> {
        let add = Command::on_key("SADD", [word(keys::QUEUES), queue.into()]);
        let added: i64 = self.send(add, "list a queue").await?;
        Ok(added == 1)
    }

    /// Pauses a queue. Returns false if it was paused already.
    pub(crate) async fn pause(&self, queue: &QueueKeys, now_unix_secs: i64) -> Result<bool> {
        let args = [queue.paused().into(), number(now_unix_secs), word("NX")];
        let set: Option<String> = self
            .send(Command::on_key("SET", args), "pause a queue")
            .await?;
        Ok(set.is_some())
    }

    /// Since when a queue is paused (unix s); 0 if the key does not say it. `None`: it is not paused.
    pub(crate) async fn paused_since_secs(&self, queue: &QueueKeys) -> Result<Option<i64>> {
        let read = Command::on_key("GET", [queue.paused().into()]);
        match self
            .send::<Option<Bytes>>(read, "read the pause of a queue")
            .await
        {
            Err(error) if has_wrong_type(&error) => Ok(Some(0)),
            since => Ok(since?.map(|text| unix_secs(&text).unwrap_or(0))),
        }
    }

    /// Resumes a queue. Returns false if it was not paused.
    pub(crate) async fn unpause(&self, queue: &QueueKeys) -> Result<bool> {
        let remove = Command::on_key("DEL", [queue.paused().into()]);
        let removed: i64 = self.send(remove, "unpause a queue").await?;
        Ok(removed == 1)
    }
}

fn unix_secs(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
