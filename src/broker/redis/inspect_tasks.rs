//! Reading tasks: where they are listed, and what is stored of them.

use bytes::Bytes;
use fred::types::{Key, Value};

use super::inspect_queue::whole;
use super::script::{READ_TASKS, TASK_DETAILS, number, word};
use super::{Broker, reply};
use crate::broker::{ListedId, ListedTask, StoredDetails, StoredLock, Str, TaskPart, TaskPlace};
use crate::connection::{Command, Traffic};
use crate::error::{Error, ErrorKind, Result};
use crate::wire::{QueueKeys, TaskState};

/// The most tasks that one call reads.
const TASKS_AT_ONCE: usize = 500;
/// A call reads no more tasks once their messages and results have more bytes than this.
const BYTES_AT_ONCE: usize = 1 << 20;
const LIST: &str = "list tasks";

impl Broker {
    /// How many ids are listed in these places.
    pub(crate) async fn place_sizes(
        &self,
        queue: &QueueKeys,
        places: &[TaskPlace],
    ) -> Result<Vec<u64>> {
        let size = |place: &TaskPlace| {
            let command = if place.is_list() { "LLEN" } else { "ZCARD" };
            Command::on_key(command, [key_of(queue, place).into()])
        };
        self.send_all(places.iter().map(size).collect(), "count tasks")
            .await
    }

    /// The ids in a range of each of these places, in the order of Redis: from the left of a list, or by ascending
    /// score. `first` counts from 0; a negative number counts from the end, as in Redis.
    pub(crate) async fn listed_ids(
        &self,
        queue: &QueueKeys,
        ranges: &[(&TaskPlace, i64, i64)],
    ) -> Result<Vec<Vec<ListedId>>> {
        let read = |(place, first, last): &(&TaskPlace, i64, i64)| {
            let key = key_of(queue, place).into();
            let range = [key, number(*first), number(*last)];
            match place.is_list() {
                true => Command::on_key("LRANGE", range),
                false => {
                    let with_scores = [word("WITHSCORES")];
                    let args: Vec<Value> = range.into_iter().chain(with_scores).collect();
                    Command::on_key("ZRANGE", args)
                }
            }
        };
        let replies: Vec<Value> = self
            .send_all(ranges.iter().map(read).collect(), LIST)
            .await?;
        let ids = replies.into_iter().zip(ranges);
        ids.map(|(reply, (place, ..))| ids_of(reply, place))
            .collect()
    }

    /// Reads tasks, at most 500 at once: perhaps fewer than asked for, but one at least. With a state, only those that
    /// are in it.
    pub(crate) async fn read_tasks(
        &self,
        queue: &QueueKeys,
        state: Option<TaskState>,
        ids: &[Bytes],
    ) -> Result<TaskPart> {
        let ids = &ids[..ids.len().min(TASKS_AT_ONCE)];
        let build = || {
            let mut args: Vec<Value> = Vec::with_capacity(3 + ids.len());
            args.push(queue.task_prefix().into());
            args.push(word(state.map_or("", TaskState::as_str)));
            args.push(number(BYTES_AT_ONCE as u64));
            args.extend(ids.iter().cloned().map(Value::from));
            (vec![Key::from(queue.lease())], args)
        };
        let traffic = Traffic {
            most_reply_bytes: BYTES_AT_ONCE,
            ..Traffic::default()
        };
        let name = READ_TASKS.name;
        let reply = READ_TASKS.call_with(self, traffic, build).await?;
        let mut values = reply::array(reply, name)?.into_iter();
        let now = reply::integer(&values.next().unwrap_or(Value::Null), name)?;
        let mut tasks = Vec::with_capacity(ids.len());
        while let (Some(message), Some(result), Some(since), Some(lease)) =
            (values.next(), values.next(), values.next(), values.next())
        {
            tasks.push(message.into_bytes().map(|message| ListedTask {
                message,
                result: result.into_bytes(),
                pending_since: whole(since),
                lease: score(lease),
            }));
        }
        Ok(TaskPart { now, tasks })
    }

    /// How many of these tasks exist.
    pub(crate) async fn count_existing(&self, queue: &QueueKeys, ids: &[Bytes]) -> Result<u64> {
        let count = |ids: &[Bytes]| {
            let key = |id: &Bytes| Value::from(task_key(queue, id));
            Command::on_key("EXISTS", ids.iter().map(key).collect::<Vec<_>>())
        };
        let counts = ids.chunks(TASKS_AT_ONCE).map(count).collect();
        let counts: Vec<u64> = self.send_all(counts, "count tasks").await?;
        Ok(counts.into_iter().sum())
    }

    /// All that is stored of a task. `None`: there is no task with this id.
    pub(crate) async fn task(&self, queue: &QueueKeys, id: &str) -> Result<Option<StoredDetails>> {
        let build = || {
            let keys = vec![
                Key::from(queue.task(id)),
                Key::from(queue.lease()),
                Key::from(queue.scheduled()),
                Key::from(queue.retry()),
                Key::from(queue.archived()),
                Key::from(queue.completed()),
            ];
            (keys, vec![id.into(), queue.group_prefix().into()])
        };
        let name = TASK_DETAILS.name;
        let reply = TASK_DETAILS.call(self, build).await?;
        if reply.is_null() {
            return Ok(None);
        }
        let mut values = reply::array(reply, name)?.into_iter();
        let mut next = || values.next().unwrap_or(Value::Null);
        let now = reply::integer(&next(), name)?;
        let message = reply::bytes(next(), name)?;
        let state = text(next()).unwrap_or_default();
        let state = state.parse().map_err(|error| {
            let text = format!("task {id:?} in queue {:?}: {error}", queue.queue());
            let undecodable = Error::new(ErrorKind::Undecodable, text).with_task_id(id);
            undecodable.with_source(error)
        })?;
        let (result, since) = (next().into_bytes(), whole(next()));
        let (group, later_group) = (text(next()), text(next()));
        let (lock, owner) = (text(next()), text(next()));
        let lease = score(next());
        let task = ListedTask {
            message,
            result,
            pending_since: since,
            lease,
        };
        Ok(Some(StoredDetails {
            now,
            state,
            task,
            group: group.or(later_group),
            lock,
            owner: owner.and_then(|owner| owner_of(&owner, lease)),
            score: score(next()),
        }))
    }

    /// Who holds a unique lock, and for how long.
    pub(crate) async fn lock(&self, key: &str) -> Result<StoredLock> {
        let read = |command| Command::on_key(command, [key.into()]);
        let reads = vec![read("GET"), read("PTTL")];
        let mut replies = self
            .send_all::<Value>(reads, "read a unique lock")
            .await?
            .into_iter();
        let holder = replies.next().and_then(Value::into_bytes);
        // -1: it does not expire. -2: there is none.
        let ttl_ms = replies.next().and_then(|ttl| ttl.as_i64());
        Ok(StoredLock {
            holder,
            ttl_ms: ttl_ms.and_then(|ttl| u64::try_from(ttl).ok()),
        })
    }
}

impl TaskPlace {
    /// Whether it is a list, and not a sorted set.
    pub(crate) fn is_list(&self) -> bool {
        matches!(self, Self::State(TaskState::Pending | TaskState::Active))
    }
}

fn key_of(queue: &QueueKeys, place: &TaskPlace) -> String {
    match place {
        TaskPlace::State(TaskState::Pending) => queue.pending().to_owned(),
        TaskPlace::State(TaskState::Active) => queue.active().to_owned(),
        TaskPlace::State(TaskState::Scheduled) => queue.scheduled().to_owned(),
        TaskPlace::State(TaskState::Retry) => queue.retry().to_owned(),
        TaskPlace::State(TaskState::Archived) => queue.archived().to_owned(),
        TaskPlace::State(TaskState::Completed) => queue.completed().to_owned(),
        // The group without a name. Nobody asks for it.
        TaskPlace::State(TaskState::Aggregating) => queue.group(""),
        TaskPlace::Group(group) => queue.group(group),
    }
}

fn task_key(queue: &QueueKeys, id: &Bytes) -> Bytes {
    [queue.task_prefix().as_bytes(), id].concat().into()
}

fn ids_of(reply: Value, place: &TaskPlace) -> Result<Vec<ListedId>> {
    let mut values = reply::array(reply, LIST)?.into_iter();
    let mut ids = Vec::with_capacity(values.len());
    while let Some(value) = values.next() {
        ids.push(match value {
            // RESP3
            Value::Array(pair) => {
                let [id, score] = <[Value; 2]>::try_from(pair)
                    .map_err(|pair| reply::unexpected(LIST, &Value::Array(pair)))?;
                ListedId {
                    id: reply::bytes(id, LIST)?,
                    score: score.as_f64(),
                }
            }
            id => ListedId {
                id: reply::bytes(id, LIST)?,
                score: match place.is_list() {
                    true => None,
                    false => values.next().and_then(|score| score.as_f64()),
                },
            },
        });
    }
    Ok(ids)
}

/// The owner that a field `rasynq_owner` names. `None`: the lease is not the one that was written with the field, so
/// somebody else has it.
fn owner_of(field: &str, lease: Option<i64>) -> Option<String> {
    let (token, written) = field.rsplit_once('@')?;
    let (owner, _) = token.split_once(':')?;
    (written.parse().ok() == Some(lease?)).then(|| owner.to_owned())
}

/// A score in whole seconds.
fn score(value: Value) -> Option<i64> {
    value.as_f64().map(|score| score as i64)
}

fn text(value: Value) -> Option<Str> {
    reply::text(value, TASK_DETAILS.name).ok()
}
