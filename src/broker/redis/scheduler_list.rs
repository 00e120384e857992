//! What a scheduler shows: the list of its entries, and the history of each entry.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use fred::types::{Key, Value};

use super::inspect_servers::members;
use super::script::{RECORD_EVENT, WRITE_SCHEDULER, number, ttl_secs, word};
use super::{Broker, reply};
use crate::broker::{SchedulerKeys, Str};
use crate::connection::{Command, has_wrong_type};
use crate::error::{Error, ErrorKind, Result};
use crate::wire::keys;

/// The most entries in one call, and the most bytes of them unless a single one is larger.
const MAX_ENTRIES: usize = 500;
const MAX_ENTRY_BYTES: usize = 256 << 10;
/// How many events of an entry are kept, as in asynq.
const MAX_EVENTS: u64 = 1_000;
/// How many histories are deleted at once.
const MAX_HISTORIES: usize = 500;
const READ_ENTRIES: &str = "read the entries of a scheduler";

impl Broker {
    /// Shows the entries (`SchedulerEntry`) of a scheduler, in place of those shown before, for `ttl`. A reader
    /// sees the old ones or the new ones. A scheduler without entries is shown too.
    ///
    /// The member of the global set is written first, as in asynq.
    pub(crate) async fn write_scheduler(
        &self,
        scheduler: &SchedulerKeys,
        entries: Vec<Bytes>,
        ttl: Duration,
    ) -> Result<()> {
        let expires_at = self.clock().now() + ttl;
        let member = [
            word(keys::SCHEDULERS),
            number(expires_at.timestamp()),
            scheduler.entries.as_str().into(),
        ];
        let add = Command::on_key("ZADD", member);
        let _: i64 = self.send(add, "write the list of schedulers").await?;
        let mut rest = entries.as_slice();
        loop {
            let prepared = entries.len() - rest.len();
            let (part, after) = rest.split_at(part_len(rest));
            rest = after;
            let build = || {
                let keys = vec![
                    Key::from(scheduler.entries.as_str()),
                    Key::from(scheduler.spare_entries.as_str()),
                ];
                let mut args: Vec<Value> = Vec::with_capacity(3 + part.len());
                args.push(ttl_secs(ttl));
                args.push(number(prepared as u64));
                args.push(number(u8::from(rest.is_empty())));
                args.extend(part.iter().cloned().map(Value::from));
                (keys, args)
            };
            let added = WRITE_SCHEDULER.call(self, build).await?;
            if reply::integer(&added, WRITE_SCHEDULER.name)? != 1 {
                let text = "write the scheduler's entries: Redis has lost those sent before";
                return Err(Error::new(ErrorKind::Unavailable, text));
            }
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    /// Shows a scheduler no more.
    pub(crate) async fn clear_scheduler(&self, scheduler: &SchedulerKeys) -> Result<()> {
        let key = || Value::from(scheduler.entries.as_str());
        let removals = vec![
            Command::on_key("ZREM", [word(keys::SCHEDULERS), key()]),
            Command::on_key("UNLINK", [key(), scheduler.spare_entries.as_str().into()]),
        ];
        let replies = self.send_all::<i64>(removals, "remove the scheduler's entries");
        replies.await.map(drop)
    }

    /// Adds an event (`SchedulerEnqueueEvent`) to the history of an entry. The newest 1,000 are kept, and the
    /// history expires after `ttl`.
    pub(crate) async fn record_enqueue_event(
        &self,
        entry_id: &str,
        event: Bytes,
        at: DateTime<Utc>,
        ttl: Duration,
    ) -> Result<()> {
        let build = || {
            let args = vec![
                number(at.timestamp()),
                event.clone().into(),
                number(MAX_EVENTS),
                ttl_secs(ttl),
            ];
            (vec![Key::from(keys::scheduler_history(entry_id))], args)
        };
        RECORD_EVENT.call(self, build).await.map(drop)
    }

    /// Deletes the histories of entries.
    pub(crate) async fn delete_histories(&self, entry_ids: &[Str]) -> Result<()> {
        for ids in entry_ids.chunks(MAX_HISTORIES) {
            let history = |id: &Str| keys::scheduler_history(id).into();
            let deletions = ids
                .iter()
                .map(|id| Command::on_key("UNLINK", [history(id)]));
            let replies =
                self.send_all::<i64>(deletions.collect(), "delete a scheduler entry's history");
            replies.await?;
        }
        Ok(())
    }

    /// The ids of the schedulers that are alive: first the one whose list expires last. Removes those that are over
    /// from the list of schedulers.
    pub(crate) async fn scheduler_ids(&self) -> Result<Vec<String>> {
        const WHAT: &str = "list schedulers";
        let now = self.redis_time_unix_secs().await?;
        let over = [
            word(keys::SCHEDULERS),
            word("-inf"),
            // a score is in whole seconds: in its second a scheduler may still be alive
            number(now - 1),
        ];
        let over = Command::on_key("ZREMRANGEBYSCORE", over);
        let _: i64 = self.send(over, WHAT).await?;
        let all = [word(keys::SCHEDULERS), word("0"), word("-1"), word("REV")];
        let members = members(self.send(Command::on_key("ZRANGE", all), WHAT).await?, WHAT)?;
        let ids = members.iter().filter_map(|key| keys::scheduler_id(key));
        Ok(ids.map(str::to_owned).collect())
    }

    /// How many entries each of these schedulers shows.
    pub(crate) async fn scheduler_sizes(&self, ids: &[String]) -> Result<Vec<usize>> {
        let count = |id: &String| Command::on_key("LLEN", [keys::scheduler_entries(id).into()]);
        let counts = ids.iter().map(count).collect();
        let counts = self.send_each(counts, READ_ENTRIES).await?;
        let counts = ids.iter().zip(counts);
        counts.map(|(id, count)| or_nothing(id, count)).collect()
    }

    /// The entries that a scheduler shows.
    pub(crate) async fn scheduler_entries(&self, id: &str) -> Result<Vec<Bytes>> {
        let all = [
            keys::scheduler_entries(id).into(),
            word("0"),
            // In one call: the list may be exchanged between two.
            word("-1"),
        ];
        let entries = self
            .send(Command::on_key("LRANGE", all), READ_ENTRIES)
            .await;
        or_nothing(id, entries)
    }

    /// The id of the scheduler that leads all its entries. `None`: there is none that is alive.
    pub(crate) async fn scheduler_leader(&self) -> Result<Option<String>> {
        const WHAT: &str = "look up the leader of the schedulers";
        let id = [word(keys::SCHEDULER_LEADER), word("id")];
        let id: Option<String> = self.send(Command::on_key("HGET", id), WHAT).await?;
        let Some(id) = id else {
            return Ok(None);
        };
        let score = [word(keys::SCHEDULER_MEMBERS), id.as_str().into()];
        let until_ms: Option<f64> = self.send(Command::on_key("ZSCORE", score), WHAT).await?;
        let now = self.redis_time_unix_secs().await?;
        Ok(until_ms.filter(|ms| *ms > now as f64 * 1000.0).map(|_| id))
    }

    /// Events of an entry, the newest first: `count` of them, without the newest `skip`.
    pub(crate) async fn enqueue_events(
        &self,
        entry_id: &str,
        skip: u64,
        count: u64,
    ) -> Result<Vec<Bytes>> {
        let last = skip.saturating_add(count).saturating_sub(1);
        let history = keys::scheduler_history(entry_id).into();
        let newest = [history, number(skip), number(last), word("REV")];
        let newest = Command::on_key("ZRANGE", newest);
        self.send(newest, "read a scheduler entry's history").await
    }

    /// Whether each of these histories has an event of this time (unix s) or later. A key of another type has none.
    pub(crate) async fn have_events_since(
        &self,
        histories: &[String],
        since: i64,
    ) -> Result<Vec<bool>> {
        let count = |key: &String| {
            let args = [key.as_str().into(), number(since), word("+inf")];
            Command::on_key("ZCOUNT", args)
        };
        let counts = histories.iter().map(count).collect();
        let counts = self.send_each::<i64>(counts, "look for new events").await?;
        let has_events = counts.into_iter().map(|count| match count {
            Err(error) if has_wrong_type(&error) => Ok(false),
            count => Ok(count? > 0),
        });
        has_events.collect()
    }
}

/// Other schedulers are listed all the same if the entries of one cannot be read.
fn or_nothing<T: Default>(scheduler: &str, read: Result<T>) -> Result<T> {
    match read {
        Err(error) if error.kind() == ErrorKind::Redis => {
            tracing::warn!(scheduler, %error, "the entries of a scheduler cannot be read");
            Ok(T::default())
        }
        read => read,
    }
}

/// How many entries make up the next call.
fn part_len(entries: &[Bytes]) -> usize {
    let mut bytes = 0;
    let fits = |entry: &&Bytes| {
        bytes += entry.len();
        bytes <= MAX_ENTRY_BYTES
    };
    let fitting = entries.iter().take(MAX_ENTRIES).take_while(fits).count();
    fitting.max(1).min(entries.len())
}
