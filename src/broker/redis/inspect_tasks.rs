//! Reading tasks: where they are listed, and what is stored of them.

use bytes::Bytes;
use fred::types::{Key, Value};

use super::inspect_queue::whole;
use super::script::{ARE_IN_STATE, READ_TASKS, TASK_DETAILS, number, word};
use super::{Broker, reply};
use crate::broker::{ListedId, ListedTask, StoredDetails, StoredLock, Str, TaskPart, TaskPlace};
use crate::connection::{Command, Traffic, has_wrong_type};
use crate::error::{Error, ErrorKind, Result};
use crate::wire::{QueueKeys, TaskState};

/// The most tasks that one call reads.
const TASKS_AT_ONCE: usize = 500;
/// The sizes of how many places one round trip reads.
const SIZES_AT_ONCE: usize = 500;
/// A call reads no more tasks once their messages and results have more bytes than this.
const BYTES_AT_ONCE: usize = 1 << 20;
const LIST: &str = "list tasks";

impl Broker {
    /// How many ids are listed in these places. asynq: `GroupStats`.
    ///
    /// Like [`listed_ids`](Self::listed_ids), it takes a group whose key has a wrong type for an empty one.
    pub(crate) async fn place_sizes(
        &self,
        queue: &QueueKeys,
        places: &[TaskPlace],
    ) -> Result<Vec<u64>> {
        let size = |place: &TaskPlace| {
            let command = if place.is_list() { "LLEN" } else { "ZCARD" };
            Command::on_key(command, [key_of(queue, place).into()])
        };
        let mut sizes = Vec::with_capacity(places.len());
        for places in places.chunks(SIZES_AT_ONCE) {
            let commands = places.iter().map(size).collect();
            let replies = self.send_each(commands, "count tasks").await?;
            for (place, reply) in places.iter().zip(replies) {
                sizes.push(of_place(place, reply)?.unwrap_or_default());
            }
        }
        Ok(sizes)
    }

    /// The ids in a range of each of these places, in the order of Redis: from the left of a list, or by ascending
    /// score. `first` counts from 0; a negative number counts from the end, as in Redis.
    ///
    /// A group whose key has a wrong type has none: it must not hide the other groups.
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
        let replies = self.send_each(ranges.iter().map(read).collect(), LIST);
        let ids = replies.await?.into_iter().zip(ranges);
        ids.map(|(reply, (place, ..))| match of_place(place, reply)? {
            Some(ids) => ids_of(ids, place),
            None => Ok(Vec::new()),
        })
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
            let tasks = ids.iter().map(|id| Key::from(task_key(queue, id)));
            let keys = tasks.chain([Key::from(queue.lease())]).collect();
            let args = vec![
                queue.task_prefix().into(),
                word(state.map_or("", TaskState::as_str)),
                number(BYTES_AT_ONCE as u64),
            ];
            (keys, args)
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

    /// Whether each of these tasks, at most 500, exists and is in this state: what [`read_tasks`](Self::read_tasks) finds,
    /// without the messages.
    pub(crate) async fn are_in_state(
        &self,
        queue: &QueueKeys,
        state: TaskState,
        ids: &[Bytes],
    ) -> Result<Vec<bool>> {
        let build = || {
            let keys = ids.iter().map(|id| Key::from(task_key(queue, id)));
            (keys.collect(), vec![word(state.as_str())])
        };
        let reply = ARE_IN_STATE.call(self, build).await?;
        reply::flags(reply, ids.len(), ARE_IN_STATE.name)
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
        let replies = self.send_each::<Value>(reads, "read a unique lock");
        let mut replies = replies.await?.into_iter();
        let mut next = || replies.next().unwrap_or(Ok(Value::Null));
        let holder = match next() {
            Err(error) if has_wrong_type(&error) => Some(Bytes::new()),
            holder => holder?.into_bytes(),
        };
        // -1: it does not expire. -2: there is none.
        let ttl_ms = next()?.as_i64();
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

/// The reply to a read of a place. `None`: the place is a group, and its key has a wrong type.
fn of_place<T>(place: &TaskPlace, reply: Result<T>) -> Result<Option<T>> {
    match reply {
        Err(error) if matches!(place, TaskPlace::Group(_)) && has_wrong_type(&error) => Ok(None),
        reply => reply.map(Some),
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
