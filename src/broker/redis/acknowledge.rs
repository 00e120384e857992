//! How runs end: done, completed, put off, archived, given back; many of one queue in one call.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use fred::types::{Key, Value};

use super::script::{ARCHIVE, COMPLETE, DONE, REQUEUE, RETRY, number, word};
use super::{Broker, reply, statistics_day};
use crate::broker::{Archive, ArchiveLimits, Claim, Completed, Done, Later, LaterState, Right};
use crate::error::Result;
use crate::wire::QueueKeys;

impl Broker {
    /// Removes tasks that ended well. Per task: whether it was held.
    ///
    /// `stretch`: where among what is active they are supposed to be: among so many of the youngest,
    /// or minus so many of the oldest.
    pub(crate) async fn done(
        &self,
        queue: &QueueKeys,
        tasks: &[&Done],
        stretch: i64,
        now: DateTime<Utc>,
    ) -> Result<Vec<bool>> {
        let (day, day_ends) = statistics_day(now);
        let build = || {
            let keys = vec![
                Key::from(queue.active()),
                Key::from(queue.lease()),
                Key::from(queue.processed_on(day)),
                Key::from(queue.processed()),
            ];
            let mut args: Vec<Value> = Vec::with_capacity(5 + 2 * tasks.len());
            args.push(queue.task_prefix().into());
            args.push(number(day_ends));
            args.push(number(stretch));
            push_done(&mut args, tasks);
            (keys, args)
        };
        let reply = DONE.call(self.client()?, build).await?;
        reply::flags(reply, tasks.len(), DONE.name)
    }

    /// Keeps tasks that ended well. Per task: whether it was held.
    pub(crate) async fn complete(
        &self,
        queue: &QueueKeys,
        tasks: &[&Completed],
        now: DateTime<Utc>,
    ) -> Result<Vec<bool>> {
        let (day, day_ends) = statistics_day(now);
        let build = || {
            let keys = vec![
                Key::from(queue.active()),
                Key::from(queue.lease()),
                Key::from(queue.completed()),
                Key::from(queue.processed_on(day)),
                Key::from(queue.processed()),
            ];
            let mut args: Vec<Value> = Vec::with_capacity(2 + 6 * tasks.len());
            args.push(queue.task_prefix().into());
            args.push(number(day_ends));
            for task in tasks {
                push_claim(&mut args, &task.claim);
                args.push(task.unique_key.as_str().into());
                args.push(task.message.clone().into());
                args.push(number(task.keep_until_unix_secs));
            }
            (keys, args)
        };
        let reply = COMPLETE.call(self.client()?, build).await?;
        reply::flags(reply, tasks.len(), COMPLETE.name)
    }

    /// Puts tasks off until later, all to the same state. Per task: whether it could be taken by
    /// that right.
    pub(crate) async fn retry(
        &self,
        queue: &QueueKeys,
        state: LaterState,
        tasks: &[&Later],
        right: Right,
        now: DateTime<Utc>,
    ) -> Result<Vec<bool>> {
        let (day, day_ends) = statistics_day(now);
        let (target, word_of_state) = match state {
            LaterState::Retry => (queue.retry(), "retry"),
            LaterState::Scheduled => (queue.scheduled(), "scheduled"),
        };
        let build = || {
            let keys = vec![
                Key::from(queue.active()),
                Key::from(queue.lease()),
                Key::from(target),
                Key::from(queue.processed_on(day)),
                Key::from(queue.processed()),
                Key::from(queue.failed_on(day)),
                Key::from(queue.failed()),
            ];
            let mut args: Vec<Value> = Vec::with_capacity(4 + 6 * tasks.len());
            args.push(queue.task_prefix().into());
            args.push(number(day_ends));
            args.push(lapsed_secs(right));
            args.push(word(word_of_state));
            for task in tasks {
                push_claim(&mut args, &task.claim);
                args.push(number(task.at_unix_secs));
                args.push(message_or_empty(&task.message));
                args.push(flag(task.counts));
            }
            (keys, args)
        };
        let reply = RETRY.call(self.client()?, build).await?;
        reply::flags(reply, tasks.len(), RETRY.name)
    }

    /// Archives tasks, and trims the archive. Per task: whether it could be taken by that right.
    pub(crate) async fn archive(
        &self,
        queue: &QueueKeys,
        tasks: &[&Archive],
        right: Right,
        limits: ArchiveLimits,
        now: DateTime<Utc>,
    ) -> Result<Vec<bool>> {
        let (day, day_ends) = statistics_day(now);
        let build = || {
            let keys = vec![
                Key::from(queue.active()),
                Key::from(queue.lease()),
                Key::from(queue.archived()),
                Key::from(queue.processed_on(day)),
                Key::from(queue.processed()),
                Key::from(queue.failed_on(day)),
                Key::from(queue.failed()),
            ];
            let mut args: Vec<Value> = Vec::with_capacity(5 + 5 * tasks.len());
            args.push(queue.task_prefix().into());
            args.push(number(day_ends));
            args.push(lapsed_secs(right));
            args.push(number(limits.max_size));
            args.push(number(limits.max_age_secs));
            for task in tasks {
                push_claim(&mut args, &task.claim);
                args.push(message_or_empty(&task.message));
                args.push(flag(task.counts));
            }
            (keys, args)
        };
        let reply = ARCHIVE.call(self.client()?, build).await?;
        reply::flags(reply, tasks.len(), ARCHIVE.name)
    }

    /// Gives tasks back to pending, uncounted; the last one is next in line. Per task: whether it
    /// was held.
    pub(crate) async fn requeue(&self, queue: &QueueKeys, tasks: &[&Claim]) -> Result<Vec<bool>> {
        let build = || {
            let keys = vec![
                Key::from(queue.active()),
                Key::from(queue.lease()),
                Key::from(queue.pending()),
            ];
            let mut args: Vec<Value> = Vec::with_capacity(1 + 3 * tasks.len());
            args.push(queue.task_prefix().into());
            for claim in tasks {
                push_claim(&mut args, claim);
            }
            (keys, args)
        };
        let reply = REQUEUE.call(self.client()?, build).await?;
        reply::flags(reply, tasks.len(), REQUEUE.name)
    }
}

/// The tasks as `lua/lib/done.lua` takes them: plain ones of one owner make up one part.
pub(super) fn push_done(args: &mut Vec<Value>, tasks: &[&Done]) {
    let mut rest = tasks;
    while let Some(first) = rest.first() {
        let owner = &first.claim.owner;
        let plain = rest
            .iter()
            .take_while(|task| task.is_plain() && task.claim.owner == *owner)
            .count();
        args.push(owner.clone().into());
        if plain == 0 {
            args.push(word("more"));
            args.push(first.claim.id.clone().into());
            args.push(message_or_empty(&first.claim.original));
            args.push(first.unique_key.as_str().into());
        } else {
            args.push(number(plain as u64));
            args.extend(
                rest[..plain]
                    .iter()
                    .map(|task| task.claim.id.clone().into()),
            );
        }
        rest = &rest[plain.max(1)..];
    }
}

fn push_claim(args: &mut Vec<Value>, claim: &Claim) {
    args.push(claim.id.clone().into());
    args.push(claim.owner.clone().into());
    args.push(message_or_empty(&claim.original));
}

fn message_or_empty(message: &Option<Bytes>) -> Value {
    message.clone().unwrap_or_default().into()
}

fn flag(set: bool) -> Value {
    word(if set { "1" } else { "0" })
}

fn lapsed_secs(right: Right) -> Value {
    match right {
        Right::Owner => word(""),
        Right::Lapsed { secs } => number(secs),
    }
}
