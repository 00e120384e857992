//! New tasks: split into chunks, each of one queue. Each chunk is one script call, and all calls are sent
//! together. If keys lie in different hash slots, an `SADD` of the queue's name comes first.
//!
//! A call whose reply is lost is sent again: these are the attempts of the call. Each attempt may arrive late,
//! even after the next one, so each names the mark of its call: a later attempt writes its number there, and
//! an attempt that finds a higher number than its own has no effect.

use std::collections::HashSet;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use fred::types::{Key, Value};
use futures_util::future::join_all;

use super::script::{ENQUEUE, ENQUEUE_NEW, ENQUEUE_TICK, Script, number, ttl_secs, word};
use super::{Broker, reply};
use crate::broker::{NewTask, Str, Tick};
use crate::connection::{Traffic, map_error_reply};
use crate::error::{Error, ErrorKind, Result};
use crate::wire::{self, DueTime, Placement, TaskMessage, keys};

/// The most tasks in one script call.
const MAX_CHUNK: usize = 100;
/// The most bytes of messages in one script call, unless a single message is larger.
const MAX_CHUNK_BYTES: usize = 96 << 10;
/// How many times a call is sent at most, if each reply is lost.
pub(super) const ATTEMPTS: u32 = 3;
/// The longest time that storing a task may take, whatever the command timeout.
const MAX_ENQUEUE_TIME: Duration = Duration::from_secs(24 * 60 * 60);
/// The pause before a call is sent again is this, times the number of attempts so far.
pub(super) const PAUSE: Duration = Duration::from_millis(50);
/// How long a mark is kept: an attempt that arrives even later has an effect again.
const MARK_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// One sending of a chunk.
struct EnqueueAttempt<'c> {
    chunk: &'c [(usize, NewTask)],
    /// The key of the mark of the call.
    mark: &'c str,
    /// Counts from 1.
    number: u32,
    traffic: Traffic,
    /// The tick of a scheduler's entry whose task makes up the chunk.
    tick: Option<&'c Tick<'c>>,
}

impl Broker {
    /// How long a call that stores tasks takes at most, with all attempts, once it is written. While much is in
    /// flight, it may take longer.
    pub(crate) fn max_enqueue_time(&self) -> Duration {
        let one = self
            .link()
            .command_timeout()
            .saturating_add(PAUSE * ATTEMPTS);
        one.saturating_mul(ATTEMPTS).min(MAX_ENQUEUE_TIME)
    }

    /// Stores one task.
    pub(crate) async fn enqueue_one(&self, task: NewTask) -> Result<()> {
        let chunk = [(0, task)];
        // Passed by reference: a future that is passed by value is part of the next one twice.
        let call = pin!(self.enqueue_chunk(&chunk, Traffic::default(), None));
        let mut replies = self.while_refreshing_clock(call).await;
        replies.pop().unwrap_or_else(no_result).map(|_| ())
    }

    /// Stores the task of a tick, unless the note of the entry forbids it.
    pub(super) async fn store_tick(&self, task: NewTask, tick: &Tick<'_>) -> Result<Stored> {
        let chunk = [(0, task)];
        let call = pin!(self.enqueue_chunk(&chunk, Traffic::default(), Some(tick)));
        let mut replies = self.while_refreshing_clock(call).await;
        replies.pop().unwrap_or_else(no_result)
    }

    /// Stores tasks. The results are in the order of the tasks.
    ///
    /// A call whose reply is lost is sent again. If a task with the same id and message is stored already,
    /// the later attempt counts it as stored.
    pub(crate) async fn enqueue(&self, tasks: Vec<NewTask>) -> Vec<Result<()>> {
        let mut results: Vec<Option<Result<()>>> = tasks.iter().map(|_| None).collect();
        let chunks = chunks(tasks);
        let bulk = queues_with_large_messages(&chunks);
        let calls = chunks.iter().map(|chunk| {
            let is_bulk = bulk.contains(chunk[0].1.keys.queue());
            let traffic = Traffic {
                is_bulk,
                ..Traffic::default()
            };
            self.enqueue_chunk(chunk, traffic, None)
        });
        let calls = join_all(calls);
        let replies = self.while_refreshing_clock(calls).await;
        let (mut stored, mut found) = (Vec::new(), Vec::new());
        for (chunk, replies) in chunks.iter().zip(replies) {
            for ((index, task), reply) in chunk.iter().zip(replies) {
                match &reply {
                    Ok(Stored::Now) => stored.push(task),
                    Ok(Stored::Earlier) => found.push((*index, task)),
                    Ok(Stored::NotYet(_) | Stored::NotAgain(_)) | Err(_) => {}
                }
                results[*index] = Some(reply.map(|_| ()));
            }
        }
        if !found.is_empty() {
            // The message that was found may be that of another task of `tasks` with the same id.
            let mut stored_ids: HashSet<(&str, &str)> = stored.into_iter().map(identity).collect();
            found.sort_unstable_by_key(|(index, _)| *index);
            for (index, task) in found {
                if !stored_ids.insert(identity(task)) {
                    results[index] = Some(Err(conflict(task)));
                }
            }
        }
        results
            .into_iter()
            .map(|result| result.unwrap_or_else(no_result))
            .collect()
    }

    async fn enqueue_chunk(
        &self,
        chunk: &[(usize, NewTask)],
        traffic: Traffic,
        tick: Option<&Tick<'_>>,
    ) -> Vec<Result<Stored>> {
        let queue_keys = &chunk[0].1.keys;
        let mut attempt = EnqueueAttempt {
            chunk,
            mark: &queue_keys.enqueue_mark(&self.enqueue_calls().next()),
            number: 1,
            traffic,
            tick,
        };
        let mut lost = None;
        let failure = loop {
            match (self.send_attempt(&attempt).await, lost.take()) {
                (Ok(results), _) => return results,
                (Err(error), _) if error.is_transient() && attempt.number < ATTEMPTS => {
                    let number = attempt.number;
                    tracing::debug!(%error, attempt = number, "an enqueue got no reply, sending it again");
                    lost = Some(error);
                    tokio::time::sleep(PAUSE * number).await;
                    attempt.number += 1;
                }
                // The earlier attempt may have stored the task, or may still arrive.
                (Err(error), Some(lost)) if !error.is_transient() => {
                    break Error::new(lost.kind(), format!("{lost}; when sent again: {error}"));
                }
                (Err(error), _) => break error,
            }
        };
        let queue = queue_keys.queue();
        chunk
            .iter()
            .map(|(_, task)| {
                Err(Error::new(
                    failure.kind(),
                    format!("enqueue task {:?} to queue {queue:?}: {failure}", task.id),
                ))
            })
            .collect()
    }

    async fn send_attempt(&self, attempt: &EnqueueAttempt<'_>) -> Result<Vec<Result<Stored>>> {
        let chunk = attempt.chunk;
        let queue = chunk[0].1.keys.queue();
        let script = attempt.script();
        let build = |with_queues| attempt.arguments(with_queues, self.clock().now());
        let call = self.call_storing(script, queue, attempt.traffic, build);
        let replies = call.await?;
        if replies.as_i64() == Some(chunk.len() as i64) {
            return Ok(chunk.iter().map(|_| Ok(Stored::Now)).collect());
        }
        let replies = reply::array(replies, script.name)?;
        if replies.len() != chunk.len() {
            return Err(Error::new(
                ErrorKind::Internal,
                format!(
                    "enqueue: {} results for {} tasks",
                    replies.len(),
                    chunk.len()
                ),
            ));
        }
        Ok(replies
            .into_iter()
            .zip(chunk)
            .map(|(reply, (_, task))| self.noted(result_of(reply, task)))
            .collect())
    }
}

impl EnqueueAttempt<'_> {
    fn is_first(&self) -> bool {
        self.number == 1
    }

    /// Whether nothing but a later attempt of this call can have stored a task of the chunk.
    fn is_new(&self) -> bool {
        let is_new = |task: &NewTask| task.is_plain() && task.id_is_random;
        self.is_first() && self.tick.is_none() && self.chunk.iter().all(|(_, task)| is_new(task))
    }

    fn script(&self) -> &'static Script {
        match self.tick {
            Some(_) => &ENQUEUE_TICK,
            None if self.is_new() => &ENQUEUE_NEW,
            None => &ENQUEUE,
        }
    }

    /// The keys and arguments of [`script`](Self::script).
    fn arguments(&self, with_queues: bool, now: DateTime<Utc>) -> (Vec<Key>, Vec<Value>) {
        let queue_keys = &self.chunk[0].1.keys;
        let is_new = self.is_new();
        let mut keys = Vec::with_capacity(5);
        keys.push(Key::from(queue_keys.pending()));
        if !is_new {
            keys.push(queue_keys.scheduled().into());
            keys.push(queue_keys.groups().into());
        }
        if let Some(tick) = self.tick {
            keys.push(queue_keys.tick_note(tick.entry_key).into());
        }
        if with_queues {
            keys.push(Key::from_static_str(keys::QUEUES));
        }
        let mut args: Vec<Value> = Vec::with_capacity(9 + 2 * self.chunk.len());
        args.push(queue_keys.task_prefix().into());
        if is_new {
            args.push(queue_keys.queue().into());
            args.push(self.mark.into());
            args.push(number(now.timestamp_nanos_opt().unwrap_or_default()));
            for (_, task) in self.chunk {
                push_plain(&mut args, task);
            }
        } else {
            args.push(queue_keys.group_prefix().into());
            args.push(queue_keys.queue().into());
            args.push(self.mark.into());
            args.push(number(self.number));
            args.push(number(MARK_TTL.as_secs()));
            if let Some(tick) = self.tick {
                args.push(number(tick.at.timestamp()));
                args.push(number(tick.fencing));
                args.push(ttl_secs(tick.ttl));
                push_with_options(&mut args, &self.chunk[0].1);
            } else {
                push_parts(&mut args, self.chunk);
            }
        }
        (keys, args)
    }
}

/// By which call a task was stored, or why it was not.
pub(super) enum Stored {
    /// By this call.
    Now,
    /// By an earlier call of the same enqueue, whose reply was lost.
    Earlier,
    /// Not stored: the tick is this much later.
    NotYet(Duration),
    /// Not stored: the note of the entry, which this is, forbids the tick.
    NotAgain(Str),
}

fn identity(task: &NewTask) -> (&str, &str) {
    (task.keys.queue(), &task.id)
}

/// The queues for which a chunk is larger than others, because of a single message. All their chunks go over the
/// connection for bulk, so that they stay in their order.
fn queues_with_large_messages(chunks: &[Vec<(usize, NewTask)>]) -> HashSet<&str> {
    let mut queues = HashSet::new();
    for chunk in chunks.iter().filter(|_| chunks.len() > 1) {
        if chunk[0].1.message.len() > MAX_CHUNK_BYTES {
            queues.insert(chunk[0].1.keys.queue());
        }
    }
    queues
}

/// Splits tasks into bounded chunks, each of one queue. Each task keeps its index in the caller's order.
fn chunks(tasks: Vec<NewTask>) -> Vec<Vec<(usize, NewTask)>> {
    let mut chunks: Vec<(usize, Vec<(usize, NewTask)>)> = Vec::new();
    for (index, task) in tasks.into_iter().enumerate() {
        let size = task.message.len();
        let open = chunks
            .iter_mut()
            .rev()
            .find(|(_, chunk)| chunk[0].1.keys.queue() == task.keys.queue());
        match open {
            Some((bytes, chunk)) if chunk.len() < MAX_CHUNK && *bytes + size <= MAX_CHUNK_BYTES => {
                *bytes += size;
                chunk.push((index, task));
            }
            _ => chunks.push((size, vec![(index, task)])),
        }
    }
    chunks.into_iter().map(|(_, chunk)| chunk).collect()
}

/// The tasks as `lua/enqueue.lua` takes them. Consecutive plain tasks make up one part. No id may be twice
/// in one part.
fn push_parts(args: &mut Vec<Value>, chunk: &[(usize, NewTask)]) {
    let mut rest = chunk;
    while let Some((_, first)) = rest.first() {
        let mut ids: HashSet<&str> = HashSet::new();
        let plain = rest
            .iter()
            .take_while(|(_, task)| task.is_plain() && ids.insert(&task.id))
            .count();
        if plain == 0 {
            push_with_options(args, first);
        } else {
            args.push(word("pending"));
            args.push(number(plain as u64));
            for (_, task) in &rest[..plain] {
                push_plain(args, task);
            }
        }
        rest = &rest[plain.max(1)..];
    }
}

fn push_plain(args: &mut Vec<Value>, task: &NewTask) {
    args.push(task.id.clone().into());
    args.push(task.message.clone().into());
}

pub(super) fn push_with_options(args: &mut Vec<Value>, task: &NewTask) {
    let (state, at) = match task.placement {
        Placement::Pending => ("pending", number(0)),
        Placement::Scheduled(due) => ("scheduled", due_argument(due)),
        Placement::Group => ("aggregating", number(0)),
    };
    let (lock, ttl) = match &task.lock {
        Some((key, ttl)) => (key.as_str(), *ttl),
        None => ("", 0),
    };
    args.push(word("more"));
    push_plain(args, task);
    args.push(word(state));
    args.push(at);
    args.push(task.group.as_str().into());
    args.push(lock.into());
    args.push(number(ttl));
}

fn due_argument(due: DueTime) -> Value {
    match due {
        DueTime::At(at) => number(at.timestamp()),
        DueTime::After(delay) => format!("+{}", delay.as_millis()).into(),
    }
}

fn no_result<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Internal, "enqueue: no result"))
}

/// The result of one task, from its element of the reply.
pub(super) fn result_of(value: Value, task: &NewTask) -> Result<Stored> {
    let queue = task.keys.queue();
    match value {
        Value::Integer(1) => Ok(Stored::Now),
        Value::Integer(0) => Err(conflict(task)),
        Value::Array(mut parts) if parts.len() == 2 => {
            let detail = parts.swap_remove(1);
            match parts[0] {
                Value::Integer(-1) => {
                    let holder = reply::text(detail, ENQUEUE.name)?;
                    Err(Error::new(
                        ErrorKind::DuplicateTask,
                        format!(
                            "task already exists in queue {queue:?}: task {holder:?} holds the unique lock"
                        ),
                    )
                    .with_task_id(holder.to_string()))
                }
                Value::Integer(-3) => match reply::bytes(detail, ENQUEUE.name)? {
                    stored if is_same_task(&stored, &task.message) => Ok(Stored::Earlier),
                    _ => Err(conflict(task)),
                },
                Value::Integer(-4) => {
                    let ms = reply::integer(&detail, ENQUEUE_TICK.name)?;
                    Ok(Stored::NotYet(Duration::from_millis(ms.unsigned_abs())))
                }
                Value::Integer(-5) => {
                    let note = reply::text(detail, ENQUEUE_TICK.name)?;
                    Ok(Stored::NotAgain(note))
                }
                _ => Err(map_error_reply(
                    &reply::text(detail, ENQUEUE.name)?,
                    &format!("enqueue task {:?} to queue {queue:?}", task.id),
                )),
            }
        }
        other => Err(reply::unexpected(ENQUEUE.name, &other)),
    }
}

fn conflict(task: &NewTask) -> Error {
    Error::new(
        ErrorKind::TaskIdConflict,
        format!(
            "task id {:?} conflicts with another task in queue {:?}",
            task.id,
            task.keys.queue()
        ),
    )
    .with_task_id(task.id.to_string())
}

/// Whether two messages are equal, apart from the fields that runs change.
pub(super) fn is_same_task(stored: &Bytes, sent: &Bytes) -> bool {
    let as_sent = |raw: &Bytes| {
        wire::decode_task(raw.clone()).map(|message| TaskMessage {
            retried: 0,
            error_msg: String::new(),
            last_failed_at: 0,
            completed_at: 0,
            ..message
        })
    };
    match (as_sent(stored), as_sent(sent)) {
        (Ok(stored), Ok(sent)) => stored == sent,
        _ => false,
    }
}
