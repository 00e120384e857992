//! Taking tasks: many in one call, never asked for twice.

use bytes::Bytes;
use fred::types::{Key, Value};

use super::script::{DEQUEUE, RECLAIM, number};
use super::{Broker, reply};
use crate::broker::{LEASE, Str};
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
        let build = || {
            let keys = vec![
                Key::from(queue.pending()),
                Key::from(queue.active()),
                Key::from(queue.lease()),
                Key::from(queue.paused()),
            ];
            let args: Vec<Value> = vec![
                queue.task_prefix().into(),
                number(want as u64),
                number(LEASE.as_secs()),
                owner.clone().into(),
            ];
            (keys, args)
        };
        let reply = DEQUEUE.call(self.client()?, build).await?;
        let mut values = reply::array(reply, DEQUEUE.name)?.into_iter();
        if values
            .next()
            .and_then(|word| word.as_str().map(|word| word == "paused"))
            == Some(true)
        {
            return Ok(Dequeued::Paused);
        }
        let dropped = values
            .next()
            .map_or(Ok(0), |n| reply::integer(&n, DEQUEUE.name))?;
        let mut tasks = Vec::with_capacity(values.len() / 2);
        while let (Some(id), Some(message)) = (values.next(), values.next()) {
            tasks.push((
                reply::text(id, DEQUEUE.name)?,
                reply::bytes(message, DEQUEUE.name)?,
            ));
        }
        Ok(Dequeued::Tasks {
            tasks,
            dropped: dropped.unsigned_abs(),
        })
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
