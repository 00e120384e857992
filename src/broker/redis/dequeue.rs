//! Taking tasks: many in one call, never asked for twice.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use fred::types::{Key, Value};

use super::acknowledge::push_done;
use super::script::{DEQUEUE, EXCHANGE, RECLAIM, number};
use super::{Broker, reply, statistics_day};
use crate::broker::{Done, LEASE, Str};
use crate::connection::map_error_reply;
use crate::error::Result;
use crate::wire::QueueKeys;

/// What a fetch found.
#[derive(Debug)]
pub(crate) enum Dequeued {
    /// The queue is paused.
    Paused,
    /// Tasks as id and stored message, oldest first; fewer than were wanted: the queue is empty.
    Tasks {
        tasks: Vec<(Str, Bytes)>,
        /// How many ids were dropped: their hash is gone, or they are active already.
        dropped: u64,
    },
}

impl Broker {
    /// Moves up to `want` of the oldest pending tasks to active, under leases in the name of
    /// `owner`.
    ///
    /// On an error that [is transient](crate::Error::is_transient) the tasks may have been taken:
    /// [`reclaim`](Self::reclaim) gives them back.
    pub(crate) async fn dequeue(
        &self,
        queue: &QueueKeys,
        want: usize,
        owner: &Str,
    ) -> Result<Dequeued> {
        let build = || fetch_of(queue, want, owner);
        let reply = DEQUEUE.call(self.client()?, build).await?;
        dequeued(reply, DEQUEUE.name)
    }

    /// [`dequeue`](Self::dequeue) and [`done`](Self::done), of the same queue, in one call, each with its
    /// own result.
    pub(crate) async fn exchange(
        &self,
        queue: &QueueKeys,
        ended: &[&Done],
        stretch: i64,
        want: usize,
        owner: &Str,
        now: DateTime<Utc>,
    ) -> Result<(Result<Dequeued>, Result<Vec<bool>>)> {
        let (day, day_ends) = statistics_day(now);
        let build = || {
            let (mut keys, mut args) = fetch_of(queue, want, owner);
            keys.push(Key::from(queue.processed_on(day)));
            keys.push(Key::from(queue.processed()));
            args.push(number(day_ends));
            args.push(number(stretch));
            push_done(&mut args, ended);
            (keys, args)
        };
        let reply = EXCHANGE.call(self.client()?, build).await?;
        let mut parts = reply::array(reply, EXCHANGE.name)?.into_iter();
        let mut part = || parts.next().unwrap_or(Value::Null);
        let taken = dequeued(part(), EXCHANGE.name);
        let held = not_refused(part(), EXCHANGE.name)
            .and_then(|held| reply::flags(held, ended.len(), EXCHANGE.name));
        Ok((taken, held))
    }

    /// Gives back, uncounted and next in line, what the fetch named `owner` took.
    pub(crate) async fn reclaim(&self, queue: &QueueKeys, owner: &Str) -> Result<u64> {
        let build = || {
            let keys = vec![
                Key::from(queue.active()),
                Key::from(queue.lease()),
                Key::from(queue.pending()),
            ];
            let args: Vec<Value> = vec![queue.task_prefix().into(), owner.clone().into()];
            (keys, args)
        };
        let reply = RECLAIM.call(self.client()?, build).await?;
        reply::integer(&reply, RECLAIM.name).map(i64::unsigned_abs)
    }
}

/// The keys and arguments of `lua/dequeue.lua`, which those of `lua/exchange.lua` begin with.
fn fetch_of(queue: &QueueKeys, want: usize, owner: &Str) -> (Vec<Key>, Vec<Value>) {
    let keys = vec![
        Key::from(queue.pending()),
        Key::from(queue.active()),
        Key::from(queue.lease()),
        Key::from(queue.paused()),
    ];
    let args = vec![
        queue.task_prefix().into(),
        number(want as u64),
        number(LEASE.as_secs()),
        owner.clone().into(),
    ];
    (keys, args)
}

/// What `lua/lib/dequeue.lua` returns.
fn dequeued(reply: Value, script: &'static str) -> Result<Dequeued> {
    let mut values = reply::array(not_refused(reply, script)?, script)?.into_iter();
    let word = values.next().unwrap_or(Value::Null);
    if &*reply::text(word, script)? == "paused" {
        return Ok(Dequeued::Paused);
    }
    let dropped = reply::integer(&values.next().unwrap_or(Value::Null), script)?;
    let mut tasks = Vec::with_capacity(values.len() / 2);
    while let (Some(id), Some(message)) = (values.next(), values.next()) {
        tasks.push((reply::text(id, script)?, reply::bytes(message, script)?));
    }
    Ok(Dequeued::Tasks {
        tasks,
        dropped: dropped.unsigned_abs(),
    })
}

/// The part of a reply that Redis has not refused.
fn not_refused(part: Value, script: &str) -> Result<Value> {
    match part {
        Value::Array(mut words)
            if words.len() == 2 && words[0].as_str().as_deref() == Some("refused") =>
        {
            let said = reply::text(words.swap_remove(1), script)?;
            Err(map_error_reply(&said, script))
        }
        part => Ok(part),
    }
}
