//! Reading what servers show of themselves and of their runs.

use bytes::Bytes;
use fred::types::Value;

use super::script::{number, word};
use super::{Broker, reply};
use crate::connection::Command;
use crate::error::{ErrorKind, Result};
use crate::wire::{self, QueueKeys, keys};

/// How many keys one round trip reads.
const KEYS_AT_ONCE: usize = 100;
const LIST: &str = "list servers";

impl Broker {
    /// What all servers that are alive show (`ServerInfo`). Removes those that are over from the list of servers. asynq:
    /// `ListServers`.
    pub(crate) async fn server_entries(&self) -> Result<Vec<Bytes>> {
        let servers = self.keep_live_members(keys::SERVERS).await?;
        let entries = self.of_each("GET", &servers, &[]).await?;
        Ok(entries.into_iter().filter_map(Value::into_bytes).collect())
    }

    /// The runs of all servers that are alive (`WorkerInfo`). Removes those that are over from the list of workers.
    /// asynq: `ListWorkers`.
    pub(crate) async fn worker_entries(&self) -> Result<Vec<Bytes>> {
        let servers = self.keep_live_members(keys::WORKERS).await?;
        let entries = self.of_each("HVALS", &servers, &[]).await?;
        let entries = entries.into_iter().filter_map(|values| match values {
            Value::Array(values) => Some(values),
            _ => None,
        });
        Ok(entries.flatten().filter_map(Value::into_bytes).collect())
    }

    /// The id of the server that runs an active task. `owner`: the name of the owner that holds its lease, if that is a
    /// server of ours. Otherwise it is the server that shows a run of the task. `None`: no server that is alive does.
    pub(crate) async fn server_of_run(
        &self,
        queue: &QueueKeys,
        task_id: &str,
        owner: Option<&str>,
    ) -> Result<Option<String>> {
        let servers = self.live_members(keys::WORKERS).await?;
        let id = |key: &String| keys::server_of_workers(key).map(str::to_owned);
        if let Some(owner) = owner {
            let mut ids = servers.iter().filter_map(id);
            return Ok(ids.find(|id| keys::owner_name(id) == owner));
        }
        let shown = self.of_each("HGET", &servers, &[task_id.into()]).await?;
        // A server may run the task of another queue that has the same id.
        let is_of_queue = |entry: Value| {
            let run = entry.into_bytes().map(wire::decode_worker_info);
            run.is_some_and(|run| run.is_ok_and(|run| run.queue == queue.queue()))
        };
        let mut runs = servers.iter().zip(shown);
        let run = runs.find_map(|(key, entry)| is_of_queue(entry).then_some(key));
        Ok(run.and_then(id))
    }

    /// The members of a global set that are not over.
    async fn live_members(&self, set: &'static str) -> Result<Vec<String>> {
        let now = self.redis_time_unix_secs().await?;
        let live = self.send::<Value>(live(set, now), LIST).await?;
        members(live, LIST)
    }

    /// The same. The others are removed.
    async fn keep_live_members(&self, set: &'static str) -> Result<Vec<String>> {
        let now = self.redis_time_unix_secs().await?;
        let over = [word(set), word("-inf"), number(now - 1)];
        let over = Command::on_key("ZREMRANGEBYSCORE", over);
        let commands = vec![over, live(set, now)];
        let mut replies = self.send_all::<Value>(commands, LIST).await?;
        members(replies.pop().unwrap_or(Value::Null), LIST)
    }

    /// The replies to a command on each of these keys. Null in place of an error: others are listed all the same.
    async fn of_each(
        &self,
        command: &'static str,
        keys: &[String],
        args: &[Value],
    ) -> Result<Vec<Value>> {
        let mut found = Vec::with_capacity(keys.len());
        for keys in keys.chunks(KEYS_AT_ONCE) {
            let read = |key: &String| {
                let key = [Value::from(key.as_str())].into_iter();
                Command::on_key(command, key.chain(args.iter().cloned()).collect::<Vec<_>>())
            };
            let replies = self
                .send_each(keys.iter().map(read).collect(), LIST)
                .await?;
            for (key, reply) in keys.iter().zip(replies) {
                found.push(match reply {
                    Err(error) if error.kind() == ErrorKind::Redis => {
                        tracing::warn!(key, %error, "what a server shows cannot be read");
                        Value::Null
                    }
                    value => value?,
                });
            }
        }
        Ok(found)
    }
}

/// Reads the members of a global set that are not over. A score is in whole seconds: in its second a server may still be
/// alive.
fn live(set: &'static str, now: i64) -> Command {
    Command::on_key("ZRANGEBYSCORE", [word(set), number(now), word("+inf")])
}

/// What is not UTF-8 is no key of ours, and left out.
pub(super) fn members(reply: Value, what: &str) -> Result<Vec<String>> {
    let members = reply::array(reply, what)?.into_iter();
    Ok(members.filter_map(Value::into_string).collect())
}
