//! Leases: renewing the leases of this server, listing expired leases, repairing missing ones.

use fred::types::{Key, Value};

use super::script::{CHECK_QUEUE, EXPIRED_LEASES, EXTEND, LEASE_UNLEASED, UNLEASED, number};
use super::{Broker, LISTED_BYTES, reply};
use crate::broker::{ExpiredLeases, LEASE, QueueCheck, Str, Unleased};
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

    /// Up to `limit` tasks whose lease expired at least `expired_secs` ago by Redis' clock, the oldest
    /// lease first.
    pub(crate) async fn expired_leases(
        &self,
        queue: &QueueKeys,
        expired_secs: i64,
        limit: usize,
    ) -> Result<ExpiredLeases> {
        let build = || {
            let keys = vec![Key::from(queue.lease()), Key::from(queue.active())];
            let args: Vec<Value> = vec![
                queue.task_prefix().into(),
                number(expired_secs),
                number(limit as u64),
                number(LISTED_BYTES),
            ];
            (keys, args)
        };
        let reply = EXPIRED_LEASES.call(self, build).await?;
        let mut values = reply::array(reply, EXPIRED_LEASES.name)?.into_iter();
        let mut count = || {
            let n = values.next().unwrap_or(Value::Null);
            reply::integer(&n, EXPIRED_LEASES.name).map(i64::unsigned_abs)
        };
        let (dropped, inactive, more) = (count()?, count()?, count()?);
        Ok(ExpiredLeases {
            tasks: reply::leased_tasks(values, EXPIRED_LEASES.name)?,
            dropped,
            inactive,
            has_more: more == 1,
        })
    }

    /// Finds out whether there may be something to recover in a queue. This is cheap: mostly there is nothing, and
    /// it saves listing expired leases and aggregation sets.
    pub(crate) async fn check_queue(&self, queue: &QueueKeys) -> Result<QueueCheck> {
        let build = || {
            let keys = [queue.active(), queue.lease(), queue.aggregation_sets()];
            (keys.map(Key::from).into(), vec![queue.aggregated().into()])
        };
        let reply = CHECK_QUEUE.call(self, build).await?;
        let mut values = reply::array(reply, CHECK_QUEUE.name)?.into_iter();
        let mut next = || values.next().unwrap_or(Value::Null);
        let (active, leases) = (next(), next());
        let [expiry, deadline, deletion] =
            [(); 3].map(|()| reply::score_text(next(), CHECK_QUEUE.name));
        Ok(QueueCheck {
            active: reply::integer(&active, CHECK_QUEUE.name)?,
            leases: reply::integer(&leases, CHECK_QUEUE.name)?,
            first_expiry: expiry?,
            first_deadline: deadline?,
            first_deletion: deletion?,
        })
    }

    /// Looks for active tasks without a lease among up to `limit` active tasks after the first `skipped`, the
    /// oldest first.
    pub(crate) async fn active_without_lease(
        &self,
        queue: &QueueKeys,
        skipped: usize,
        limit: usize,
    ) -> Result<Unleased> {
        let build = || {
            let keys = [queue.active(), queue.lease(), queue.deadlines()].map(Key::from);
            let args = vec![number(skipped as u64), number(limit as u64)];
            (keys.into(), args)
        };
        let reply = UNLEASED.call(self, build).await?;
        let mut values = reply::array(reply, UNLEASED.name)?.into_iter();
        let read = reply::integer(&values.next().unwrap_or(Value::Null), UNLEASED.name)?;
        let ids = values.map(|id| reply::text(id, UNLEASED.name));
        Ok(Unleased {
            read: usize::try_from(read).unwrap_or_default(),
            ids: ids.collect::<Result<_>>()?,
        })
    }

    /// Gives those of these tasks that are active without a lease a lease that has just expired. Returns how many
    /// these are.
    pub(crate) async fn lease_unleased(&self, queue: &QueueKeys, ids: &[Str]) -> Result<u64> {
        let build = || {
            let keys = vec![Key::from(queue.active()), Key::from(queue.lease())];
            (keys, ids.iter().cloned().map(Value::from).collect())
        };
        let reply = LEASE_UNLEASED.call(self, build).await?;
        reply::integer(&reply, LEASE_UNLEASED.name).map(i64::unsigned_abs)
    }
}
