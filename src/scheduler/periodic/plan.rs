//! What a sync has to do: the entries that there are against those that there shall be.

use std::collections::HashMap;
use std::hash::Hash;

use chrono_tz::Tz;

use crate::scheduler::Entry;

/// An entry that is registered.
#[derive(Debug)]
pub(super) struct Registered {
    /// The id that the scheduler gave it.
    pub(super) id: String,
    pub(super) entry: Entry,
}

/// The steps of a sync.
#[derive(Debug, Default)]
pub(super) struct SyncPlan {
    pub(super) kept: Vec<Registered>,
    /// Entries that have changed, with what they become.
    pub(super) replaced: Vec<(Registered, Entry)>,
    pub(super) removed: Vec<Registered>,
    pub(super) added: Vec<Entry>,
    /// Entries whose spec does not parse. An entry that has become one of them is kept as it was.
    pub(super) unreadable: Vec<Entry>,
}

impl SyncPlan {
    /// Compares the entries as multisets. `zone` is the location of the scheduler.
    pub(super) fn new(registered: Vec<Registered>, wanted: Vec<Entry>, zone: Tz) -> Self {
        let mut gone: HashMap<_, Vec<Registered>> = HashMap::new();
        for one in registered {
            gone.entry(identity(&one.entry, zone))
                .or_default()
                .push(one);
        }
        let mut plan = Self::default();
        let mut new = Vec::new();
        for entry in wanted {
            match gone.get_mut(&identity(&entry, zone)).and_then(Vec::pop) {
                Some(same) => plan.kept.push(same),
                None if entry.schedule.is_err() => plan.unreadable.push(entry),
                None => new.push(entry),
            }
        }
        let gone = gone.into_values().flatten().collect();
        let (pairs, gone, new) = paired(gone, new, |entry| entry.name.clone());
        plan.replaced.extend(pairs);
        let (pairs, gone, new) = paired(gone, new, |entry| {
            Some((type_of(entry)?, entry.spec.clone()))
        });
        plan.replaced.extend(pairs);
        plan.added = new;
        // What an unreadable spec takes the place of stays.
        let (pairs, gone, unpaired) = paired(gone, std::mem::take(&mut plan.unreadable), |entry| {
            entry.name.clone()
        });
        plan.keep_for(pairs);
        let (pairs, gone, unpaired) = paired(gone, unpaired, type_of);
        plan.keep_for(pairs);
        plan.unreadable.extend(unpaired);
        plan.removed = gone;
        plan
    }

    fn keep_for(&mut self, pairs: Vec<(Registered, Entry)>) {
        for (registered, unreadable) in pairs {
            self.kept.push(registered);
            self.unreadable.push(unreadable);
        }
    }
}

/// What makes two entries equal: all that they say.
pub(super) fn identity(entry: &Entry, zone: Tz) -> impl Eq + Hash + use<> {
    let Entry {
        name,
        jitter,
        missed,
        ..
    } = entry;
    (entry.contents(zone), name.clone(), *jitter, *missed)
}

fn type_of(entry: &Entry) -> Option<String> {
    entry
        .task
        .as_ref()
        .ok()
        .map(|task| task.task_type().to_owned())
}

/// Pairs the gone and the new entries that have a key in common, if there is one of each with this key. Returns the
/// pairs and the others.
fn paired<K: Eq + Hash>(
    gone: Vec<Registered>,
    new: Vec<Entry>,
    key: impl Fn(&Entry) -> Option<K>,
) -> (Vec<(Registered, Entry)>, Vec<Registered>, Vec<Entry>) {
    let mut candidates: HashMap<K, (Vec<Registered>, Vec<Entry>)> = HashMap::new();
    let (mut pairs, mut still_gone, mut still_new) = (Vec::new(), Vec::new(), Vec::new());
    for one in gone {
        match key(&one.entry) {
            Some(key) => candidates.entry(key).or_default().0.push(one),
            None => still_gone.push(one),
        }
    }
    for entry in new {
        match key(&entry) {
            Some(key) => candidates.entry(key).or_default().1.push(entry),
            None => still_new.push(entry),
        }
    }
    for (mut gone, mut new) in candidates.into_values() {
        if gone.len() == 1 && new.len() == 1 {
            pairs.extend(gone.drain(..).zip(new.drain(..)));
        }
        still_gone.append(&mut gone);
        still_new.append(&mut new);
    }
    (pairs, still_gone, still_new)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
