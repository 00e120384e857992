//! What a sync has to do: the entries that there are against those that there shall be.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use chrono_tz::Tz;

use crate::scheduler::Entry;

/// The steps of a sync. Entries that are registered have the ids that the scheduler gave them.
#[derive(Debug, Default)]
pub(super) struct SyncPlan {
    /// Entries that have changed, with what they become.
    pub(super) replaced: Vec<(String, Entry)>,
    pub(super) removed: Vec<String>,
    pub(super) added: Vec<Entry>,
    /// Entries whose spec does not parse. An entry that has become one of them is kept as it was.
    pub(super) unreadable: Vec<Entry>,
}

impl SyncPlan {
    /// Compares the entries as multisets. `zone` is the location of the scheduler.
    pub(super) fn new(registered: &BTreeMap<String, Entry>, wanted: Vec<Entry>, zone: Tz) -> Self {
        let mut gone: HashMap<_, Vec<Registered<'_>>> = HashMap::new();
        for one in registered {
            gone.entry(identity(one.1, zone)).or_default().push(one);
        }
        let (mut new, mut unreadable) = (Vec::new(), Vec::new());
        for entry in wanted {
            let is_there = gone.get_mut(&identity(&entry, zone)).and_then(Vec::pop);
            if entry.schedule.is_err() {
                unreadable.push(entry);
            } else if is_there.is_none() {
                new.push(entry);
            }
        }
        let gone = gone.into_values().flatten().collect();
        let by_name = paired(gone, new, |entry| entry.name.clone());
        let by_spec = paired(by_name.gone, by_name.new, |entry| {
            Some((type_of(entry)?, entry.spec.clone()))
        });
        // What an unreadable spec takes the place of stays.
        let wrong_by_name = paired(by_spec.gone, unreadable, |entry| entry.name.clone());
        let wrong_by_type = paired(wrong_by_name.gone, wrong_by_name.new, type_of);
        let id_of = |one: Registered<'_>| one.0.clone();
        let changed = by_name.pairs.into_iter().chain(by_spec.pairs);
        let wrong = wrong_by_name.pairs.into_iter().chain(wrong_by_type.pairs);
        Self {
            replaced: changed.map(|(old, new)| (id_of(old), new)).collect(),
            removed: wrong_by_type.gone.into_iter().map(id_of).collect(),
            added: by_spec.new,
            unreadable: wrong
                .map(|(_, wrong)| wrong)
                .chain(wrong_by_type.new)
                .collect(),
        }
    }
}

/// An entry that is registered, with its id.
type Registered<'r> = (&'r String, &'r Entry);

/// What makes two entries equal: all that they say.
fn identity(entry: &Entry, zone: Tz) -> impl Eq + Hash + use<> {
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

/// Which of the gone entries have become which of the new ones.
struct Paired<'r> {
    pairs: Vec<(Registered<'r>, Entry)>,
    /// Those without a partner.
    gone: Vec<Registered<'r>>,
    new: Vec<Entry>,
}

/// Pairs the gone and the new entries that have a key in common, if there is one of each with this key.
fn paired<'r, K: Ord>(
    gone: Vec<Registered<'r>>,
    new: Vec<Entry>,
    key: impl Fn(&Entry) -> Option<K>,
) -> Paired<'r> {
    let mut candidates: BTreeMap<Option<K>, (Vec<Registered<'r>>, Vec<Entry>)> = BTreeMap::new();
    for one in gone {
        candidates.entry(key(one.1)).or_default().0.push(one);
    }
    for entry in new {
        candidates.entry(key(&entry)).or_default().1.push(entry);
    }
    let (pairs, gone, new) = Default::default();
    let mut paired = Paired { pairs, gone, new };
    for (key, (mut gone, mut new)) in candidates {
        if key.is_some() && gone.len() == 1 && new.len() == 1 {
            paired.pairs.extend(gone.drain(..).zip(new.drain(..)));
        }
        paired.gone.append(&mut gone);
        paired.new.append(&mut new);
    }
    paired
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
