//! The owners of a queue: servers that may hold tasks of it. And whether a server is still connected.

use fred::types::{Key, Value};

use super::script::{LEASES_OF, number, word};
use super::{Broker, reply};
use crate::broker::{LeasesOf, Str};
use crate::connection::Command;
use crate::error::Result;
use crate::wire::{QueueKeys, keys};

/// How long an owner is listed after it was listed last (s).
const LISTED_SECS: i64 = 120;
/// The most servers that one look lists.
const MAX_SILENT: u64 = 100;

/// What identifies a Redis process.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RedisProcess {
    pub(crate) run_id: String,
    pub(crate) uptime_secs: u64,
}

impl Broker {
    /// Lists an owner of a queue, for 120 s. `not` is how it must be listed no more.
    pub(crate) async fn list_owner(
        &self,
        queue: &QueueKeys,
        [owner, not]: &[String; 2],
    ) -> Result<()> {
        let now = self.clock().now().timestamp();
        let key = || Value::from(queue.owners());
        let commands = vec![
            Command::on_key("ZADD", [key(), number(now + LISTED_SECS), text(owner)]),
            Command::on_key("ZREM", [key(), text(not)]),
            Command::on_key("ZREMRANGEBYSCORE", [key(), word("-inf"), number(now)]),
            Command::on_key("EXPIRE", [key(), number(LISTED_SECS)]),
        ];
        let done = self.send_all::<()>(commands, "list this server as an owner");
        done.await.map(drop)
    }

    /// Removes owners from the list of a queue.
    pub(crate) async fn unlist_owners(&self, queue: &QueueKeys, owners: &[String]) -> Result<()> {
        let mut args = vec![Value::from(queue.owners())];
        args.extend(owners.iter().map(|owner| text(owner)));
        let removal = Command::on_key("ZREM", args);
        self.send(removal, "remove an owner of a queue").await
    }

    /// The listed owners of a queue, those that were listed last at the end.
    pub(crate) async fn owners(&self, queue: &QueueKeys) -> Result<Vec<String>> {
        let key = Value::from(queue.owners());
        let all = Command::on_key("ZRANGE", [key, word("0"), word("-1")]);
        self.send(all, "read the owners of a queue").await
    }

    /// The keys of servers whose last heartbeat is between `least_secs` and `most_secs` ago. Servers of asynq are among
    /// them, and some keys may be missing: asynq removes expired ones.
    ///
    /// `ttl_secs` is the TTL of a heartbeat.
    pub(crate) async fn silent_servers(
        &self,
        least_secs: i64,
        most_secs: i64,
        ttl_secs: i64,
    ) -> Result<Vec<String>> {
        let now = self.clock().now().timestamp();
        let args = [
            word(keys::SERVERS),
            number(now + ttl_secs - most_secs),
            number(now + ttl_secs - least_secs),
            word("LIMIT"),
            word("0"),
            number(MAX_SILENT),
        ];
        let silent = Command::on_key("ZRANGEBYSCORE", args);
        self.send(silent, "look for servers that have disappeared")
            .await
    }

    /// Tasks whose leases belong to an owner. Reads up to `limit` leases of all owners after the first `offset`, the
    /// oldest first.
    pub(crate) async fn leases_of(
        &self,
        queue: &QueueKeys,
        owner: &str,
        offset: usize,
        limit: usize,
    ) -> Result<LeasesOf> {
        let build = || {
            let keys = vec![Key::from(queue.lease())];
            let args: Vec<Value> = vec![
                queue.task_prefix().into(),
                owner.into(),
                number(offset as u64),
                number(limit as u64),
            ];
            (keys, args)
        };
        let reply = LEASES_OF.call(self, build).await?;
        let mut values = reply::array(reply, LEASES_OF.name)?.into_iter();
        let read = values
            .next()
            .map_or(Ok(0), |n| reply::integer(&n, LEASES_OF.name))?;
        Ok(LeasesOf {
            read: usize::try_from(read).unwrap_or_default(),
            tasks: reply::leased_tasks(values, LEASES_OF.name)?,
        })
    }

    /// Whether some connection listens on the channel of an owner. On a cluster the reply of one node says nothing.
    pub(crate) async fn has_listener(&self, owner: &str) -> Result<bool> {
        let channel = keys::alive_channel(owner);
        let count = Command::without_key("PUBSUB", [word("NUMSUB"), channel.into()]);
        let (_, listeners): (Str, u64) = self.send(count, "look for a server's channel").await?;
        Ok(listeners > 0)
    }

    /// The Redis process that answers. `None`: it does not say.
    pub(crate) async fn redis_process(&self) -> Result<Option<RedisProcess>> {
        let info = Command::without_key("INFO", [word("server")]);
        let info: String = self.send(info, "ask Redis for its process").await?;
        let field = |name: &str| {
            info.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map(str::trim)
        };
        let process = || {
            Some(RedisProcess {
                run_id: field("run_id")?.to_owned(),
                uptime_secs: field("uptime_in_seconds")?.parse().ok()?,
            })
        };
        Ok(process())
    }
}

fn text(owner: &str) -> Value {
    owner.into()
}
