//! What a sync has to do: the entries that there are against those that there shall be.

use std::collections::{BTreeMap, HashMap, VecDeque};
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
    /// Compares the entries that are registered, in order of registration, with those that are wanted. `zone` is the
    /// location of the scheduler.
    ///
    /// Entries with the same name, or without names with the same contents, have numbered keys. The first one that is
    /// wanted takes the place of the first one that is registered, and so on: so each has the key that it would have
    /// after a restart, and in every other scheduler.
    pub(super) fn new(registered: &[(String, Entry)], wanted: Vec<Entry>, zone: Tz) -> Self {
        let mut there: HashMap<_, VecDeque<Registered<'_>>> = HashMap::new();
        for one in registered {
            there.entry(group(&one.1, zone)).or_default().push_back(one);
        }
        let mut plan = Self::default();
        let (mut new, mut unreadable) = (Vec::new(), Vec::new());
        for entry in wanted {
            let group = there.get_mut(&group(&entry, zone));
            match group.and_then(VecDeque::pop_front) {
                None if entry.schedule.is_err() => unreadable.push(entry),
                None => new.push(entry),
                // What an unreadable spec takes the place of stays.
                Some(_) if entry.schedule.is_err() => plan.unreadable.push(entry),
                Some((id, old)) if identity(old, zone) != identity(&entry, zone) => {
                    plan.replaced.push((id.clone(), entry));
                }
                Some(_) => {}
            }
        }
        let gone = there.into_values().flatten().collect();
        let by_spec = paired(gone, new, |entry| {
            Some((type_of(entry)?, entry.spec.clone()))
        });
        let wrong = paired(by_spec.gone, unreadable, type_of);
        let changed = by_spec.pairs.into_iter();
        plan.replaced
            .extend(changed.map(|(old, new)| (old.0.clone(), new)));
        plan.removed = wrong.gone.into_iter().map(|one| one.0.clone()).collect();
        plan.added = by_spec.new;
        plan.unreadable
            .extend(wrong.pairs.into_iter().map(|(_, wrong)| wrong));
        plan.unreadable.extend(wrong.new);
        plan
    }
}

/// An entry that is registered, with its id.
type Registered<'r> = &'r (String, Entry);

/// Entries of one group have the same key, but for their numbers.
fn group(entry: &Entry, zone: Tz) -> (bool, String) {
    match &entry.name {
        Some(name) => (true, name.clone()),
        None => (false, entry.contents(zone)),
    }
}

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
        candidates.entry(key(&one.1)).or_default().0.push(one);
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
