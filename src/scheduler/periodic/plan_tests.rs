//! Plans of syncs.

use std::time::Duration;

use super::*;
use crate::scheduler::Missed;
use crate::task::Task;

fn entry(spec: &str, task_type: &str) -> Entry {
    Entry::new(spec, Task::without_payload(task_type))
}

fn with_payload(spec: &str, task_type: &str, payload: &str) -> Entry {
    Entry::new(spec, Task::new(task_type, payload.to_owned()))
}

/// The ids of what is kept, replaced and removed, and the numbers of what is added and unreadable.
fn plan(
    old: impl IntoIterator<Item = Entry>,
    new: impl IntoIterator<Item = Entry>,
) -> (Vec<String>, Vec<String>, Vec<String>, usize, usize) {
    let number = |(n, entry): (usize, Entry)| (n.to_string(), entry);
    let registered: Vec<_> = old.into_iter().enumerate().map(number).collect();
    let plan = SyncPlan::new(&registered, new.into_iter().collect(), Tz::UTC);
    let sorted = |mut ids: Vec<String>| {
        ids.sort();
        ids
    };
    let replaced = sorted(plan.replaced.into_iter().map(|(id, _)| id).collect());
    let removed = sorted(plan.removed);
    let mut kept: Vec<String> = registered.into_iter().map(|(id, _)| id).collect();
    kept.retain(|id| !replaced.contains(id) && !removed.contains(id));
    let (added, unreadable) = (plan.added.len(), plan.unreadable.len());
    (kept, replaced, removed, added, unreadable)
}

fn strings(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[test]
fn equal_entries_are_kept_each_for_itself_and_the_last_one_goes_first() {
    let copies = |n| vec![entry("@daily", "a"); n];
    assert_eq!(
        plan(copies(2), copies(2)),
        (strings(&["0", "1"]), vec![], vec![], 0, 0)
    );
    assert_eq!(
        plan(copies(3), copies(1)),
        (strings(&["0"]), vec![], strings(&["1", "2"]), 0, 0)
    );
    assert_eq!(
        plan(copies(1), copies(2)),
        (strings(&["0"]), vec![], vec![], 1, 0)
    );
}

#[test]
fn of_entries_with_the_same_name_each_has_the_place_that_it_has_after_a_restart() {
    let x = || entry("@daily", "x").name("n");
    let y = || entry("@daily", "y").name("n");
    assert_eq!(
        plan([x(), y()], [y()]),
        (vec![], strings(&["0"]), strings(&["1"]), 0, 0)
    );
    assert_eq!(
        plan([x()], [y(), x()]),
        (vec![], strings(&["0"]), vec![], 1, 0)
    );
    // Equal ones that differ in what is no part of their key.
    let plain = || entry("@daily", "x");
    let jittery = || plain().jitter(Duration::from_secs(1));
    assert_eq!(
        plan([jittery(), plain()], [plain()]),
        (vec![], strings(&["0"]), strings(&["1"]), 0, 0)
    );
}

#[test]
fn entries_that_differ_only_in_headers_jitter_or_missed_are_different() {
    let plain = || entry("@daily", "a");
    for other in [
        plain().header("h", "1"),
        Entry::new("@daily", Task::without_payload("a").header("h", "1")),
        plain().jitter(Duration::from_secs(1)),
        plain().missed(Missed::Once),
        plain().queue("low"),
        plain().name("a"),
        with_payload("@daily", "a", "1"),
    ] {
        let (kept, replaced, removed, added, _) = plan([plain()], [plain(), other.clone()]);
        assert_eq!(
            (kept.len(), replaced.len(), removed.len(), added),
            (1, 0, 0, 1),
            "{other:?}"
        );
    }
}

#[test]
fn an_entry_with_the_name_of_another_replaces_it() {
    let old = [
        entry("@daily", "a").name("n"),
        entry("@daily", "b").name("m"),
    ];
    let new = [
        entry("@hourly", "c").name("n"),
        entry("@daily", "b").name("m"),
    ];
    assert_eq!(
        plan(old, new),
        (strings(&["1"]), strings(&["0"]), vec![], 0, 0)
    );
}

#[test]
fn without_names_the_only_one_of_a_type_and_spec_is_replaced() {
    let old = [
        with_payload("@daily", "a", "1"),
        with_payload("@daily", "b", "1"),
    ];
    let new = [
        with_payload("@daily", "a", "2"),
        with_payload("@hourly", "b", "1"),
    ];
    assert_eq!(
        plan(old, new),
        (vec![], strings(&["0"]), strings(&["1"]), 1, 0)
    );
    // nobody can say which one became which
    let old = [
        with_payload("@daily", "a", "1"),
        with_payload("@daily", "a", "2"),
    ];
    let new = [
        with_payload("@daily", "a", "3"),
        with_payload("@daily", "a", "4"),
    ];
    assert_eq!(plan(old, new), (vec![], vec![], strings(&["0", "1"]), 2, 0));
}

#[test]
fn an_entry_stays_while_the_spec_that_replaces_it_does_not_parse() {
    let old = || {
        [
            entry("@daily", "a").name("n"),
            entry("@daily", "b"),
            entry("@daily", "c"),
        ]
    };
    let new = [
        entry("61 * * * *", "z").name("n"),
        entry("@dayly", "b"),
        entry("oops", "new"),
    ];
    let (kept, replaced, removed, added, unreadable) = plan(old(), new);
    assert_eq!(kept, strings(&["0", "1"]));
    assert_eq!(
        (replaced, removed, added, unreadable),
        (vec![], strings(&["2"]), 0, 3)
    );
}
