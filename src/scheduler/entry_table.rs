//! The entries of a running scheduler: which of them it leads, and which of their ticks are due. Pure.

use std::collections::{BTreeMap, HashMap, HashSet};
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
    pub(super) fn free_key(&self, key: &EntryKey, taken: &HashSet<EntryKey>) -> EntryKey {
        let is_free = |key: &EntryKey| !self.numbers.contains_key(key) && !taken.contains(key);
        let mut keys = (1..).map(|n| key.nth(n));
        keys.find(is_free).unwrap_or_else(|| key.clone())
    }

    pub(super) fn insert(&mut self, registered: EntryState) {
        let last = self.registered.last_key_value();
        let number = last.map_or(1, |(last, _)| last + 1);
        self.numbers.insert(registered.keyed.key.clone(), number);
        self.registered.insert(number, registered);
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

    /// The state of this entry, unless it was removed or replaced.
    pub(super) fn state_of(&mut self, keyed: &Arc<KeyedEntry>) -> Option<&mut EntryState> {
        let state = self.get_mut(&keyed.key)?;
        Arc::ptr_eq(&state.keyed, keyed).then_some(state)
    }

    /// Whether a task of the entry is being enqueued.
    pub(super) fn is_enqueuing(&mut self, key: &EntryKey) -> bool {
        let registered = self.get_mut(key);
        registered.is_some_and(|registered| registered.is_enqueuing)
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
    /// Those whose notes could not be read before come last.
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
                gained.push((registered.is_unreadable, Arc::clone(&registered.keyed)));
            }
        }
        // Those of a silent node hold up no others.
        gained.sort_by_key(|(is_unreadable, _)| *is_unreadable);
        gained.into_iter().map(|(_, keyed)| keyed).collect()
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

    /// The tick of this entry that is due, also if the entry is leaving.
    pub(super) fn take_due_of(&mut self, key: &EntryKey, now_ms: i64) -> Option<DueTick> {
        self.get_mut(key)?.take_last_due(now_ms).0
    }

    /// The enqueue of a tick has ended. Returns whether the ticker must look again at once.
    pub(super) fn ended(&mut self, tick: &DueTick, end: TickEnd, now_ms: i64) -> bool {
        let Some(registered) = self.state_of(&tick.keyed) else {
            return false;
        };
        registered.is_enqueuing = false;
        registered.told = Some((tick.at, tick.told));
        match end {
            TickEnd::Enqueued | TickEnd::UsedUp => {
                registered.timeline.used(tick.at, now_ms.div_euclid(1000));
                registered.previous = Some(tick.at);
                registered.lost_since = None;
            }
            TickEnd::Noted(note) => {
                registered.note(&note);
                registered.lost_since = None;
            }
            TickEnd::NotLed => {
                registered.lead = EntryLead::Other;
                registered.lost_since = None;
            }
            TickEnd::Lost => {
                registered.lost_since.get_or_insert(tick.at);
            }
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

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use chrono_tz::Tz;

    use super::super::entry_state::Told;
    use super::*;
    use crate::scheduler::Entry;
    use crate::scheduler::timeline::Timeline;
    use crate::task::Task;

    /// A table with entries of these names that tick every 10 s and are registered at 0. This scheduler leads them.
    fn table(names: &[&str]) -> EntryTable {
        let mut table = EntryTable::default();
        for name in names {
            let key = key(name);
            let name = name.split('\u{1}').next().unwrap_or_default();
            let entry = Entry::new("@every 10s", Task::without_payload("any")).name(name);
            let entry = entry.checked(Tz::UTC).expect("it is valid");
            let timeline = Timeline::new(&key, &entry, 0, true);
            let mut state = EntryState::new(KeyedEntry::new(key, entry), timeline);
            state.lead = EntryLead::Own(7);
            table.insert(state);
        }
        table
    }

    fn key(name: &str) -> EntryKey {
        EntryKey::new(name)
    }

    fn note(last: i64) -> TickNote {
        TickNote {
            last: DateTime::from_timestamp(last, 0).expect("a time"),
            fencing: 9,
            anchor: DateTime::UNIX_EPOCH,
            task_id: Str::new(),
        }
    }

    #[test]
    fn a_key_that_is_in_use_gets_the_lowest_free_number() {
        let table = table(&["a", "a\u{1}2", "a\u{1}4"]);
        let free = |name, taken: &[&str]| {
            let taken = taken.iter().map(|name| key(name)).collect();
            table.free_key(&key(name), &taken)
        };
        assert_eq!(free("b", &[]), key("b"));
        assert_eq!(free("a", &[]), key("a\u{1}3"));
        assert_eq!(free("a", &["a\u{1}3"]), key("a\u{1}5"));
    }

    #[test]
    fn a_tick_is_taken_once_and_again_after_it_has_failed() {
        let mut table = table(&["a", "b"]);
        let (due, wake_at_ms) = table.take_due(9_999);
        assert!(due.is_empty());
        assert_eq!(wake_at_ms, Some(10_000));
        let (due, wake_at_ms) = table.take_due(10_000);
        assert_eq!(due.len(), 2);
        assert_eq!((due[0].at, due[0].until_ms), (10, Some(20_000)));
        // Both are being enqueued.
        assert_eq!(wake_at_ms, None);
        assert!(table.take_due(10_001).0.is_empty());
        assert!(table.ended(&due[0], TickEnd::Enqueued, 10_002));
        assert!(
            !table.ended(&due[1], TickEnd::Enqueued, 10_002),
            "the ticker knows"
        );
        assert_eq!(table.take_due(10_003).1, Some(20_000));
        let (due, _) = table.take_due(20_000);
        assert!(table.ended(&due[0], TickEnd::GivenUp, 20_001));
        let (again, _) = table.take_due(20_002);
        assert_eq!((again.len(), again[0].at), (1, 20));
    }

    #[test]
    fn lost_ticks_are_counted_until_one_is_enqueued() {
        let mut table = table(&["a"]);
        let mut lost = Vec::new();
        for now_ms in [10_000, 20_000, 50_000, 60_000] {
            let tick = table.take_due_of(&key("a"), now_ms).expect("it is due");
            lost.push(tick.lost);
            let end = if now_ms == 50_000 {
                TickEnd::Enqueued
            } else {
                TickEnd::Lost
            };
            table.ended(&tick, end, now_ms);
        }
        // Those at 30 s and 40 s came while the one at 20 s was tried.
        assert_eq!(lost, [0, 1, 4, 0]);
    }

    #[test]
    fn a_tick_that_another_scheduler_had_is_over_and_one_of_another_leader_too() {
        let mut table = table(&["a", "b"]);
        let (due, _) = table.take_due(10_000);
        table.ended(&due[0], TickEnd::Noted(note(10)), 10_001);
        table.ended(&due[1], TickEnd::NotLed, 10_001);
        let infos = table.infos(10_001);
        assert_eq!(infos[0].previous, DateTime::from_timestamp(10, 0));
        assert_eq!((infos[0].is_led, infos[1].is_led), (true, false));
        assert_eq!(table.take_due(20_000).0.len(), 1);
    }

    #[test]
    fn notes_are_read_of_entries_that_another_scheduler_may_have_led() {
        let mut table = table(&["same", "new number", "gained", "lost"]);
        table.set_lead(&key("gained"), EntryLead::Other);
        let fencing = [Some(7), Some(8), Some(8), None];
        let keys = table.keys();
        let gained = |table: &mut EntryTable, was_sure| -> Vec<String> {
            let gained = table.gained(&keys, &fencing, was_sure).into_iter();
            gained.map(|keyed| keyed.key.as_str().to_owned()).collect()
        };
        // None was read since the registration.
        assert_eq!(gained(&mut table, true), ["same", "new number", "gained"]);
        for name in ["same", "new number", "gained", "lost"] {
            table
                .get_mut(&key(name))
                .expect("it is there")
                .note(&note(0));
        }
        assert_eq!(gained(&mut table, true), ["gained"]);
        assert_eq!(gained(&mut table, false), ["new number", "gained"]);
        // Those of a silent node come last.
        let state = table.get_mut(&key("new number")).expect("it is there");
        state.is_unreadable = true;
        assert_eq!(gained(&mut table, false), ["gained", "new number"]);
    }

    #[test]
    fn the_end_of_a_tick_of_a_replaced_entry_is_no_end_of_its_successors() {
        let mut table = table(&["a"]);
        let old = table
            .take_due_of(&key("a"), 10_000)
            .expect("it is due at 10 s");
        let new = self::table(&["a"]).remove(&key("a")).expect("it is there");
        table.replace(&key("a"), new);
        let tick = table.take_due_of(&key("a"), 20_000).expect("it is due");
        assert!(!table.ended(&old, TickEnd::Lost, 20_001));
        assert!(table.is_enqueuing(&key("a")));
        table.ended(&tick, TickEnd::Enqueued, 20_002);
        assert!(!table.ended(&old, TickEnd::Enqueued, 20_003));
        assert!(table.take_due(20_004).0.is_empty());
        let next = table.take_due_of(&key("a"), 30_000).expect("it is due");
        assert_eq!(next.lost, 0);
    }

    #[test]
    fn the_ticker_takes_no_tick_of_an_entry_that_is_leaving() {
        let mut table = table(&["a"]);
        let state = table.get_mut(&key("a")).expect("it is there");
        state.leaving.cancel();
        assert!(table.take_due(10_000).0.is_empty());
        assert!(table.take_due_of(&key("a"), 10_000).is_some());
    }

    #[test]
    fn what_the_hooks_know_of_a_tick_is_known_when_it_is_taken_again() {
        let mut table = table(&["a"]);
        let mut tick = table.take_due_of(&key("a"), 10_000).expect("it is due");
        assert_eq!(tick.told, Told::default());
        tick.told.begin = true;
        table.ended(&tick, TickEnd::GivenUp, 10_001);
        let again = table.take_due_of(&key("a"), 10_002).expect("it is due");
        assert_eq!(again.told, tick.told);
        table.ended(&again, TickEnd::Lost, 20_000);
        let next = table.take_due_of(&key("a"), 20_000).expect("it is due");
        assert_eq!(next.told, Told::default());
    }

    #[test]
    fn a_replaced_entry_keeps_its_place() {
        let mut table = table(&["a", "b"]);
        let mut other = self::table(&["c"]);
        let new = other.remove(&key("c")).expect("it is there");
        let old = table.replace(&key("a"), new).expect("it is there");
        assert_eq!(old.keyed.key, key("a"));
        let names: Vec<_> = table.infos(0).into_iter().map(|info| info.name).collect();
        assert_eq!(names, [Some("c".to_owned()), Some("b".to_owned())]);
        assert!(table.take_due_of(&key("a"), 10_000).is_none());
    }
}
