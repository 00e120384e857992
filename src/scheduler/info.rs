//! [`EntryInfo`]: what a scheduler tells of an entry.

use bytes::Bytes;
use chrono::{DateTime, Utc};

/// An entry of a running scheduler, at the moment when it was asked for.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub struct EntryInfo {
    /// The id under which asynqmon shows the entry. It is the same in all schedulers that have the entry, and after
    /// each start. Without [leader election](crate::Scheduler::leader_election) each start makes another one.
    pub id: String,
    /// The [name](crate::Entry::name), if it has one.
    pub name: Option<String>,
    /// The text of the schedule.
    pub spec: String,
    /// The type of its tasks.
    pub task_type: String,
    /// The payload of its tasks.
    pub payload: Bytes,
    /// The options of the entry, without those of its task, as Go prints them: `Queue("low")`.
    pub options: Vec<String>,
    /// The next tick. `None`: there is none in the next five years. While a tick waits for its
    /// [jitter](crate::Entry::jitter), this is the one after it.
    pub next: Option<DateTime<Utc>>,
    /// The last tick whose task this or another scheduler has enqueued, as far as this one knows; also if that was a
    /// duplicate, so that nothing was stored. `None`: there was none.
    pub previous: Option<DateTime<Utc>>,
    /// Whether this scheduler was last told that it leads the entry, so that it enqueues the tasks. False until Redis
    /// has answered. It stays true while Redis is away, although another scheduler may lead the entry by then.
    pub is_led: bool,
}
