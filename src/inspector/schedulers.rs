//! Reads schedulers, their entries, and what the entries have enqueued.

use std::collections::HashSet;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::Inspector;
use crate::error::{Error, Result};
use crate::wire::{self, Timestamp};

/// A scheduler that is alive. asynq does not list schedulers, only their entries.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SchedulerInfo {
    /// The id of the scheduler, of the form `host:pid:uuid`.
    pub id: String,
    /// The name of the host on which it runs.
    pub host: String,
    /// The id of its process. 0 if the scheduler's id has another form.
    pub pid: u32,
    /// Whether it leads all its entries. The others lead the entries that no other live scheduler has. Schedulers of
    /// asynq, and those without leader election, never show as leaders.
    pub is_leader: bool,
    /// The number of entries for which it enqueues tasks.
    pub entries: usize,
}

/// An entry of a scheduler: what it enqueues, and when. asynq: `SchedulerEntry`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SchedulerEntryInfo {
    /// The id of the entry, a UUID.
    pub id: String,
    /// The cron spec.
    pub spec: String,
    /// The type of the tasks.
    pub task_type: String,
    /// The payload of the tasks.
    pub payload: Bytes,
    /// The options of the entry, as Go prints them: `Queue("critical")`.
    pub options: Vec<String>,
    /// When the next tick comes. `None`: never.
    pub next: Option<DateTime<Utc>>,
    /// The last tick whose task was enqueued. `None`: none was.
    pub previous: Option<DateTime<Utc>>,
}

/// A task that an entry of a scheduler has enqueued. asynq: `SchedulerEnqueueEvent`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct EnqueueEvent {
    /// The id of the task.
    pub task_id: String,
    /// When it was enqueued.
    pub enqueued_at: DateTime<Utc>,
}

impl Inspector {
    /// The schedulers that are alive, of rasynq and of asynq, sorted by id.
    ///
    /// A scheduler that leads no entries is listed too, because another one leads them. A scheduler that was killed
    /// is listed for up to two of its heartbeat intervals.
    ///
    /// # Errors
    /// The errors of [`queues`](Self::queues).
    ///
    /// # Cancel safety
    /// It reads, and removes schedulers that are over from the list; the future may be dropped at any time.
    pub async fn schedulers(&self) -> Result<Vec<SchedulerInfo>> {
        let leader = self.broker.scheduler_leader().await?;
        let ids = self.broker.scheduler_ids().await?;
        let sizes = self.broker.scheduler_sizes(&ids).await?;
        let mut infos: Vec<SchedulerInfo> = ids
            .into_iter()
            .zip(sizes)
            .map(|(id, entries)| {
                let mut parts = id.rsplitn(3, ':').skip(1);
                let pid = parts.next().and_then(|pid| pid.parse().ok());
                SchedulerInfo {
                    host: parts.next().unwrap_or_default().to_owned(),
                    pid: pid.unwrap_or_default(),
                    is_leader: leader.as_ref() == Some(&id),
                    entries,
                    id,
                }
            })
            .collect();
        infos.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(infos)
    }

    /// The entries of all schedulers that are alive, in no particular order. asynq: `SchedulerEntries`.
    ///
    /// Each entry is listed once, by the scheduler that enqueues its tasks. After a scheduler was killed, the list of the
    /// one that has taken over counts; asynq's inspector and asynqmon show both for two heartbeat intervals. An entry
    /// that does not decode is left out, with a warning in the log.
    ///
    /// ```no_run
    /// # async fn example() -> rasynq::Result<()> {
    /// use rasynq::{Connection, Inspector};
    /// let inspector = Inspector::connect(&Connection::from_uri("redis://localhost")?).await?;
    /// for entry in inspector.scheduler_entries().await? {
    ///     println!("{} {}: next at {:?}", entry.spec, entry.task_type, entry.next);
    ///     for event in inspector.enqueue_events(&entry.id, 1, 10).await? {
    ///         println!("  {}: task {}", event.enqueued_at, event.task_id);
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The errors of [`queues`](Self::queues).
    ///
    /// # Cancel safety
    /// It reads, and removes schedulers that are over from the list; the future may be dropped at any time.
    pub async fn scheduler_entries(&self) -> Result<Vec<SchedulerEntryInfo>> {
        let mut entries = Vec::new();
        // The list that was written last comes first. Another scheduler may have led its entries before.
        let mut seen: HashSet<String> = HashSet::new();
        for scheduler in self.broker.scheduler_ids().await? {
            let first = entries.len();
            for raw in self.broker.scheduler_entries(&scheduler).await? {
                match wire::decode_scheduler_entry(raw) {
                    Ok(entry) if seen.contains(&entry.id) => {}
                    Ok(entry) => entries.push(SchedulerEntryInfo {
                        id: entry.id,
                        spec: entry.spec,
                        task_type: entry.task_type,
                        payload: entry.task_payload,
                        options: entry.enqueue_options,
                        next: Timestamp::field_to_moment(entry.next_enqueue_time),
                        previous: Timestamp::field_to_moment(entry.prev_enqueue_time),
                    }),
                    Err(error) => tracing::warn!(
                        scheduler,
                        %error,
                        "an entry of a scheduler does not decode, it is left out"
                    ),
                }
            }
            let listed: &[SchedulerEntryInfo] = &entries[first..];
            // One list may repeat an id, and entries that other programs write may have none.
            let ids = listed.iter().map(|entry| entry.id.clone());
            seen.extend(ids.filter(|id| !id.is_empty()));
        }
        Ok(entries)
    }

    /// The tasks that an entry has enqueued, the newest first, one page of `page_size`. Pages count from 1. asynq:
    /// `ListSchedulerEnqueueEvents`.
    ///
    /// The newest 1,000 are kept. An entry that does not exist has none. An event that does not decode is left out,
    /// with a warning in the log.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if `page` or `page_size` is 0, and the errors of
    /// [`queues`](Self::queues).
    ///
    /// # Cancel safety
    /// It only reads; the future may be dropped at any time.
    pub async fn enqueue_events(
        &self,
        entry_id: &str,
        page: u64,
        page_size: u64,
    ) -> Result<Vec<EnqueueEvent>> {
        if page == 0 || page_size == 0 {
            let text = format!("page {page} of {page_size} enqueue events: both are at least 1");
            return Err(Error::invalid(text));
        }
        let skip = (page - 1).saturating_mul(page_size);
        let raw = self
            .broker
            .enqueue_events(entry_id, skip, page_size)
            .await?;
        let mut events = Vec::with_capacity(raw.len());
        for raw in raw {
            match wire::decode_scheduler_enqueue_event(raw) {
                Ok(event) => events.push(EnqueueEvent {
                    enqueued_at: Timestamp::field_to_moment(event.enqueue_time).unwrap_or_default(),
                    task_id: event.task_id,
                }),
                Err(error) => tracing::warn!(
                    entry_id,
                    %error,
                    "an enqueue event of a scheduler's entry does not decode, it is left out"
                ),
            }
        }
        Ok(events)
    }
}

#[cfg(test)]
#[path = "schedulers_tests.rs"]
mod tests;
