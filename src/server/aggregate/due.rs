//! Which groups of one queue are due, and which must be read. No I/O: replies of Redis and times are passed in.
//!
//! While Redis notifies this server, a group is read only if that is needed to know when it is due:
//!
//! - A group that has only a grace period can become due only later by a new task. So after a change it is not read
//!   before the time at which it would have been due.
//! - A change of a group with a maximal size or delay may make it due at once. So it is read again soon.
//!
//! The script that forms a set decides again, by Redis' clock and what the group has then.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use tokio::time::Instant;

use super::limits::LimitsOfQueue;
use crate::broker::{FormLimits, GroupAge, Str};
use crate::clock;

/// The most groups that one call reads.
pub(super) const MOST_READ: usize = 500;
/// The pause between two reads of changed groups of a queue.
const READ_PAUSE: Duration = Duration::from_millis(20);
/// Each server adds a random delay below this one, because several servers wait for the same second.
const SPREAD_MS: u64 = 15;
/// A group that was not due for Redis is tried again once it is due by Redis' clock, but after this pause at least, and
/// this pause at most: one of the clocks may be set meanwhile.
const EARLY_PAUSE_MS: RangeInclusive<i64> = 10..=1_000;
/// The pause before a group is tried again whose tasks Redis refuses to give.
const REFUSED_PAUSE_MS: i64 = 60_000;

/// The groups of one queue that have tasks.
pub(super) struct QueueGroups {
    limits: LimitsOfQueue,
    known: HashMap<Str, KnownGroup>,
    /// The groups that wait for a time, by this time (unix ms).
    waiting: BTreeSet<(i64, Str)>,
    /// The groups that must be read.
    unread: HashSet<Str>,
    /// Redis notifies of changes.
    tracks: bool,
    /// No set is formed before this time (unix ms).
    paused_until_ms: i64,
    /// A read is in flight.
    is_reading: bool,
    /// When groups may be read again.
    read_at: Instant,
}

struct KnownGroup {
    limits: FormLimits,
    age: Option<GroupAge>,
    /// The group may have changed since it was read.
    has_changed: bool,
    /// Redis has notified of a change since the group was read.
    was_notified: bool,
    /// Its age is what the forming of a set should have left, not what a read has found.
    is_estimate: bool,
    /// Names with this one have come since the last read of the group, or the last forming of a set, has begun. A reply
    /// to these that says that the group has no tasks is older.
    is_listed: bool,
    /// It is not due before this time (unix ms), because Redis has refused to give its tasks.
    refused_until_ms: i64,
    /// No period of it ends before this time (unix ms), because Redis' clock has said so.
    early_until_ms: i64,
    state: GroupState,
}

/// What happens to a known group next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum GroupState {
    /// It is read.
    Unread,
    /// It is due at this time (unix ms).
    Waiting(i64),
    /// A set is being formed of its tasks.
    Forming,
}

/// What became of the forming of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FormResult {
    /// So many tasks are in a set.
    Formed(u64),
    /// The group is not due, and has these tasks. The time is that of Redis (unix ms).
    NotDue(GroupAge, i64),
    Empty,
    /// Redis refuses to give the tasks.
    Refused,
    /// Redis has not answered.
    NoAnswer,
}

impl QueueGroups {
    pub(super) fn new(limits: LimitsOfQueue, now: Instant) -> Self {
        Self {
            limits,
            known: HashMap::new(),
            waiting: BTreeSet::new(),
            unread: HashSet::new(),
            tracks: false,
            paused_until_ms: i64::MIN,
            is_reading: false,
            read_at: now,
        }
    }

    /// The names of all groups with tasks. `anew`: Redis notifies of changes from now on, but of none of the groups
    /// before it is read.
    pub(super) fn on_names(&mut self, names: Vec<Str>, anew: bool) {
        self.forget_all_but(&names);
        if anew {
            self.tracks = true;
            self.is_reading = false;
        }
        for name in names {
            if let Some(group) = self.known.get_mut(&name) {
                group.is_listed = true;
                if anew {
                    group.has_changed = true;
                    self.unread.insert(name);
                }
                continue;
            }
            self.add(name.clone());
            self.unread.insert(name);
        }
    }

    /// Redis does not notify of changes any more. The groups are polled until names come anew.
    pub(super) fn untracked(&mut self) {
        self.tracks = false;
    }

    /// No set is formed for this time: Redis does not answer.
    pub(super) fn pause(&mut self, pause: Duration, now_ms: i64) {
        self.paused_until_ms = now_ms + pause.as_millis() as i64;
    }

    /// A group has changed since it was read.
    pub(super) fn on_change(&mut self, name: &Str) {
        // If the group is new, its name comes too.
        if let Some(group) = self.known.get_mut(name) {
            group.has_changed = true;
            group.was_notified = true;
            if group.limits.max_size.is_some() || group.limits.max_delay.is_some() {
                self.unread.insert(name.clone());
            }
        }
    }

    /// What groups have. From now on Redis notifies of their next changes. Returns how many of these groups have not
    /// changed although Redis had notified of a change.
    pub(super) fn on_ages(&mut self, ages: Vec<(Str, Option<GroupAge>)>, now_ms: i64) -> usize {
        self.is_reading = false;
        let mut in_vain = 0;
        for (name, age) in ages {
            let Some(group) = self.known.get_mut(&name) else {
                continue;
            };
            let was_notified = std::mem::take(&mut group.was_notified);
            // What a forming has changed is not known from a read before it.
            let is_estimate = std::mem::take(&mut group.is_estimate);
            in_vain += usize::from(was_notified && !is_estimate && group.age == age);
            group.has_changed = false;
            match age {
                Some(age) => self.set_age(name, age, now_ms),
                None => self.found_empty(name),
            }
        }
        in_vain
    }

    /// All groups with tasks, and what these have, without notifications of their next changes.
    pub(super) fn on_poll(&mut self, ages: Vec<(Str, GroupAge)>, now_ms: i64) {
        let names: Vec<Str> = ages.iter().map(|(name, _)| name.clone()).collect();
        self.on_names(names, false);
        for (name, age) in ages {
            self.set_age(name, age, now_ms);
        }
    }

    /// The groups to read now.
    pub(super) fn take_reads(&mut self, now: Instant) -> Option<Vec<Str>> {
        if self.next_read()? > now {
            return None;
        }
        let reads: Vec<Str> = self.unread.iter().take(MOST_READ).cloned().collect();
        for name in &reads {
            self.unread.remove(name);
            if let Some(group) = self.known.get_mut(name) {
                group.is_listed = false;
            }
        }
        self.is_reading = true;
        self.read_at = now + READ_PAUSE;
        Some(reads)
    }

    /// When groups are read next.
    pub(super) fn next_read(&self) -> Option<Instant> {
        let has_reads = self.tracks && !self.is_reading && !self.unread.is_empty();
        has_reads.then_some(self.read_at)
    }

    /// The next group that is due, with its limits. A set is to be formed of its tasks now, and the result passed to
    /// [`formed`](Self::formed).
    pub(super) fn take_due(&mut self, now_ms: i64) -> Option<(Str, FormLimits)> {
        while self.next_due()? <= now_ms {
            let (_, name) = self.waiting.pop_first()?;
            let Some(group) = self.known.get_mut(&name) else {
                continue;
            };
            if self.tracks && group.may_be_due_later(now_ms) {
                group.state = GroupState::Unread;
                self.unread.insert(name);
                continue;
            }
            group.state = GroupState::Forming;
            group.is_listed = false;
            return Some((name, group.limits));
        }
        None
    }

    /// When the next group is due (unix ms).
    pub(super) fn next_due(&self) -> Option<i64> {
        let (at_ms, _) = self.waiting.first()?;
        Some((*at_ms).max(self.paused_until_ms))
    }

    /// Whether the group is known.
    pub(super) fn knows(&self, name: &Str) -> bool {
        self.known.contains_key(name)
    }

    /// The forming of a set has ended.
    pub(super) fn formed(&mut self, name: Str, result: FormResult, now_ms: i64) {
        let Some(group) = self.known.get_mut(&name) else {
            return;
        };
        group.state = GroupState::Unread;
        match result {
            FormResult::Formed(tasks) if tasks >= group.limits.largest_set() => {
                // Tasks may be left, or have come since the group was read.
                group.has_changed = true;
                self.unread.insert(name.clone());
                if let Some(age) = group.age {
                    group.is_estimate = true;
                    let size = age.size.saturating_sub(tasks);
                    self.set_age(name, GroupAge { size, ..age }, now_ms);
                }
            }
            FormResult::Formed(_) | FormResult::Empty => self.found_empty(name),
            FormResult::NotDue(age, redis_now_ms) => {
                let left_ms = periods_end(&group.limits, age) * 1000 - redis_now_ms;
                let (shortest, longest) = EARLY_PAUSE_MS.into_inner();
                group.early_until_ms = now_ms + left_ms.clamp(shortest, longest);
                if group.has_changed && group.limits.max_size.is_some() {
                    // It may be full by now. Without a limit of its size, it is read when it seems to be due.
                    self.unread.insert(name.clone());
                }
                self.set_age(name, age, now_ms);
            }
            FormResult::Refused => {
                group.refused_until_ms = now_ms + REFUSED_PAUSE_MS;
                self.wait_until(name, now_ms);
            }
            FormResult::NoAnswer => self.wait_until(name, now_ms),
        }
    }

    fn add(&mut self, name: Str) {
        let group = KnownGroup {
            limits: self.limits.of(&name),
            age: None,
            has_changed: false,
            was_notified: false,
            is_estimate: false,
            is_listed: false,
            refused_until_ms: i64::MIN,
            early_until_ms: i64::MIN,
            state: GroupState::Unread,
        };
        self.known.insert(name, group);
    }

    fn set_age(&mut self, name: Str, age: GroupAge, now_ms: i64) {
        let Some(group) = self.known.get_mut(&name) else {
            return;
        };
        group.age = Some(age);
        if group.state == GroupState::Forming {
            // The result of the forming may be older or newer than this.
            group.has_changed = true;
        } else {
            let due_ms = group.due_at(age, now_ms);
            self.wait_until(name, due_ms);
        }
    }

    /// The group had no tasks when Redis replied.
    fn found_empty(&mut self, name: Str) {
        match self.known.get_mut(&name) {
            Some(group) if group.state == GroupState::Forming => {}
            Some(group) if group.is_listed => {
                group.age = None;
                self.unread.insert(name);
            }
            _ => self.forget(&name),
        }
    }

    fn wait_until(&mut self, name: Str, at_ms: i64) {
        let Some(group) = self.known.get_mut(&name) else {
            return;
        };
        let at_ms = at_ms.max(group.refused_until_ms);
        if let GroupState::Waiting(before) = group.state {
            self.waiting.remove(&(before, name.clone()));
        }
        group.state = GroupState::Waiting(at_ms);
        self.waiting.insert((at_ms, name));
    }

    /// Forgets the groups that have no name in the list.
    fn forget_all_but(&mut self, names: &[Str]) {
        let names: HashSet<&Str> = names.iter().collect();
        let gone = self
            .known
            .iter()
            .filter(|(name, group)| !names.contains(name) && group.state != GroupState::Forming);
        let gone: Vec<Str> = gone.map(|(name, _)| name.clone()).collect();
        for name in gone {
            self.forget(&name);
        }
    }

    fn forget(&mut self, name: &Str) {
        self.unread.remove(name);
        if let Some(group) = self.known.remove(name)
            && let GroupState::Waiting(at_ms) = group.state
        {
            self.waiting.remove(&(at_ms, name.clone()));
        }
    }
}

impl KnownGroup {
    /// The group seems to be due, but tasks that have come since it was read may change that.
    fn may_be_due_later(&self, now_ms: i64) -> bool {
        let is_due_anyway = self.age.is_some_and(|age| {
            let (size_reached, delay_ends) = (self.limits.max_size, self.limits.max_delay);
            size_reached.is_some_and(|most| age.size >= most)
                || delay_ends.is_some_and(|delay| after(age.oldest, delay) * 1000 <= now_ms)
        });
        self.has_changed && !is_due_anyway
    }

    /// When it is due with these tasks (unix ms). The times in Redis are whole seconds.
    fn due_at(&self, age: GroupAge, now_ms: i64) -> i64 {
        if self.limits.max_size.is_some_and(|most| age.size >= most) {
            return now_ms;
        }
        let ends_ms = periods_end(&self.limits, age) * 1000;
        ends_ms.max(self.early_until_ms) + clock::draw(0..SPREAD_MS) as i64
    }
}

/// When the first period of a group with these tasks ends (unix s).
fn periods_end(limits: &FormLimits, age: GroupAge) -> i64 {
    let grace_ends = after(age.newest, limits.grace_period);
    let delay_ends = limits.max_delay.map(|delay| after(age.oldest, delay));
    delay_ends.map_or(grace_ends, |at| at.min(grace_ends))
}

/// A time (unix s) after this many whole seconds. Far below the largest number, so that milliseconds fit too.
fn after(secs: i64, wait: Duration) -> i64 {
    const LATEST: i64 = i64::MAX / 2_000;
    secs.clamp(-LATEST, LATEST)
        .saturating_add(wait.as_secs() as i64)
        .min(LATEST)
}

#[cfg(test)]
#[path = "due_tests.rs"]
mod tests;
