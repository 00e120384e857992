//! A server's entry: its state and its running tasks.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use fred::interfaces::{KeysInterface, SortedSetsInterface};
use fred::types::{Key, Value};

use super::Broker;
use super::script::{HEARTBEAT, number};
use crate::broker::Str;
use crate::connection::map_redis_error;
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
        let expires_at = (now.timestamp() + ttl_secs) as f64;
        for (set, member) in [(keys::SERVERS, server_key), (keys::WORKERS, workers_key)] {
            self.client()?
                .zadd::<(), _, _>(set, None, None, false, false, (expires_at, member))
                .await
                .map_err(|error| map_redis_error(error, "write the server's entry"))?;
        }
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
        HEARTBEAT.call(self.client()?, build).await.map(drop)
    }

    /// Removes a server's entry.
    pub(crate) async fn clear_server_state(
        &self,
        server_key: &str,
        workers_key: &str,
    ) -> Result<()> {
        let failed = |error| map_redis_error(error, "remove the server's entry");
        for (set, member) in [(keys::SERVERS, server_key), (keys::WORKERS, workers_key)] {
            self.client()?
                .zrem::<(), _, _>(set, member)
                .await
                .map_err(failed)?;
        }
        self.client()?
            .del::<(), _>(vec![server_key, workers_key])
            .await
            .map_err(failed)
    }
}
