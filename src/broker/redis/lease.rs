//! Leases: renewing the leases of this server, listing expired leases.

use fred::types::{Key, Value};

use super::script::{EXPIRED_LEASES, EXTEND, number, word};
use super::{Broker, reply};
use crate::broker::{ExpiredLeases, ExpiredTask, LEASE, RawTask, Str};
use crate::connection::Command;
use crate::error::Result;
use crate::wire::QueueKeys;

impl Broker {
    /// Renews leases for [`LEASE`] from now, by Redis' clock. `tasks` are ids with owner tokens. Returns
    /// for each task whether its lease was renewed.
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
        let reply = EXTEND.call(self, build).await?;
        reply::flags(reply, tasks.len(), EXTEND.name)
    }

    /// Redis' time (unix s).
    pub(crate) async fn redis_time_unix_secs(&self) -> Result<i64> {
        let (secs, _micros): (i64, i64) = self
            .send(Command::without_key("TIME", []), "ask for the time")
            .await?;
        Ok(secs)
    }

    /// The time at which the first lease of a queue expires (unix s). This is one cheap command. While no
    /// lease has expired, it saves listing them.
    pub(crate) async fn first_lease_expiry_unix_secs(
        &self,
        queue: &QueueKeys,
    ) -> Result<Option<i64>> {
        let args = [
            queue.lease().into(),
            word("0"),
            word("0"),
            word("WITHSCORES"),
        ];
        let first: Vec<Value> = self
            .send(Command::on_key("ZRANGE", args), "look for the oldest lease")
            .await?;
        Ok(reply::score(first))
    }

    /// Up to `limit` tasks whose lease expired at least `expired_secs` ago by Redis' clock, the oldest
    /// lease first.
    pub(crate) async fn expired_leases(
        &self,
        queue: &QueueKeys,
        expired_secs: u64,
        limit: usize,
    ) -> Result<ExpiredLeases> {
        let build = || {
            let keys = vec![Key::from(queue.lease()), Key::from(queue.active())];
            let args: Vec<Value> = vec![
                queue.task_prefix().into(),
                number(expired_secs),
                number(limit as u64),
            ];
            (keys, args)
        };
        let reply = EXPIRED_LEASES.call(self, build).await?;
        let mut values = reply::array(reply, EXPIRED_LEASES.name)?.into_iter();
        let dropped = values
            .next()
            .map_or(Ok(0), |n| reply::integer(&n, EXPIRED_LEASES.name))?;
        let mut tasks = Vec::with_capacity(values.len() / 3);
        while let (Some(id), Some(lease), Some(message)) =
            (values.next(), values.next(), values.next())
        {
            tasks.push(ExpiredTask {
                task: RawTask {
                    id: reply::text(id, EXPIRED_LEASES.name)?,
                    message: reply::bytes(message, EXPIRED_LEASES.name)?,
                },
                lease: reply::text(lease, EXPIRED_LEASES.name)?,
            });
        }
        Ok(ExpiredLeases {
            tasks,
            dropped: dropped.unsigned_abs(),
        })
    }
}
