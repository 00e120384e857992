//! Acknowledgements: outcomes of one kind and one queue in one script call, each with its own result.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Days, Utc};
use fred::types::{Key, Value};

use super::script::{ARCHIVE, COMPLETE, DONE, REQUEUE, RETRY, Script, number, word};
use super::{Broker, reply};
use crate::broker::{Acknowledgement, ActiveRange, Authority, COUNTER_DAYS, Outcome};
use crate::error::Result;
use crate::wire::{self, QueueKeys, TaskMessage};

/// A message that begins with this many bytes of the stored one, or more, is not sent whole.
const LEAST_KEPT: usize = 1024;
/// The most bytes of a message that are sent, if less can be sent. Whatever its limit for an argument, Redis
/// takes this many: an acknowledgement that Redis refused for its size would wait for ever.
const MOST_SENT: usize = 256 << 10;

impl Broker {
    /// Writes outcomes, all of one kind and one queue. Returns for each task whether its outcome was
    /// written. [`Authority`] has the conditions.
    pub(crate) async fn acknowledge(
        &self,
        queue: &QueueKeys,
        acknowledgements: &[&Acknowledgement],
        authority: Authority,
        now: DateTime<Utc>,
    ) -> Result<Vec<bool>> {
        let Some(first) = acknowledgements.first() else {
            return Ok(Vec::new());
        };
        let build = || call_for(&first.outcome, queue, acknowledgements, authority, now);
        let call = build();
        let script = call.script;
        let mut first_call = Some(call);
        let build_again = || {
            let call = first_call.take().unwrap_or_else(build);
            (call.keys, call.args)
        };
        let reply = script.call(self, build_again).await?;
        reply::flags(reply, acknowledgements.len(), script.name)
    }
}

/// The script call that writes outcomes of one kind.
fn call_for(
    kind: &Outcome,
    queue: &QueueKeys,
    acknowledgements: &[&Acknowledgement],
    authority: Authority,
    now: DateTime<Utc>,
) -> AckCall {
    let call = |script| AckCall::new(script, queue);
    match kind {
        Outcome::Done { .. } => call(&DONE)
            .processed(queue, now)
            .arg(active_range(authority))
            .done(acknowledgements),
        Outcome::Completed { .. } => call(&COMPLETE)
            .key(queue.completed())
            .processed(queue, now)
            .each(acknowledgements),
        Outcome::Retry { .. } => call(&RETRY)
            .key(queue.retry())
            .processed_and_failed(queue, now)
            .arg(expired_secs(authority))
            .arg(word("retry"))
            .each(acknowledgements),
        Outcome::Deferred { .. } => call(&RETRY)
            .key(queue.scheduled())
            .processed_and_failed(queue, now)
            .arg(expired_secs(authority))
            .arg(word("scheduled"))
            .each(acknowledgements),
        Outcome::Archived { limits, .. } => call(&ARCHIVE)
            .key(queue.archived())
            .processed_and_failed(queue, now)
            .arg(expired_secs(authority))
            .arg(number(limits.max_size))
            .arg(number(limits.max_age_secs))
            .each(acknowledgements),
        Outcome::Requeued => call(&REQUEUE).key(queue.pending()).each(acknowledgements),
    }
}

/// The arguments for one task: its claim, and the fields of its outcome.
fn push_task(args: &mut Vec<Value>, Acknowledgement { claim, outcome }: &Acknowledgement) {
    let change = new_message(outcome).map(|message| MessageChange::new(&claim.message, message));
    args.push(claim.id.clone().into());
    args.push(claim.proof.clone().into());
    match outcome {
        Outcome::Done { .. } | Outcome::Requeued => {}
        Outcome::Completed {
            lock, retention, ..
        } => {
            args.push(text_or_empty(lock));
            push_change(args, change);
            args.push(millis(*retention));
        }
        Outcome::Retry { delay, counted, .. } => {
            args.push(millis(*delay));
            push_change(args, change);
            args.push(flag(*counted));
        }
        Outcome::Deferred { delay } => {
            args.push(millis(*delay));
            push_change(args, change);
            args.push(flag(false));
        }
        Outcome::Archived { counted, .. } => {
            push_change(args, change);
            args.push(flag(*counted));
        }
    }
}

/// The message to store. `None`: the stored message stays as it is, or is deleted.
fn new_message(outcome: &Outcome) -> Option<&Bytes> {
    match outcome {
        Outcome::Completed { message, .. } | Outcome::Retry { message, .. } => Some(message),
        Outcome::Archived { message, .. } => message.as_ref(),
        Outcome::Done { .. } | Outcome::Deferred { .. } | Outcome::Requeued => None,
    }
}

/// What differs between the stored message and the one to store.
struct MessageChange {
    /// How many bytes of the stored message stay.
    kept: usize,
    /// What follows these bytes.
    rest: Bytes,
}

impl MessageChange {
    fn new(stored: &Bytes, message: &Bytes) -> Self {
        let kept = match common_prefix(stored, message) {
            // A few bytes are sent again: that costs less than to read them from the stored message.
            kept if kept < LEAST_KEPT => 0,
            kept => kept,
        };
        if message.len() - kept > MOST_SENT
            && let Some(change) = Self::appended(stored, message)
        {
            return change;
        }
        Self {
            kept,
            rest: message.slice(kept..),
        }
    }

    /// Keeps all of the stored message, with the fields that a run changes behind it. Readers of protobuf take
    /// the last value of a field. A message with large headers needs this: they come last in a message.
    fn appended(stored: &Bytes, message: &Bytes) -> Option<Self> {
        let TaskMessage {
            retried,
            error_msg,
            last_failed_at,
            completed_at,
            ..
        } = wire::decode_task(message.clone()).ok()?;
        let fields = TaskMessage {
            retried,
            error_msg,
            last_failed_at,
            completed_at,
            ..TaskMessage::default()
        };
        Some(Self {
            kept: stored.len(),
            rest: wire::encode(&fields),
        })
    }
}

fn push_change(args: &mut Vec<Value>, change: Option<MessageChange>) {
    match change {
        Some(MessageChange { kept, rest }) => args.extend([number(kept as u64), rest.into()]),
        None => args.extend([word(""), word("")]),
    }
}

/// With how many bytes two messages begin alike.
fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    const BLOCK: usize = 4096;
    let blocks = a.chunks_exact(BLOCK).zip(b.chunks_exact(BLOCK));
    let alike = BLOCK * blocks.take_while(|(a, b)| a == b).count();
    let bytes = a[alike..].iter().zip(&b[alike..]);
    alike + bytes.take_while(|(a, b)| a == b).count()
}

/// A script call while its keys and arguments are collected.
struct AckCall {
    script: &'static Script,
    keys: Vec<Key>,
    args: Vec<Value>,
}

impl AckCall {
    fn new(script: &'static Script, queue: &QueueKeys) -> Self {
        Self {
            script,
            keys: vec![Key::from(queue.active()), Key::from(queue.lease())],
            args: vec![queue.task_prefix().into()],
        }
    }

    fn key(mut self, key: &str) -> Self {
        self.keys.push(Key::from(key));
        self
    }

    fn arg(mut self, arg: Value) -> Self {
        self.args.push(arg);
        self
    }

    /// The counters of processed tasks, and the time at which the counter of the day expires.
    fn processed(mut self, queue: &QueueKeys, now: DateTime<Utc>) -> Self {
        self.keys.extend(processed_keys(queue, now));
        self.args.push(day_counters_expiry(now));
        self
    }

    /// The same, and the counters of failed tasks.
    fn processed_and_failed(self, queue: &QueueKeys, now: DateTime<Utc>) -> Self {
        let of_the_day = queue.failed_on(now.date_naive());
        self.processed(queue, now)
            .key(&of_the_day)
            .key(queue.failed())
    }

    /// For each task its claim and the fields of its outcome.
    fn each(mut self, acknowledgements: &[&Acknowledgement]) -> Self {
        self.args.reserve(6 * acknowledgements.len());
        for acknowledgement in acknowledgements {
            push_task(&mut self.args, acknowledgement);
        }
        self
    }

    fn done(mut self, acknowledgements: &[&Acknowledgement]) -> Self {
        self.args.reserve(2 + 2 * acknowledgements.len());
        push_done(&mut self.args, acknowledgements);
        self
    }
}

/// Done tasks as `lua/lib/done.lua` takes them. Consecutive tasks with the same owner token and without locks
/// make up one part.
pub(super) fn push_done(args: &mut Vec<Value>, acknowledgements: &[&Acknowledgement]) {
    let mut rest = acknowledgements;
    while let Some(first) = rest.first() {
        let owner = &first.claim.proof;
        let plain = rest
            .iter()
            .take_while(|task| lock_of(task).is_none() && task.claim.proof == *owner)
            .count();
        args.push(owner.clone().into());
        if plain == 0 {
            args.push(word("locked"));
            args.push(first.claim.id.clone().into());
            args.push(text_or_empty(lock_of(first)));
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

fn lock_of(acknowledgement: &Acknowledgement) -> &Option<String> {
    match &acknowledgement.outcome {
        Outcome::Done { lock } => lock,
        _ => &None,
    }
}

/// The counters of processed tasks: of the day, and in total.
pub(super) fn processed_keys(queue: &QueueKeys, now: DateTime<Utc>) -> [Key; 2] {
    let of_the_day = queue.processed_on(now.date_naive());
    [Key::from(of_the_day), Key::from(queue.processed())]
}

/// The time at which the counters of the day of `now` expire (unix s).
pub(super) fn day_counters_expiry(now: DateTime<Utc>) -> Value {
    number((now + Days::new(COUNTER_DAYS)).timestamp())
}

/// The range as an argument: `n` for the n newest tasks of *active*, `-n` for the n oldest.
pub(super) fn range(range: ActiveRange) -> Value {
    match range {
        ActiveRange::Newest(n) => number(n as i64),
        ActiveRange::Oldest(n) => number(-(n as i64)),
    }
}

fn active_range(authority: Authority) -> Value {
    match authority {
        Authority::Owner(active) => range(active),
        // A recoverer has no done tasks.
        Authority::Recoverer { .. } => range(ActiveRange::Oldest(1)),
    }
}

fn expired_secs(authority: Authority) -> Value {
    match authority {
        Authority::Owner(_) => word(""),
        Authority::Recoverer { expired_secs } => number(expired_secs),
    }
}

fn text_or_empty(text: &Option<String>) -> Value {
    text.as_deref().unwrap_or_default().into()
}

/// A duration in whole milliseconds.
fn millis(duration: Duration) -> Value {
    number(duration.as_millis())
}

fn flag(set: bool) -> Value {
    word(if set { "1" } else { "0" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_keeps_the_bytes_that_it_begins_with_unless_they_are_few() {
        let payload = "x".repeat(10_000);
        let stored = Bytes::from(format!("{payload} old"));
        let message = Bytes::from(format!("{payload} and new"));
        for (stored, kept, rest) in [
            (&stored, 10_001, &b"and new"[..]),
            (&message, message.len(), b""),
            (&Bytes::from_static(b"xxx"), 0, &message),
            (&Bytes::new(), 0, &message),
        ] {
            let change = MessageChange::new(stored, &message);
            assert_eq!((change.kept, &*change.rest), (kept, rest));
        }
    }

    #[test]
    fn of_a_large_message_in_another_order_only_the_changed_fields_are_sent() {
        let header = |name: &str| (name.to_owned(), "x".repeat(MOST_SENT));
        let stored = TaskMessage {
            id: "id".to_owned(),
            retried: 1,
            headers: [header("a"), header("b")].into(),
            ..TaskMessage::default()
        };
        let message = TaskMessage {
            retried: 2,
            error_msg: "boom".to_owned(),
            last_failed_at: 7,
            ..stored.clone()
        };
        // As Go may have encoded it: with the headers in any order.
        let [a, b] = ["a", "b"].map(|name| TaskMessage {
            headers: [header(name)].into(),
            ..TaskMessage::default()
        });
        let rest = TaskMessage {
            headers: [].into(),
            ..stored
        };
        let stored = [wire::encode(&b), wire::encode(&a), wire::encode(&rest)].concat();
        let change = MessageChange::new(&stored.clone().into(), &wire::encode(&message));
        assert_eq!(change.kept, stored.len());
        assert!(change.rest.len() < 100);
        let written = [stored, change.rest.into()].concat();
        assert_eq!(wire::decode_task(written.into()), Ok(message));
    }
}
