//! One entry of a running scheduler: what it is, and what is known of its ticks. Pure.

use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use tokio_util::sync::CancellationToken;

use super::entry::CheckedEntry;
use super::entry_key::EntryKey;
use super::info::EntryInfo;
use super::timeline::Timeline;
use crate::broker::TickNote;

/// An entry with the key and the id that it has in this scheduler.
#[derive(Debug)]
pub(super) struct KeyedEntry {
    pub(super) id: String,
    pub(super) key: EntryKey,
    pub(super) entry: CheckedEntry,
}

impl KeyedEntry {
    pub(super) fn new(key: EntryKey, entry: CheckedEntry) -> Self {
        Self {
            id: key.entry_id(),
            key,
            entry,
        }
    }
}

/// What this scheduler knows of who leads an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EntryLead {
    /// Redis was not asked yet.
    NotAsked,
    /// Another scheduler.
    Other,
    /// This scheduler, with this fencing number.
    Own(i64),
}

/// A registered entry.
#[derive(Debug)]
pub(super) struct EntryState {
    pub(super) keyed: Arc<KeyedEntry>,
    pub(super) timeline: Timeline,
    /// The last tick that was enqueued, if there was one.
    pub(super) previous: Option<i64>,
    pub(super) lead: EntryLead,
    /// Whether the note in Redis was read since the registration.
    pub(super) has_note: bool,
    /// Whether the note could not be read when it was last tried.
    pub(super) is_unreadable: bool,
    /// Whether the task of a tick is being enqueued.
    pub(super) is_enqueuing: bool,
    /// What the hooks know of the last tick that was taken.
    pub(super) told: Option<(i64, Told)>,
    /// Fires when the entry is about to be replaced or removed: the ticker takes none of its ticks any more.
    pub(super) leaving: CancellationToken,
    /// The first of the ticks in a row that were lost.
    pub(super) lost_since: Option<i64>,
}

/// What the hooks know of a tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// The hook that comes before the enqueue was called.
    pub(super) begin: bool,
    /// The hook that comes after it was called with an error.
    pub(super) failure: bool,
}

/// A tick that is due, with what is needed to enqueue its task.
#[derive(Clone, Debug)]
pub(super) struct DueTick {
    pub(super) keyed: Arc<KeyedEntry>,
    /// The tick (Unix s).
    pub(super) at: i64,
    /// When the task should be pending (Unix ms).
    pub(super) fires_at_ms: i64,
    /// When the next tick comes (Unix ms): until then the enqueue is tried again.
    pub(super) until_ms: Option<i64>,
    /// How long the note and the history are kept.
    pub(super) kept: Duration,
    /// How many ticks before it were lost in a row, or 1,000 if there were more.
    pub(super) lost: u64,
    pub(super) told: Told,
    /// Fires when the entry is about to be replaced or removed.
    pub(super) leaving: CancellationToken,
    /// For hooks.
    pub(super) info: EntryInfo,
}

impl EntryState {
    pub(super) fn new(keyed: KeyedEntry, timeline: Timeline) -> Self {
        Self {
            keyed: Arc::new(keyed),
            timeline,
            previous: None,
            lead: EntryLead::NotAsked,
            has_note: false,
            is_unreadable: false,
            is_enqueuing: false,
            told: None,
            leaving: CancellationToken::new(),
            lost_since: None,
        }
    }

    /// The note in Redis says this.
    pub(super) fn note(&mut self, note: &TickNote) {
        let last = note.last.timestamp();
        self.has_note = true;
        self.timeline.note(last, note.anchor.timestamp());
        if note.fencing != 0 || !note.task_id.is_empty() {
            self.previous = Some(last);
        }
    }

    /// The tick that is due, unless one is being enqueued or the entry is leaving, and when to look again (Unix ms).
    pub(super) fn take_due(&mut self, now_ms: i64) -> (Option<DueTick>, Option<i64>) {
        match self.leaving.is_cancelled() {
            true => (None, None),
            false => self.take_last_due(now_ms),
        }
    }

    /// The same, also if the entry is leaving.
    pub(super) fn take_last_due(&mut self, now_ms: i64) -> (Option<DueTick>, Option<i64>) {
        if self.lead == EntryLead::Other || self.is_enqueuing {
            return (None, None);
        }
        let check = self.timeline.check(now_ms);
        let Some(at) = check.due else {
            return (None, check.wake_at_ms);
        };
        self.is_enqueuing = true;
        let told = self.told.filter(|(tick, _)| *tick == at);
        let due = DueTick {
            keyed: Arc::clone(&self.keyed),
            at,
            fires_at_ms: self.timeline.fires_at_ms(at),
            until_ms: check.wake_at_ms,
            kept: self.timeline.note_ttl(at),
            lost: self
                .lost_since
                .map_or(0, |first| self.timeline.count(first, at)),
            told: told.map(|(_, told)| told).unwrap_or_default(),
            leaving: self.leaving.clone(),
            info: self.info(now_ms),
        };
        (Some(due), None)
    }

    /// Whether this scheduler leads the entry, if its lease lasts.
    pub(super) fn is_led(&self) -> bool {
        matches!(self.lead, EntryLead::Own(_))
    }

    pub(super) fn info(&mut self, now_ms: i64) -> EntryInfo {
        let KeyedEntry { id, entry, .. } = &*self.keyed;
        let time = |unix_secs: i64| DateTime::from_timestamp(unix_secs, 0);
        EntryInfo {
            id: id.clone(),
            name: entry.name.clone(),
            spec: entry.schedule.spec().to_owned(),
            task_type: entry.task.task_type().to_owned(),
            payload: entry.task.payload_bytes(),
            options: entry.printed_options.clone(),
            next: self.timeline.next(now_ms).and_then(time),
            previous: self.previous.and_then(time),
            is_led: self.is_led(),
        }
    }
}
