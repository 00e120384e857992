//! A server's entry: its state and its running tasks.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use fred::types::{Key, Value};

use super::script::{HEARTBEAT, SWAP_WORKERS, number, word};
use super::{Broker, reply};
use crate::broker::{EntryFound, EntryKeys, WorkerChange};
use crate::clock;
use crate::connection::Command;
use crate::error::Result;
use crate::wire::keys;

impl Broker {
    /// Writes a server's state, with a TTL of `ttl_secs`, and changes its running tasks all at once. `shown` is
    /// the number of tasks that were shown before; `None`: the tasks stay as they are, whatever they are.
    ///
    /// If another number of tasks was shown, the tasks are unchanged.
    ///
    /// The reply brings the time of Redis, so that a server notices soon if somebody sets the clock of Redis.
    ///
    /// The members of the two global sets are written first, as in asynq.
    pub(crate) async fn write_server_state(
        &self,
        entry: &EntryKeys,
        server: Bytes,
        shown: Option<usize>,
        changes: Vec<WorkerChange>,
        ttl_secs: i64,
        now: DateTime<Utc>,
    ) -> Result<EntryFound> {
        let expires_at = number(now.timestamp() + ttl_secs);
        let members = [
            (keys::SERVERS, &entry.server),
            (keys::WORKERS, &entry.workers),
        ]
        .map(|(set, key)| Command::on_key("ZADD", [word(set), expires_at.clone(), text(key)]));
        let added: Vec<i64> = self
            .send_all(members.into(), "write the server's entry")
            .await?;
        let build = || {
            let keys = vec![Key::from(&*entry.server), Key::from(&*entry.workers)];
            let mut args: Vec<Value> = Vec::with_capacity(3 + 2 * changes.len());
            args.push(number(ttl_secs));
            args.push(server.clone().into());
            args.push(shown.map_or(word(""), |shown| number(shown as u64)));
            for WorkerChange { id, info } in &changes {
                args.push(id.clone().into());
                args.push(info.clone().unwrap_or_default().into());
            }
            (keys, args)
        };
        let asked = clock::both();
        let reply = HEARTBEAT.call(self, build).await?;
        let mut values = reply::array(reply, HEARTBEAT.name)?.into_iter();
        let mut next = || reply::integer(&values.next().unwrap_or(Value::Null), HEARTBEAT.name);
        let (found, redis_unix_ms) = (next()?, next()?);
        self.clock().learn(asked, clock::both(), redis_unix_ms);
        Ok(EntryFound {
            is_new: added.first() == Some(&1),
            tasks_as_shown: found == 1,
        })
    }

    /// Changes tasks in the spare hash of a server, which nobody is shown.
    pub(crate) async fn change_spare_workers(
        &self,
        entry: &EntryKeys,
        changes: Vec<WorkerChange>,
        ttl_secs: i64,
    ) -> Result<()> {
        let key = || vec![text(&entry.spare_workers)];
        let (mut ended, mut running, mut expire) = (key(), key(), key());
        for WorkerChange { id, info } in changes {
            match info {
                None => ended.push(id.into()),
                Some(info) => running.extend([id.into(), info.into()]),
            }
        }
        expire.push(number(ttl_secs));
        let commands = [("HDEL", ended), ("HSET", running), ("EXPIRE", expire)];
        let commands = commands
            .into_iter()
            .filter(|(_, args)| args.len() > 1)
            .map(|(name, args)| Command::on_key(name, args));
        let replies =
            self.send_all::<i64>(commands.collect(), "write the running tasks of the server");
        replies.await.map(drop)
    }

    /// Deletes the spare hash of a server.
    pub(crate) async fn drop_spare_workers(&self, entry: &EntryKeys) -> Result<()> {
        let unlink = Command::on_key("UNLINK", [text(&entry.spare_workers)]);
        self.send(unlink, "write the running tasks of the server")
            .await
    }

    /// Shows the tasks of the spare hash, and makes the hash that was shown the spare one. `tasks` is the number of
    /// tasks in the spare hash. Returns false if it has another number: Redis has lost it. Then nothing is changed.
    pub(crate) async fn swap_workers(
        &self,
        entry: &EntryKeys,
        tasks: usize,
        ttl_secs: i64,
        spare_ttl_secs: i64,
    ) -> Result<bool> {
        let build = || {
            let keys = vec![
                Key::from(&*entry.workers),
                Key::from(&*entry.spare_workers),
                Key::from(keys::while_swapped(&entry.spare_workers)),
            ];
            let args = vec![
                number(ttl_secs),
                number(spare_ttl_secs),
                number(tasks as u64),
            ];
            (keys, args)
        };
        let reply = SWAP_WORKERS.call(self, build).await?;
        Ok(reply::integer(&reply, SWAP_WORKERS.name)? == 1)
    }

    /// Removes a server's entry.
    pub(crate) async fn clear_server_state(&self, entry: &EntryKeys) -> Result<()> {
        let (server, workers) = (text(&entry.server), text(&entry.workers));
        let removals = vec![
            Command::on_key("ZREM", [word(keys::SERVERS), server.clone()]),
            Command::on_key("ZREM", [word(keys::WORKERS), workers.clone()]),
            Command::on_key("UNLINK", [server, workers]),
        ];
        let replies = self.send_all::<i64>(removals, "remove the server's entry");
        replies.await.map(drop)
    }
}

fn text(key: &str) -> Value {
    key.into()
}
