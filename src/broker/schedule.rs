//! What schedulers keep in Redis: notes of ticks, who leads which entry, lists of entries and histories.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::Str;
use crate::wire::keys;

/// The note of a scheduler's entry: what all schedulers know of its ticks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TickNote {
    /// The latest tick that was enqueued, or was used up by a duplicate task or a conflict of ids; before the first
    /// one, when the note was made. Whole seconds.
    pub(crate) last: DateTime<Utc>,
    /// The fencing number of the scheduler that enqueued the latest tick. 0: none has.
    pub(crate) fencing: i64,
    /// The phase of an `@every` entry: it ticks this time plus a multiple of its interval. Whole seconds.
    pub(crate) anchor: DateTime<Utc>,
    /// The id of the task that the latest tick stored; empty for none.
    pub(crate) task_id: Str,
}

impl TickNote {
    /// Reads a note of the form `<last>:<fencing>:<anchor>:<task id>`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, ':');
        let mut number = || parts.next()?.parse().ok();
        let (last, fencing, anchor): (i64, i64, i64) = (number()?, number()?, number()?);
        Some(Self {
            last: DateTime::from_timestamp(last, 0)?,
            fencing,
            anchor: DateTime::from_timestamp(anchor, 0)?,
            task_id: parts.next()?.to_owned().into(),
        })
    }

    /// The text of the note of an entry that goes on where another one ends: nobody has led it yet.
    pub(crate) fn inherited(&self) -> String {
        let (last, anchor) = (self.last.timestamp(), self.anchor.timestamp());
        format!("{last}:0:{anchor}:{}", self.task_id)
    }
}

/// One tick of an entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tick<'t> {
    pub(crate) entry_key: &'t str,
    /// Whole seconds.
    pub(crate) at: DateTime<Utc>,
    /// The number that [`lead`](super::Broker::lead) has given for the entry.
    pub(crate) fencing: i64,
    /// How long the note of the tick is kept.
    pub(crate) ttl: Duration,
}

/// What came of the enqueue of a tick.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TickResult {
    /// The task is stored, by this call or by an earlier one with the same task id and fencing number.
    Enqueued,
    /// Nothing was stored: this tick or a later one is noted already, or a scheduler with a higher fencing number
    /// has enqueued a tick. This is what the note says.
    AlreadyEnqueued(TickNote),
    /// Nothing was stored: by Redis' clock the tick is this much later.
    TooEarly(Duration),
}

/// Who leads what, as a scheduler was told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Leads {
    /// Whether the scheduler is the leader, which leads all its entries.
    pub(crate) is_leader: bool,
    /// The fencing number of each entry, in the order of the call. `None`: another scheduler leads it.
    pub(crate) fencing: Vec<Option<i64>>,
}

/// The keys under which a scheduler shows its entries.
#[derive(Clone, Debug)]
pub(crate) struct SchedulerKeys {
    pub(crate) entries: String,
    pub(crate) spare_entries: String,
}

impl SchedulerKeys {
    /// `scheduler_id` is `host:pid:uuid`.
    pub(crate) fn new(scheduler_id: &str) -> Self {
        Self {
            entries: keys::scheduler_entries(scheduler_id),
            spare_entries: keys::spare_scheduler_entries(scheduler_id),
        }
    }
}
