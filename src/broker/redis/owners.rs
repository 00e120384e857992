//! The owners of a queue: servers that may hold tasks of it. And whether a server is still connected.

use fred::types::{Key, Value};

use super::script::{LEASES_OF, LIST_OWNER, number, word};
use super::{Broker, LISTED_BYTES, reply};
use crate::broker::{LeasesOf, Str};
use crate::connection::Command;
use crate::error::Result;
use crate::wire::{QueueKeys, keys};

/// How long an owner is listed after it was listed last (s).
const LISTED_SECS: i64 = 120;
/// The most servers that one look lists.
const MAX_HEARTBEATS: u64 = 500;

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
        let build = || {
            let keys = vec![Key::from(queue.owners())];
            (keys, vec![number(LISTED_SECS), text(owner), text(not)])
        };
        LIST_OWNER.call(self, build).await.map(drop)
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

    /// The keys of servers whose last heartbeat is at most `most_secs` ago, and when it expires (unix s), the oldest
    /// first. Servers of asynq are among them, and some keys may be missing: asynq removes expired ones.
    ///
    /// `ttl_secs` is the TTL of a heartbeat.
    pub(crate) async fn heartbeats(
        &self,
        ttl_secs: i64,
        most_secs: i64,
    ) -> Result<Vec<(String, i64)>> {
        let now = self.clock().now().timestamp();
        let args = [
            word(keys::SERVERS),
            number(now + ttl_secs - most_secs),
            word("+inf"),
            word("WITHSCORES"),
            word("LIMIT"),
            word("0"),
            number(MAX_HEARTBEATS),
        ];
        let listed = Command::on_key("ZRANGEBYSCORE", args);
        let what = "look for servers that have disappeared";
        let listed: Vec<(String, f64)> = self.send(listed, what).await?;
        let listed = listed.into_iter();
        Ok(listed.map(|(key, at)| (key, at as i64)).collect())
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
                number(LISTED_BYTES),
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

    /// Those of the owners on whose channels some connection listens. On a cluster the reply of one node says
    /// nothing.
    pub(crate) async fn with_listener(&self, mut owners: Vec<String>) -> Result<Vec<String>> {
        let channels = owners.iter().map(|owner| keys::alive_channel(owner).into());
        let args: Vec<Value> = std::iter::once(word("NUMSUB")).chain(channels).collect();
        let count = Command::without_key("PUBSUB", args);
        let counts: Vec<(Str, u64)> = self.send(count, "look for the channels of servers").await?;
        let mut counts = counts.iter();
        owners.retain(|_| counts.next().is_some_and(|(_, listeners)| *listeners > 0));
        Ok(owners)
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
