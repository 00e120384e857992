//! Looking through the keys of all queues, servers and schedulers for what is over, and dropping that.

use fred::types::{Key, Value};

use super::script::{DROP_STALE, number, word};
use super::{Broker, reply};
use crate::broker::GLOBAL_KEYS_AT_ONCE;
use crate::connection::Command;
use crate::error::{Error, ErrorKind, Result};
use crate::wire::keys;

/// How many names are tried to find a key for each node of a cluster. There are 16,384 hash slots.
const TRIED_NAMES: u32 = 100_000;

impl Broker {
    /// For each node of Redis, something that it has the hash slot of.
    pub(crate) fn one_key_per_node(&self) -> Result<Vec<String>> {
        let mut found: Vec<(String, String)> = Vec::new();
        let most = if self.is_cluster() { TRIED_NAMES } else { 1 };
        for name in (0..most).map(|n| n.to_string()) {
            if let Some(node) = self.link().node_of(&name)
                && !found.iter().any(|(known, _)| *known == node)
            {
                found.push((node, name));
            }
        }
        if found.is_empty() {
            let text = "no node of the cluster is known";
            return Err(Error::new(ErrorKind::Unavailable, text));
        }
        Ok(found.into_iter().map(|(_, name)| name).collect())
    }

    /// Some keys of asynq on the node that has the hash slot of `node`, and where to go on.
    pub(crate) async fn scan_keys(
        &self,
        node: &str,
        from: &str,
    ) -> Result<(Option<String>, Vec<String>)> {
        let args = [
            from.into(),
            word("MATCH"),
            word(keys::ALL),
            word("COUNT"),
            number(GLOBAL_KEYS_AT_ONCE),
        ];
        let scan = Command::without_key("SCAN", args).in_slot_of(node);
        let (next, found): (String, Vec<Value>) = self.send(scan, "look for keys").await?;
        let found = found.into_iter().filter_map(Value::into_string).collect();
        Ok(((next != "0").then_some(next), found))
    }

    /// About how many keys there are on the nodes that have the hash slots of `nodes`.
    pub(crate) async fn number_of_keys(&self, nodes: &[String]) -> Result<u64> {
        let size = |node: &String| Command::without_key("DBSIZE", []).in_slot_of(node);
        let sizes: Vec<u64> = self
            .send_all(nodes.iter().map(size).collect(), "count keys")
            .await?;
        Ok(sizes.iter().sum())
    }

    /// The members of a global sorted set whose score is over.
    pub(crate) async fn over_members(&self, set: &'static str) -> Result<Vec<String>> {
        let now = self.redis_time_unix_secs().await?;
        let mut all = Vec::new();
        loop {
            let args = [
                word(set),
                word("-inf"),
                number(now - 1),
                word("LIMIT"),
                number(all.len() as u64),
                number(GLOBAL_KEYS_AT_ONCE),
            ];
            let over = Command::on_key("ZRANGEBYSCORE", args);
            let page: Vec<Value> = self.send(over, "look for what is over").await?;
            let is_last = page.len() < GLOBAL_KEYS_AT_ONCE as usize;
            all.extend(page.into_iter().map(Value::into_string));
            if is_last {
                return Ok(all.into_iter().flatten().collect());
            }
        }
    }

    /// Whether each of these keys has no time to live.
    pub(crate) async fn without_ttl(&self, found: &[String]) -> Result<Vec<bool>> {
        let ttls = found
            .iter()
            .map(|key| Command::on_key("TTL", [key.as_str().into()]));
        let ttls: Vec<i64> = self
            .send_all(ttls.collect(), "look for a time to live")
            .await?;
        Ok(ttls.into_iter().map(|ttl| ttl == -1).collect())
    }

    /// Removes a member of a set whose score is over; or, without a member, gives a key a time to live that has none, or
    /// deletes the key if that time is 0. Returns whether it was so.
    pub(crate) async fn drop_stale(
        &self,
        key: &str,
        member: Option<&str>,
        ttl_secs: u64,
    ) -> Result<bool> {
        let build = || {
            let args = vec![member.unwrap_or_default().into(), number(ttl_secs)];
            (vec![Key::from(key)], args)
        };
        let reply = DROP_STALE.call(self, build).await?;
        Ok(reply::integer(&reply, DROP_STALE.name)? == 1)
    }
}
