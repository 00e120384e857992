//! Leases: renewing ours, listing those that ended.

use bytes::Bytes;
use fred::interfaces::{ClientLike, SortedSetsInterface};
use fred::types::{Key, Value};

use super::script::{EXPIRED_LEASES, EXTEND, number};
use super::{Broker, reply};
use crate::broker::{LEASE, Str};
use crate::connection::map_redis_error;
use crate::error::Result;
use crate::wire::QueueKeys;

/// Tasks whose lease ended, and how many ids were dropped because their hash is gone.
#[derive(Debug, Default)]
pub(crate) struct Expired {
    pub(crate) tasks: Vec<(Str, Bytes)>,
    pub(crate) dropped: u64,
}

impl Broker {
    /// Renews leases for [`LEASE`] from now, by Redis' clock. Per task (id and owner): whether it
    /// is still held.
    pub(crate) async fn extend_leases(
        &self,
        queue: &QueueKeys,
        tasks: &[(Str, Str)],
    ) -> Result<Vec<bool>> {
        let build = || {
            let keys = vec![Key::from(queue.lease())];
            let mut args: Vec<Value> = Vec::with_capacity(2 + 2 * tasks.len());
            args.push(queue.task_prefix().into());
            args.push(number(LEASE.as_secs()));
            for (id, owner) in tasks {
                args.push(id.clone().into());
                args.push(owner.clone().into());
            }
            (keys, args)
        };
        let reply = EXTEND.call(self.client()?, build).await?;
        reply::flags(reply, tasks.len(), EXTEND.name)
    }

    /// Redis' time (unix s).
    pub(crate) async fn redis_time_unix_secs(&self) -> Result<i64> {
        let (secs, _micros): (i64, i64) = self
            .client()?
            .custom(fred::cmd!("TIME"), Vec::<Value>::new())
            .await
            .map_err(|error| map_redis_error(error, "ask for the time"))?;
        Ok(secs)
    }

    /// When the lease ends that ends first (unix s): one cheap command, to see whether it is worth
    /// listing any.
    pub(crate) async fn first_lease_end_unix_secs(&self, queue: &QueueKeys) -> Result<Option<i64>> {
        let first: Vec<Value> = self
            .client()?
            .zrange(queue.lease(), 0, 0, None, false, None, true)
            .await
            .map_err(|error| map_redis_error(error, "look for the oldest lease"))?;
        Ok(reply::score(first))
    }

    /// Up to `limit` tasks whose lease ended at least `ended_secs` ago by Redis' clock, oldest
    /// first.
    pub(crate) async fn expired_leases(
        &self,
        queue: &QueueKeys,
        ended_secs: u64,
        limit: usize,
    ) -> Result<Expired> {
        let build = || {
            let keys = vec![Key::from(queue.lease()), Key::from(queue.active())];
            let args: Vec<Value> = vec![
                queue.task_prefix().into(),
                number(ended_secs),
                number(limit as u64),
            ];
            (keys, args)
        };
        let reply = EXPIRED_LEASES.call(self.client()?, build).await?;
        let mut values = reply::array(reply, EXPIRED_LEASES.name)?.into_iter();
        let dropped = values
            .next()
            .map_or(Ok(0), |n| reply::integer(&n, EXPIRED_LEASES.name))?;
        let mut expired = Expired {
            tasks: Vec::with_capacity(values.len() / 2),
            dropped: dropped.unsigned_abs(),
        };
        while let (Some(id), Some(message)) = (values.next(), values.next()) {
            expired.tasks.push((
                reply::text(id, EXPIRED_LEASES.name)?,
                reply::bytes(message, EXPIRED_LEASES.name)?,
            ));
        }
        Ok(expired)
    }
}
