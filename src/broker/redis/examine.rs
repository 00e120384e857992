//! Examining and repairing a queue.

use bytes::Bytes;
use fred::types::{Key, Value};

use super::script::{EXAMINE_KEYS, EXAMINE_PLACE, REPAIR, number, word};
use super::{Broker, reply};
use crate::broker::{DamagedPart, Finding, KEYS_AT_ONCE, Looked, PlaceKind, RepairMode, Str};
use crate::connection::Command;
use crate::error::Result;
use crate::wire::QueueKeys;

/// About how many ids are looked at in one step.
const AT_ONCE: u64 = 500;
/// A longer list is searched in two steps, each for one half.
const LONG_LIST: u64 = 40_000;
/// So many copies of an id in a long list are treated at once.
const COPIES_AT_ONCE: u64 = 8;
/// The same for active tasks. A list from whose middle tasks are removed is read in few steps.
const ACTIVE_AT_ONCE: u64 = 2_000;

impl Broker {
    /// Looks at some ids of a list or a set.
    pub(crate) async fn look_at_place(
        &self,
        queue: &QueueKeys,
        place: &str,
        kind: PlaceKind,
        from: &str,
    ) -> Result<Looked> {
        let at_once = match kind {
            PlaceKind::Active => ACTIVE_AT_ONCE,
            _ => AT_ONCE,
        };
        let build = || {
            let keys = [place, queue.lease(), queue.deadlines()].map(Key::from);
            let args = vec![
                word(kind.as_str()),
                queue.task_prefix().into(),
                queue.group_prefix().into(),
                from.into(),
                number(at_once),
            ];
            (keys.to_vec(), args)
        };
        let reply = EXAMINE_PLACE.call(self, build).await?;
        looked(reply, EXAMINE_PLACE.name)
    }

    /// Looks at some keys of a queue.
    pub(crate) async fn look_at_keys(&self, queue: &QueueKeys, from: &str) -> Result<Looked> {
        let build = || {
            let keys = [
                queue.scheduled(),
                queue.retry(),
                queue.archived(),
                queue.completed(),
                queue.groups(),
                queue.aggregation_sets(),
                queue.aggregated(),
            ];
            let args = vec![
                queue.pattern().into(),
                from.into(),
                number(KEYS_AT_ONCE),
                queue.task_prefix().into(),
                queue.group_prefix().into(),
                queue.unique_prefix().into(),
                format!("{}:", queue.processed()).into(),
                format!("{}:", queue.failed()).into(),
            ];
            (keys.map(Key::from).to_vec(), args)
        };
        let reply = EXAMINE_KEYS.call(self, build).await?;
        looked(reply, EXAMINE_KEYS.name)
    }

    /// Checks damage of a queue, or repairs it. Returns whether it was there.
    pub(crate) async fn repair(
        &self,
        queue: &QueueKeys,
        damaged: &DamagedPart<'_>,
        mode: RepairMode,
    ) -> Result<bool> {
        let aside = match mode {
            RepairMode::Discard => format!("{}s:", self.deletion_name(queue)),
            _ => String::new(),
        };
        let build = || {
            let keys = [
                queue.pending(),
                queue.active(),
                queue.lease(),
                queue.scheduled(),
                queue.retry(),
                queue.archived(),
                queue.completed(),
                queue.groups(),
                queue.aggregation_sets(),
                queue.aggregated(),
                queue.deadlines(),
                queue.deleted(),
            ];
            let mut args = vec![
                word(mode.as_str()),
                word(damaged.kind),
                damaged.key.into(),
                damaged.member.into(),
                queue.task_prefix().into(),
                queue.group_prefix().into(),
                number(damaged.time),
                number(u8::from(damaged.is_undecodable)),
                aside.as_str().into(),
                damaged.trace.into(),
            ];
            args.extend(damaged.copies.iter().map(|copy| number(*copy)));
            (keys.map(Key::from).to_vec(), args)
        };
        let reply = REPAIR.call(self, build).await?;
        Ok(reply::integer(&reply, REPAIR.name)? == 1)
    }

    /// The messages of these tasks. `None`: the task is gone.
    pub(crate) async fn messages(
        &self,
        queue: &QueueKeys,
        ids: &[Str],
    ) -> Result<Vec<Option<Bytes>>> {
        let read = |id: &Str| Command::on_key("HGET", [queue.task(id).into(), word("msg")]);
        self.send_all(ids.iter().map(read).collect(), "read the messages of tasks")
            .await
    }

    /// How many bytes the messages of these tasks have. 0: the task is gone.
    pub(crate) async fn message_sizes(&self, queue: &QueueKeys, ids: &[Str]) -> Result<Vec<u64>> {
        let size = |id: &Str| Command::on_key("HSTRLEN", [queue.task(id).into(), word("msg")]);
        let sizes = ids.iter().map(size).collect();
        self.send_all(sizes, "read the sizes of messages").await
    }

    /// The types of these keys, as the command `TYPE` names them.
    pub(crate) async fn types_of(&self, keys: &[&str]) -> Result<Vec<String>> {
        let read = |key: &&str| Command::on_key("TYPE", [(*key).into()]);
        self.send_all(keys.iter().map(read).collect(), "read the types of keys")
            .await
    }

    /// About how many ids and keys the examination of a queue looks at. Keys of another type count for nothing.
    pub(crate) async fn examination_size(&self, queue: &QueueKeys) -> Result<u64> {
        let lists = [queue.pending(), queue.active()].map(|key| ("LLEN", key));
        let sets = [
            queue.lease(),
            queue.scheduled(),
            queue.retry(),
            queue.archived(),
            queue.completed(),
        ];
        let sizes = lists.into_iter().chain(sets.map(|key| ("ZCARD", key)));
        let sizes = sizes.map(|(command, key)| Command::on_key(command, [key.into()]));
        let all_keys = Command::without_key("DBSIZE", []).in_slot_of(queue.pending());
        let commands = sizes.chain([all_keys]).collect();
        let sizes = self.open_link()?.send_all(commands).await.into_iter();
        Ok(sizes.flatten().filter_map(|size| size.as_u64()).sum())
    }

    /// Where a long list has this id: how many ids are at its right, and itself. Nothing for a list that the script for
    /// repairs searches itself.
    ///
    /// Each half of the list is searched in a step of its own: Redis walks through it.
    pub(crate) async fn copies_in_long_list(&self, list: &str, id: &str) -> Result<Vec<u64>> {
        const WHAT: &str = "look for an id in a long list";
        let length = Command::on_key("LLEN", [list.into()]);
        let length: u64 = self.send(length, WHAT).await?;
        let mut copies = Vec::new();
        if length <= LONG_LIST {
            return Ok(copies);
        }
        for first in ["1", "-1"] {
            let args = [
                list.into(),
                id.into(),
                word("RANK"),
                word(first),
                word("COUNT"),
                number(COPIES_AT_ONCE),
                word("MAXLEN"),
                number(length / 2 + 1),
            ];
            let found: Vec<u64> = self.send(Command::on_key("LPOS", args), WHAT).await?;
            copies.extend(found.iter().map(|index| length.saturating_sub(*index)));
        }
        copies.sort_unstable();
        copies.dedup();
        copies.truncate(COPIES_AT_ONCE as usize);
        Ok(copies)
    }

    /// Some members of a list of aggregation sets, and where to go on.
    pub(crate) async fn look_at_aggregation_sets(
        &self,
        list: &str,
        from: &str,
    ) -> Result<(Option<String>, Vec<String>)> {
        let args = [list.into(), from.into(), word("COUNT"), number(AT_ONCE)];
        let scan = Command::on_key("ZSCAN", args);
        let (next, members): (String, Vec<Value>) =
            self.send(scan, "list aggregation sets").await?;
        let sets = members.into_iter().step_by(2);
        let sets = sets.filter_map(Value::into_string);
        Ok(((next != "0").then_some(next), sets.collect()))
    }
}

impl PlaceKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Scheduled => "scheduled",
            Self::Retry => "retry",
            Self::Archived => "archived",
            Self::Completed => "completed",
            Self::Aggregating => "aggregating",
            Self::Leases => "lease",
            Self::Groups => "groups",
        }
    }
}

impl RepairMode {
    fn as_str(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Repair => "repair",
            Self::Discard => "discard",
        }
    }
}

fn looked(reply: Value, script: &str) -> Result<Looked> {
    let mut values = reply::array(reply, script)?.into_iter();
    let next = reply::text(values.next().unwrap_or(Value::Null), script)?;
    let mut found = Vec::with_capacity(values.len() / 3);
    let mut has_moved = false;
    while let (Some(word), Some(name), Some(detail)) = (values.next(), values.next(), values.next())
    {
        // asynq's names are texts. Others cannot be named in a repair.
        let (Some(name), word) = (name.into_bytes_str(), reply::text(word, script)?) else {
            continue;
        };
        if &*word == "moved" {
            has_moved = true;
            continue;
        }
        let detail = match detail {
            Value::Integer(n) => n.to_string().into(),
            text => reply::text(text, script)?,
        };
        found.push(Finding { word, name, detail });
    }
    let next = (!next.is_empty()).then(|| next.to_string());
    Ok(Looked {
        next,
        has_moved,
        found,
    })
}
