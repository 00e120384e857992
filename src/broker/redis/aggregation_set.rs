//! The tasks of aggregation sets: reading them, and archiving those that cannot be aggregated.

use std::collections::HashSet;

use fred::types::{Key, Value};

use super::script::{ARCHIVE_MEMBERS, READ_SET, number, word};
use super::{Broker, reply};
use crate::broker::{AggregationSet, ArchiveLimits, ArchivedMember, RawTask, SetMember, Str};
use crate::error::Result;
use crate::wire::{self, QueueKeys};

/// The most tasks that one call reads or archives.
pub(super) const MEMBERS_AT_ONCE: usize = 1_000;
/// A call reads no more tasks once their messages have more bytes than this.
pub(super) const BYTES_AT_ONCE: u64 = 1 << 20;

/// A part of an aggregation set.
struct SetPart {
    tasks: Vec<RawTask>,
    /// How many ids were dropped, because their tasks are gone or not aggregating.
    dropped: u64,
    has_more: bool,
}

impl Broker {
    /// Reads the tasks of a set, the oldest first. Drops the ids of tasks that are gone or in another state. asynq:
    /// `ReadAggregationSet`. A call that gets no reply is made again until the deadline of the set.
    ///
    /// A set without tasks needs no aggregate: [`return_set`](Self::return_set) removes it. Tasks that do not decode
    /// must leave the set before its aggregate is stored: [`archive_members`](Self::archive_members).
    pub(crate) async fn read_set(&self, set: &mut AggregationSet) -> Result<Vec<SetMember>> {
        let mut members = Vec::new();
        let mut locks = Vec::new();
        let mut lost = 0;
        loop {
            let part = match self.read_part(&set.keys, &set.key, members.len()).await {
                Ok(part) => part,
                Err(error) => {
                    self.again_until(set.deadline, error, &mut lost).await?;
                    continue;
                }
            };
            if part.dropped > 0 {
                tracing::warn!(
                    queue = set.keys.queue(),
                    group = &*set.group,
                    ids = part.dropped,
                    "dropped ids of a group whose tasks are gone"
                );
            }
            for RawTask { id, message } in part.tasks {
                let message = wire::decode_task(message);
                if let Ok(message) = &message
                    && !message.unique_key.is_empty()
                {
                    locks.push((id.clone(), message.unique_key.clone()));
                }
                members.push(SetMember { id, message });
            }
            if !part.has_more {
                break;
            }
        }
        set.size = members.len() as u64;
        set.locks = locks;
        Ok(members)
    }

    async fn read_part(&self, queue: &QueueKeys, set: &str, skipped: usize) -> Result<SetPart> {
        let build = || {
            let args: Vec<Value> = vec![
                queue.task_prefix().into(),
                number(skipped as u64),
                number(MEMBERS_AT_ONCE as u64),
                number(BYTES_AT_ONCE),
            ];
            (vec![Key::from(set)], args)
        };
        let reply = READ_SET.call(self, build).await?;
        let mut values = reply::array(reply, READ_SET.name)?.into_iter();
        let (dropped, more) = (values.next(), values.next());
        let count = |n: Option<Value>| reply::integer(&n.unwrap_or(Value::Null), READ_SET.name);
        Ok(SetPart {
            dropped: count(dropped)?.unsigned_abs(),
            has_more: count(more)? == 1,
            tasks: reply::tasks(values, READ_SET.name)?,
        })
    }

    /// Moves tasks of a set to the archive, unless they are gone or in another state. Their locks stay until their TTL is over. A call that fails may be made
    /// again.
    pub(crate) async fn archive_members(
        &self,
        set: &mut AggregationSet,
        members: &[ArchivedMember],
        limits: ArchiveLimits,
    ) -> Result<()> {
        for part in members.chunks(MEMBERS_AT_ONCE) {
            let build = || {
                let keys = vec![Key::from(&*set.key), Key::from(set.keys.archived())];
                let mut args: Vec<Value> = Vec::with_capacity(3 + 2 * part.len());
                args.push(set.keys.task_prefix().into());
                args.push(number(limits.max_size));
                args.push(number(limits.max_age_secs));
                for member in part {
                    args.push(member.id.clone().into());
                    args.push(member.message.clone().map_or(word(""), Value::from));
                }
                (keys, args)
            };
            ARCHIVE_MEMBERS.call(self, build).await?;
        }
        // An earlier attempt, whose reply was lost, may have archived some of them.
        let ids: HashSet<&Str> = members.iter().map(|member| &member.id).collect();
        set.size = set.size.saturating_sub(ids.len() as u64);
        set.locks.retain(|(id, _)| !ids.contains(id));
        Ok(())
    }
}
