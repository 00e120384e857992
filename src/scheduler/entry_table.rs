//! The entries of a running scheduler: which of them it leads, and which of their ticks are due. Pure.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::entry_key::EntryKey;
use super::entry_state::{DueTick, EntryLead, EntryState, KeyedEntry};
use super::info::EntryInfo;
use crate::broker::{Str, TickNote};

/// The entries by their numbers, which follow the order of registration.
#[derive(Default)]
pub(super) struct EntryTable {
    registered: BTreeMap<u64, EntryState>,
    numbers: HashMap<EntryKey, u64>,
    last_number: u64,
    /// When the ticker looks again (Unix ms). `None`: it waits for a change.
    armed_ms: Option<i64>,
}

/// How the enqueue of a tick has ended.
#[derive(Clone, Debug)]
pub(super) enum TickEnd {
    /// Its task is stored.
    Enqueued,
    /// There is no task to store: it is a duplicate, its id is taken, or it is refused as invalid.
    UsedUp,
    /// Another scheduler was faster. This is what the note says.
    Noted(TickNote),
    /// Another scheduler leads the entry.
    NotLed,
    /// The next tick has come before it could be stored.
    Lost,
    /// The scheduler shuts down, or one attempt was all that was wanted.
    GivenUp,
}

impl EntryTable {
    /// The key for another entry with this key: if it is in use, with the lowest number that is free.
    pub(super) fn free_key(&self, key: &EntryKey, taken: &[EntryKey]) -> EntryKey {
        let is_free = |key: &EntryKey| !self.numbers.contains_key(key) && !taken.contains(key);
        let mut keys = (1..).map(|n| key.nth(n));
        keys.find(is_free).unwrap_or_else(|| key.clone())
    }

    pub(super) fn insert(&mut self, registered: EntryState) {
        self.last_number += 1;
        let key = registered.keyed.key.clone();
        self.numbers.insert(key, self.last_number);
        self.registered.insert(self.last_number, registered);
    }

    /// Puts an entry in the place of another one, and returns that one.
    pub(super) fn replace(&mut self, old: &EntryKey, new: EntryState) -> Option<EntryState> {
        let number = self.numbers.remove(old)?;
        self.numbers.insert(new.keyed.key.clone(), number);
        self.registered.insert(number, new)
    }

    pub(super) fn remove(&mut self, key: &EntryKey) -> Option<EntryState> {
        let number = self.numbers.remove(key)?;
        self.registered.remove(&number)
    }

    pub(super) fn get_mut(&mut self, key: &EntryKey) -> Option<&mut EntryState> {
        self.registered.get_mut(self.numbers.get(key)?)
    }

    pub(super) fn keyed(&mut self, key: &EntryKey) -> Option<Arc<KeyedEntry>> {
        let registered = self.get_mut(key)?;
        Some(Arc::clone(&registered.keyed))
    }

    /// Whether a task of the entry is being enqueued.
    pub(super) fn is_enqueuing(&mut self, key: &EntryKey) -> bool {
        let registered = self.get_mut(key);
        registered.is_some_and(|registered| registered.enqueuing.is_some())
    }

    /// The key of the entry with this id.
    pub(super) fn key_of(&self, id: &str) -> Option<EntryKey> {
        let mut all = self.registered.values();
        let found = all.find(|registered| registered.keyed.id == id)?;
        Some(found.keyed.key.clone())
    }

    pub(super) fn keys(&self) -> Vec<Str> {
        let all = self.registered.values();
        all.map(|registered| registered.keyed.key.shared())
            .collect()
    }

    pub(super) fn all_keyed(&self) -> Vec<Arc<KeyedEntry>> {
        let all = self.registered.values();
        all.map(|registered| Arc::clone(&registered.keyed))
            .collect()
    }

    pub(super) fn infos(&mut self, now_ms: i64) -> Vec<EntryInfo> {
        let all = self.registered.values_mut();
        all.map(|registered| registered.info(now_ms)).collect()
    }

    /// Those that this scheduler leads.
    pub(super) fn led(&mut self, now_ms: i64) -> Vec<EntryInfo> {
        let all = self.registered.values_mut();
        let led = all.filter(|registered| registered.is_led());
        led.map(|registered| registered.info(now_ms)).collect()
    }

    /// Which of these fencing numbers, in the order of [`keys`](Self::keys) some time ago, are of entries that this
    /// scheduler did not lead before.
    ///
    /// `was_sure`: its lease has not expired in between. Otherwise another scheduler may have led an entry that has
    /// another number now.
    pub(super) fn gained(
        &mut self,
        keys: &[Str],
        fencing: &[Option<i64>],
        was_sure: bool,
    ) -> Vec<Arc<KeyedEntry>> {
        let mut gained = Vec::new();
        for (key, number) in keys.iter().zip(fencing) {
            let Some(registered) = self.get_mut(&EntryKey::from(key.clone())) else {
                continue;
            };
            let Some(number) = *number else { continue };
            let is_same = registered.lead == EntryLead::Own(number);
            let was_led = is_same || was_sure && registered.is_led();
            if !was_led || !registered.has_note {
                gained.push(Arc::clone(&registered.keyed));
            }
        }
        gained
    }

    /// Sets who leads an entry. Returns whether that changes the list of this scheduler.
    pub(super) fn set_lead(&mut self, key: &EntryKey, lead: EntryLead) -> bool {
        let Some(registered) = self.get_mut(key) else {
            return false;
        };
        let was_led = registered.is_led();
        registered.lead = lead;
        was_led != registered.is_led()
    }

    /// The ticks that are due, and when to look again (Unix ms).
    pub(super) fn take_due(&mut self, now_ms: i64) -> (Vec<DueTick>, Option<i64>) {
        let mut all_due = Vec::new();
        self.armed_ms = None;
        for registered in self.registered.values_mut() {
            let (due, wake_at_ms) = registered.take_due(now_ms);
            all_due.extend(due);
            self.armed_ms = earlier(self.armed_ms, wake_at_ms);
        }
        (all_due, self.armed_ms)
    }

    /// The tick of this entry that is due.
    pub(super) fn take_due_of(&mut self, key: &EntryKey, now_ms: i64) -> Option<DueTick> {
        self.get_mut(key)?.take_due(now_ms).0
    }

    /// The enqueue of a tick has ended. Returns whether the ticker must look again at once.
    pub(super) fn ended(&mut self, tick: &DueTick, end: TickEnd, now_ms: i64) -> bool {
        let Some(registered) = self.get_mut(&tick.keyed.key) else {
            return false;
        };
        registered.enqueuing = None;
        match end {
            TickEnd::Enqueued | TickEnd::UsedUp => {
                registered.timeline.used(tick.at);
                registered.previous = Some(tick.at);
                registered.lost = 0;
            }
            TickEnd::Noted(note) => registered.note(&note),
            TickEnd::NotLed => registered.lead = EntryLead::Other,
            TickEnd::Lost => registered.lost += 1,
            TickEnd::GivenUp => {}
        }
        let check = registered.timeline.check(now_ms);
        let wake_at_ms = check.due.map(|_| now_ms).or(check.wake_at_ms);
        let is_earlier = earlier(self.armed_ms, wake_at_ms) != self.armed_ms;
        if is_earlier {
            self.armed_ms = wake_at_ms;
        }
        is_earlier
    }
}

fn earlier(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    one.into_iter().chain(other).min()
}
