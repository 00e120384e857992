//! A server's entry: its state and its running tasks.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use fred::types::{Key, Value};

use super::Broker;
use super::script::{HEARTBEAT, number, word};
use crate::broker::Str;
use crate::connection::Command;
use crate::error::Result;
use crate::wire::keys;

impl Broker {
    /// Writes a server's entry, with a TTL of `ttl_secs`. `workers` are the running tasks: id and
    /// `WorkerInfo`.
    ///
    /// The members of the two global sets are written first, as in asynq.
    pub(crate) async fn write_server_state(
        &self,
        server_key: &str,
        workers_key: &str,
        server: Bytes,
        workers: Vec<(Str, Bytes)>,
        ttl_secs: i64,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let expires_at = number(now.timestamp() + ttl_secs);
        let members = [(keys::SERVERS, server_key), (keys::WORKERS, workers_key)]
            .map(|(set, key)| Command::on_key("ZADD", [word(set), expires_at.clone(), key.into()]));
        self.send_all(members.into(), "write the server's entry")
            .await?;
        let build = || {
            let keys = vec![Key::from(server_key), Key::from(workers_key)];
            let mut args: Vec<Value> = Vec::with_capacity(2 + 2 * workers.len());
            args.push(number(ttl_secs));
            args.push(server.clone().into());
            for (id, info) in &workers {
                args.push(id.clone().into());
                args.push(info.clone().into());
            }
            (keys, args)
        };
        HEARTBEAT.call(self, build).await.map(drop)
    }

    /// Removes a server's entry.
    pub(crate) async fn clear_server_state(
        &self,
        server_key: &str,
        workers_key: &str,
    ) -> Result<()> {
        let removals = vec![
            Command::on_key("ZREM", [word(keys::SERVERS), server_key.into()]),
            Command::on_key("ZREM", [word(keys::WORKERS), workers_key.into()]),
            Command::on_key("DEL", [server_key.into(), workers_key.into()]),
        ];
        self.send_all(removals, "remove the server's entry").await
    }
}
