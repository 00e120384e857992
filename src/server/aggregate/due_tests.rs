//! Groups that become due, without Redis.

use std::collections::BTreeMap;

use super::super::limits::{GroupLimits, GroupSettings};
use super::*;

const GRACE: u64 = 10;
const GROUP: Str = Str::from_static("g");

/// The groups of a queue that Redis notifies of, with a grace period of 10 s and these limits.
fn groups(limits: GroupLimits) -> QueueGroups {
    let mut settings = GroupSettings::default();
    settings.limits = limits.grace_period(Duration::from_secs(GRACE));
    let queues = BTreeMap::from([("q".to_owned(), 1)]);
    let settings = settings.checked(&queues).expect("valid limits");
    let mut groups = QueueGroups::new(settings.of_queue("q"), clock::monotonic());
    groups.on_names(Vec::new(), true);
    groups
}

fn only_grace() -> QueueGroups {
    groups(GroupLimits::new())
}

fn age(size: u64, oldest: i64, newest: i64) -> GroupAge {
    GroupAge {
        size,
        oldest,
        newest,
    }
}

/// What is due at this time.
fn due_at_ms(groups: &mut QueueGroups, now_ms: i64) -> Vec<Str> {
    std::iter::from_fn(|| groups.take_due(now_ms).map(|(name, _)| name)).collect()
}

/// The next reads, whatever the pause.
fn reads(groups: &mut QueueGroups) -> Vec<Str> {
    let at = groups.next_read();
    at.and_then(|at| groups.take_reads(at)).unwrap_or_default()
}

/// The group appears and is read.
fn appears(groups: &mut QueueGroups, age: GroupAge) {
    groups.on_names(vec![GROUP], false);
    assert_eq!(reads(groups), [GROUP]);
    groups.on_ages(vec![(GROUP, Some(age))], 0);
}

#[test]
fn a_group_is_due_in_the_second_in_which_its_grace_period_ends() {
    let mut groups = only_grace();
    appears(&mut groups, age(3, 100, 105));
    assert_eq!(groups.next_due().map(|at_ms| at_ms / 1000), Some(115));
    assert_eq!(due_at_ms(&mut groups, 114_999), [""; 0]);
    assert_eq!(due_at_ms(&mut groups, 115_020), [GROUP]);
    assert_eq!(groups.next_due(), None, "a set is being formed");
}

#[test]
fn a_group_is_due_when_its_oldest_task_has_waited_or_its_size_is_reached() {
    let limits = GroupLimits::new()
        .max_delay(Duration::from_secs(7))
        .max_size(5);
    let mut groups = groups(limits);
    appears(&mut groups, age(4, 100, 105));
    assert_eq!(due_at_ms(&mut groups, 106_999), [""; 0]);
    assert_eq!(due_at_ms(&mut groups, 107_020), [GROUP]);
    groups.formed(GROUP, FormResult::Formed(4), 107_020);
    appears(&mut groups, age(5, 200, 200));
    assert_eq!(due_at_ms(&mut groups, 200_000), [GROUP]);
}

#[test]
fn tasks_that_only_make_a_group_wait_longer_cost_one_read_for_each_grace_period() {
    let mut groups = only_grace();
    appears(&mut groups, age(1, 100, 100));
    for _ in 0..1_000 {
        groups.on_change(&GROUP);
    }
    assert_eq!(reads(&mut groups), [""; 0]);
    assert_eq!(due_at_ms(&mut groups, 110_020), [""; 0]);
    assert_eq!(reads(&mut groups), [GROUP]);
    let in_vain = groups.on_ages(vec![(GROUP, Some(age(1_001, 100, 109)))], 110_020);
    assert_eq!(in_vain, 0);
    assert_eq!(due_at_ms(&mut groups, 119_020), [GROUP]);
}

#[test]
fn a_group_with_a_size_is_read_soon_after_a_change_but_not_for_each_one() {
    let mut groups = groups(GroupLimits::new().max_size(5));
    appears(&mut groups, age(1, 100, 100));
    groups.on_change(&GROUP);
    let now = clock::monotonic() + Duration::from_secs(60);
    assert!(groups.take_reads(now).is_some());
    groups.on_change(&GROUP);
    assert_eq!(groups.next_read(), None, "a read is in flight");
    let in_vain = groups.on_ages(vec![(GROUP, Some(age(1, 100, 100)))], 100_000);
    assert_eq!(in_vain, 1);
    assert_eq!(groups.next_read(), Some(now + READ_PAUSE));
    assert_eq!(reads(&mut groups), [GROUP]);
    groups.on_ages(vec![(GROUP, Some(age(5, 100, 100)))], 100_000);
    // New tasks change nothing about it.
    groups.on_change(&GROUP);
    assert_eq!(due_at_ms(&mut groups, 100_000), [GROUP]);
}

#[test]
fn after_a_set_was_formed_the_rest_is_due_at_once_or_read_again() {
    let mut groups = groups(GroupLimits::new().max_size(5));
    appears(&mut groups, age(12, 100, 100));
    for left in [7, 2] {
        assert_eq!(
            due_at_ms(&mut groups, 100_000),
            [GROUP],
            "{left} are left after it"
        );
        groups.formed(GROUP, FormResult::Formed(5), 100_000);
    }
    assert_eq!(due_at_ms(&mut groups, 100_000), [""; 0]);
    assert_eq!(reads(&mut groups), [GROUP], "others may have come");
    groups.on_ages(vec![(GROUP, None)], 100_000);
    assert_eq!(groups.next_due(), None);
}

#[test]
fn a_group_that_has_more_than_the_largest_set_is_read_and_due_again_without_a_max_size() {
    let mut groups = only_grace();
    appears(&mut groups, age(250_000, 100, 100));
    assert_eq!(due_at_ms(&mut groups, 110_020), [GROUP]);
    groups.formed(GROUP, FormResult::Formed(100_000), 110_020);
    assert_eq!(reads(&mut groups), [GROUP]);
    let left = age(150_000, 100, 100);
    groups.on_ages(vec![(GROUP, Some(left))], 110_030);
    assert_eq!(due_at_ms(&mut groups, 110_030), [GROUP]);
}

#[test]
fn a_group_whose_tasks_are_all_in_a_set_is_forgotten_until_its_name_comes_again() {
    let mut groups = only_grace();
    appears(&mut groups, age(3, 100, 100));
    assert_eq!(due_at_ms(&mut groups, 110_020), [GROUP]);
    groups.formed(GROUP, FormResult::Formed(3), 110_020);
    groups.on_change(&GROUP);
    assert_eq!((reads(&mut groups), groups.next_due()), (vec![], None));
    groups.on_names(vec![], false);
    appears(&mut groups, age(1, 111, 111));
}

#[test]
fn a_group_that_gets_tasks_again_while_its_reply_is_on_its_way_is_not_forgotten() {
    let mut groups = groups(GroupLimits::new().max_size(5));
    appears(&mut groups, age(3, 100, 100));
    assert_eq!(due_at_ms(&mut groups, 110_020), [GROUP]);
    groups.on_names(vec![GROUP], false);
    groups.formed(GROUP, FormResult::Formed(3), 110_020);
    assert_eq!(reads(&mut groups), [GROUP]);
    groups.on_names(vec![GROUP], false);
    groups.on_ages(vec![(GROUP, None)], 110_020);
    assert_eq!(reads(&mut groups), [GROUP]);
    groups.on_ages(vec![(GROUP, None)], 110_020);
    assert_eq!(
        reads(&mut groups),
        [""; 0],
        "nothing says that it has tasks"
    );
}

#[test]
fn a_read_is_in_vain_only_if_redis_had_notified_of_a_change() {
    let mut groups = groups(GroupLimits::new().max_size(5));
    appears(&mut groups, age(3, 100, 100));
    let ages = || vec![(GROUP, Some(age(3, 100, 100)))];
    groups.on_names(vec![GROUP], true);
    assert_eq!(groups.on_ages(ages(), 0), 0);
    groups.on_change(&GROUP);
    assert_eq!(groups.on_ages(ages(), 0), 1);
    assert_eq!(groups.on_ages(ages(), 0), 0);
}

/// What Redis says of a group that is not due.
fn not_due(groups: &mut QueueGroups, age: GroupAge, redis_now_ms: i64, now_ms: i64) {
    groups.formed(GROUP, FormResult::NotDue(age, redis_now_ms), now_ms);
}

#[test]
fn a_group_that_is_not_due_for_redis_is_tried_again_when_it_is_due_there_or_after_a_second() {
    let mut groups = only_grace();
    appears(&mut groups, age(3, 100, 100));
    // The clock of Redis is behind by so many milliseconds.
    for (behind, pause) in [(1, 10), (400, 400), (1_000, 1_000), (3_600_000, 1_000)] {
        let now_ms = groups.next_due().expect("it waits").max(110_015);
        assert_eq!(due_at_ms(&mut groups, now_ms), [GROUP]);
        not_due(&mut groups, age(3, 100, 100), 110_000 - behind, now_ms);
        let next = groups.next_due().expect("it waits");
        assert!(
            (pause..pause + 15).contains(&(next - now_ms)),
            "{behind}: {next}"
        );
        groups.on_change(&GROUP);
        groups.on_ages(vec![(GROUP, Some(age(3, 100, 100)))], now_ms + 1);
        let after_a_read = groups.next_due().expect("it waits");
        assert!(after_a_read >= now_ms + pause, "{behind}: {after_a_read}");
    }
    let now_ms = groups.next_due().expect("it waits");
    assert_eq!(due_at_ms(&mut groups, now_ms), [GROUP]);
    not_due(&mut groups, age(4, 100, 125), now_ms, now_ms);
    assert_eq!(groups.next_due().map(|at_ms| at_ms / 1000), Some(135));
}

#[test]
fn a_group_that_is_not_due_for_redis_is_due_at_once_when_it_has_reached_its_size() {
    let mut groups = groups(GroupLimits::new().max_size(5));
    appears(&mut groups, age(3, 100, 100));
    assert_eq!(due_at_ms(&mut groups, 110_020), [GROUP]);
    not_due(&mut groups, age(3, 100, 100), 50_000, 110_020);
    groups.on_change(&GROUP);
    assert_eq!(reads(&mut groups), [GROUP]);
    groups.on_ages(vec![(GROUP, Some(age(5, 100, 100)))], 110_030);
    assert_eq!(due_at_ms(&mut groups, 110_030), [GROUP]);
}

#[test]
fn a_group_that_is_not_due_for_redis_but_was_full_in_a_read_meanwhile_is_read_again() {
    let mut groups = groups(GroupLimits::new().max_size(5));
    appears(&mut groups, age(4, 100, 100));
    assert_eq!(due_at_ms(&mut groups, 110_020), [GROUP]);
    groups.on_change(&GROUP);
    assert_eq!(reads(&mut groups), [GROUP]);
    let full = || vec![(GROUP, Some(age(5, 100, 110)))];
    groups.on_ages(full(), 110_030);
    not_due(&mut groups, age(4, 100, 110), 110_025, 110_040);
    assert_eq!(reads(&mut groups), [GROUP]);
    groups.on_ages(full(), 110_050);
    assert_eq!(due_at_ms(&mut groups, 110_050), [GROUP]);
}

#[test]
fn what_a_forming_has_left_is_no_read_in_vain() {
    let mut groups = groups(GroupLimits::new().max_size(5));
    appears(&mut groups, age(7, 100, 100));
    assert_eq!(due_at_ms(&mut groups, 100_000), [GROUP]);
    groups.on_change(&GROUP);
    groups.formed(GROUP, FormResult::Formed(5), 100_000);
    assert_eq!(reads(&mut groups), [GROUP]);
    let left = || vec![(GROUP, Some(age(2, 100, 100)))];
    assert_eq!(groups.on_ages(left(), 100_000), 0);
    groups.on_change(&GROUP);
    assert_eq!(groups.on_ages(left(), 100_000), 1);
}

#[test]
fn a_group_that_redis_refuses_waits_for_a_minute_whatever_is_read_meanwhile() {
    let mut groups = groups(GroupLimits::new().max_size(5));
    appears(&mut groups, age(5, 100, 100));
    assert_eq!(due_at_ms(&mut groups, 100_000), [GROUP]);
    groups.formed(GROUP, FormResult::Refused, 100_000);
    groups.on_change(&GROUP);
    assert_eq!(reads(&mut groups), [GROUP]);
    groups.on_ages(vec![(GROUP, Some(age(6, 100, 100)))], 100_100);
    groups.on_poll(vec![(GROUP, age(7, 100, 100))], 107_000);
    assert_eq!(groups.next_due(), Some(160_000));
    assert_eq!(due_at_ms(&mut groups, 160_000), [GROUP]);
}

#[test]
fn without_an_answer_all_groups_of_the_queue_wait() {
    let mut groups = only_grace();
    let second = Str::from_static("second");
    groups.on_names(vec![GROUP, second.clone()], false);
    reads(&mut groups);
    let ages = [&GROUP, &second].map(|name| (name.clone(), Some(age(1, 100, 100))));
    groups.on_ages(ages.into(), 100_000);
    assert_eq!(due_at_ms(&mut groups, 110_020).len(), 2);
    for name in [GROUP, second] {
        groups.pause(Duration::from_secs(1), 110_020);
        groups.formed(name, FormResult::NoAnswer, 110_020);
    }
    assert_eq!(groups.next_due(), Some(111_020));
    assert_eq!(due_at_ms(&mut groups, 111_019), [""; 0]);
    assert_eq!(due_at_ms(&mut groups, 111_020).len(), 2);
}

#[test]
fn many_groups_are_read_in_bounded_calls_and_those_that_are_gone_forgotten() {
    let mut groups = only_grace();
    let names: Vec<Str> = (0..1_200).map(|n| Str::from(n.to_string())).collect();
    groups.on_names(names.clone(), true);
    for expected in [MOST_READ, MOST_READ, 200] {
        let names = reads(&mut groups);
        assert_eq!(names.len(), expected);
        let ages = names.into_iter().map(|name| (name, Some(age(1, 100, 100))));
        groups.on_ages(ages.collect(), 100_000);
    }
    assert_eq!(reads(&mut groups), [""; 0]);
    groups.on_names(names[..10].to_vec(), false);
    assert_eq!(due_at_ms(&mut groups, 200_000).len(), 10);
}

#[test]
fn while_redis_does_not_notify_groups_are_known_from_polls_alone() {
    let mut groups = only_grace();
    appears(&mut groups, age(1, 100, 100));
    groups.on_change(&GROUP);
    groups.untracked();
    groups.on_poll(vec![(GROUP, age(2, 100, 103))], 104_000);
    assert_eq!(reads(&mut groups), [""; 0]);
    assert_eq!(due_at_ms(&mut groups, 113_020), [GROUP]);
    groups.formed(GROUP, FormResult::Empty, 113_020);
    groups.on_poll(vec![], 120_000);
    // It notifies again: everything is read.
    groups.on_names(vec![GROUP], true);
    assert_eq!(reads(&mut groups), [GROUP]);
}
