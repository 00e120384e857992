//! Fetching tasks: many in one call. A fetch whose reply is lost is not sent again.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use fred::types::{Key, Value};

use super::acknowledge::{day_counters_expiry, processed_keys, push_done, range};
use super::script::{DEQUEUE, EXCHANGE, MESSAGE_PART, RESTORE, number};
use super::{Broker, reply};
use crate::broker::{
    Acknowledgement, ActiveRange, FetchLimits, Fetched, LEASE, LargeTask, PendingTask, RawTask, Str,
};
use crate::connection::{Command, Traffic, map_error_reply};
use crate::error::Result;
use crate::wire::QueueKeys;

impl Broker {
    /// Moves the oldest pending tasks to *active*, each with a lease and with the owner token of this fetch.
    ///
    /// If Redis refuses the fetch ([`ErrorKind::Redis`](crate::ErrorKind::Redis)), no task was moved. After
    /// any other error tasks may have been moved: [`restore_fetch`](Self::restore_fetch) restores them.
    pub(crate) async fn dequeue(
        &self,
        queue: &QueueKeys,
        limits: FetchLimits,
        owner: &Str,
    ) -> Result<Fetched> {
        let build = || fetch_arguments(queue, limits, owner);
        let reply = DEQUEUE.call_with(self, traffic(limits), build).await?;
        self.noted(fetched(reply, limits, DEQUEUE.name))
    }

    /// A [`dequeue`](Self::dequeue) that carries acknowledgements of done tasks of the same queue. Each
    /// of the two parts has its own result.
    pub(crate) async fn exchange(
        &self,
        queue: &QueueKeys,
        done: &[&Acknowledgement],
        active: ActiveRange,
        limits: FetchLimits,
        owner: &Str,
        now: DateTime<Utc>,
    ) -> Result<(Result<Fetched>, Result<Vec<bool>>)> {
        let build = || {
            let (mut keys, mut args) = fetch_arguments(queue, limits, owner);
            keys.extend(processed_keys(queue, now));
            args.push(day_counters_expiry(now));
            args.push(range(active));
            push_done(&mut args, done);
            (keys, args)
        };
        let reply = EXCHANGE.call_with(self, traffic(limits), build).await?;
        let mut parts = reply::array(reply, EXCHANGE.name)?.into_iter();
        let mut part = || parts.next().unwrap_or(Value::Null);
        let fetched = self.noted(fetched(part(), limits, EXCHANGE.name));
        let acknowledged = unless_refused(part(), EXCHANGE.name)
            .and_then(|flags| reply::flags(flags, done.len(), EXCHANGE.name));
        Ok((fetched, self.noted(acknowledged)))
    }

    /// Reads up to `size` bytes of the message of an active task, from the byte `from` on, counted from 0.
    /// `None`: another fetch owns the task, or it is deleted.
    pub(crate) async fn message_part(
        &self,
        queue: &QueueKeys,
        id: &str,
        owner: &Str,
        from: usize,
        size: usize,
    ) -> Result<Option<Bytes>> {
        let build = || {
            let keys = vec![Key::from(queue.lease()), Key::from(queue.task(id))];
            let args: Vec<Value> = vec![
                id.into(),
                owner.clone().into(),
                number(from as u64 + 1),
                number(size as u64),
            ];
            (keys, args)
        };
        let traffic = Traffic {
            reply_bytes: size,
            most_reply_bytes: size,
            is_bulk: false,
        };
        match MESSAGE_PART.call_with(self, traffic, build).await? {
            Value::Null => Ok(None),
            part => reply::bytes(part, MESSAGE_PART.name).map(Some),
        }
    }

    /// How many tasks of a queue are pending. This moves nothing.
    pub(crate) async fn count_pending(&self, queue: &QueueKeys) -> Result<usize> {
        let length: u64 = self
            .send(
                Command::on_key("LLEN", vec![queue.pending().into()]),
                "count pending tasks",
            )
            .await?;
        Ok(length as usize)
    }

    /// Restores the tasks of the lost fetch with this owner token: they are pending again, uncounted and
    /// next in line. Returns how many were restored.
    pub(crate) async fn restore_fetch(&self, queue: &QueueKeys, owner: &Str) -> Result<u64> {
        let build = || {
            let keys = vec![
                Key::from(queue.active()),
                Key::from(queue.lease()),
                Key::from(queue.pending()),
            ];
            let args: Vec<Value> = vec![queue.task_prefix().into(), owner.clone().into()];
            (keys, args)
        };
        let reply = RESTORE.call(self, build).await?;
        reply::integer(&reply, RESTORE.name).map(i64::unsigned_abs)
    }
}

/// The keys and arguments of `lua/dequeue.lua`. Those of `lua/exchange.lua` begin with the same.
fn fetch_arguments(queue: &QueueKeys, limits: FetchLimits, owner: &Str) -> (Vec<Key>, Vec<Value>) {
    let keys = vec![
        Key::from(queue.pending()),
        Key::from(queue.active()),
        Key::from(queue.lease()),
        Key::from(queue.paused()),
    ];
    let args = vec![
        queue.task_prefix().into(),
        number(limits.tasks as u64),
        number(LEASE.as_secs()),
        owner.clone().into(),
        number(limits.bytes as u64),
        number(u64::from(limits.with_since)),
    ];
    (keys, args)
}

fn traffic(limits: FetchLimits) -> Traffic {
    Traffic {
        reply_bytes: limits.expected_bytes,
        most_reply_bytes: limits.bytes,
        is_bulk: false,
    }
}

/// The reply of `lua/lib/dequeue.lua`.
fn fetched(reply: Value, limits: FetchLimits, script: &'static str) -> Result<Fetched> {
    let mut values = reply::array(unless_refused(reply, script)?, script)?.into_iter();
    let word = reply::text(values.next().unwrap_or(Value::Null), script)?;
    if &*word == "paused" {
        return Ok(Fetched::Paused);
    }
    let dropped = reply::integer(&values.next().unwrap_or(Value::Null), script)?;
    let mut tasks = Vec::new();
    let mut large = None;
    while let (Some(id), Some(message)) = (values.next(), values.next()) {
        let id = reply::text(id, script)?;
        let since = match limits.with_since {
            true => reply::unix_nanos(values.next().unwrap_or(Value::Null), script)?,
            false => None,
        };
        if let Value::Integer(length) = message {
            let length = length as usize;
            large = Some(LargeTask { id, length, since });
        } else {
            let message = reply::bytes(message, script)?;
            let task = RawTask { id, message };
            tasks.push(PendingTask { task, since });
        }
    }
    Ok(Fetched::Tasks {
        tasks,
        large,
        may_have_more: &*word == "more",
        dropped: dropped.unsigned_abs(),
    })
}

/// One part of an exchange's reply, or the error with which Redis refused that part.
fn unless_refused(part: Value, script: &str) -> Result<Value> {
    match part {
        Value::Array(mut words)
            if words.len() == 2 && words[0].as_str().as_deref() == Some("refused") =>
        {
            let error = reply::text(words.swap_remove(1), script)?;
            Err(map_error_reply(&error, script))
        }
        part => Ok(part),
    }
}
