//! Which ticks are due, at times that the tests pass in.

use super::*;
use crate::scheduler::Entry;
use crate::task::Task;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

fn at(text: &str) -> i64 {
    let time: DateTime<Utc> = text.parse().expect("a time");
    time.timestamp()
}

fn entry(spec: &str) -> Entry {
    Entry::new(spec, Task::without_payload("report"))
}

/// The timeline of an entry that is registered at this time for the first time.
fn registered(entry: Entry, now: i64) -> Timeline {
    let entry = entry.checked(Tz::UTC).expect("a valid entry");
    Timeline::new(&entry.key, &entry, now, true)
}

/// What is due at the start of this second, and when to look again, in whole seconds.
fn check(timeline: &mut Timeline, now: i64) -> (Option<i64>, Option<i64>) {
    let check = timeline.check(now * 1000);
    (check.due, check.wake_at_ms.map(|ms| ms / 1000))
}

#[test]
fn a_tick_is_due_from_its_second_on_until_it_is_used_up() {
    let start = at("2026-03-01T12:00:30Z");
    let mut timeline = registered(entry("* * * * *"), start);
    let first = start + 30;
    assert_eq!(check(&mut timeline, start), (None, Some(first)));
    let early = timeline.check(first * 1000 - 1);
    assert_eq!((early.due, early.wake_at_ms), (None, Some(first * 1000)));
    let next = Some(first + MINUTE);
    assert_eq!(check(&mut timeline, first), (Some(first), next));
    assert_eq!(check(&mut timeline, first + 59), (Some(first), next));
    timeline.used(first, first);
    assert_eq!(check(&mut timeline, first + 1), (None, next));
    assert_eq!(timeline.next(first * 1000 + 1), next);
}

#[test]
fn whoever_was_away_catches_up_with_the_latest_tick_alone() {
    let start = at("2026-03-01T12:00:00Z");
    for spec in ["* * * * *", "@every 60s"] {
        let mut timeline = registered(entry(spec), start);
        for away in [MINUTE, HOUR, 30 * DAY, 3 * 366 * DAY] {
            let now = start + away + 7;
            let latest = start + away;
            let due = (Some(latest), Some(latest + MINUTE));
            assert_eq!(check(&mut timeline, now), due, "{spec} after {away} s");
        }
    }
}

#[test]
fn a_tick_before_the_registration_is_missed_unless_the_entry_wants_it() {
    let start = at("2026-03-01T12:00:00Z");
    let yesterday = start - DAY - 10 * MINUTE;
    let last = at("2026-02-28T06:00:00Z");
    for (missed, due) in [
        (Missed::Skip, None),
        (Missed::Once, Some(at("2026-03-01T06:00:00Z"))),
    ] {
        let mut timeline = registered(entry("0 6 * * *").missed(missed), start);
        // The note says when another scheduler had the last tick.
        timeline.note(last, yesterday);
        assert_eq!(check(&mut timeline, start).0, due, "{missed:?}");
        timeline.note(last + DAY, yesterday);
        assert_eq!(check(&mut timeline, start).0, None, "{missed:?}");
    }
    // What was never registered has missed nothing.
    let mut timeline = registered(entry("0 6 * * *").missed(Missed::Once), start);
    assert_eq!(check(&mut timeline, start).0, None);
}

#[test]
fn after_a_takeover_the_current_tick_is_due_unless_the_other_scheduler_had_it() {
    let start = at("2026-03-01T12:00:00Z");
    let mut timeline = registered(entry("* * * * *"), start);
    let (tick, now) = (start + HOUR, start + HOUR + 3);
    timeline.note(tick - MINUTE, start);
    assert_eq!(check(&mut timeline, now).0, Some(tick));
    timeline.note(tick, start);
    assert_eq!(check(&mut timeline, now), (None, Some(tick + MINUTE)));
}

#[test]
fn every_keeps_the_phase_of_its_note() {
    let anchor = at("2026-03-01T12:00:07Z");
    let start = anchor + 1_000;
    let mut timeline = registered(entry("@every 30s"), start);
    timeline.note(anchor + 960, anchor);
    assert_eq!(check(&mut timeline, start), (None, Some(anchor + 1_020)));
    assert_eq!(check(&mut timeline, start + 20).0, Some(anchor + 1_020));
    // Before the anchor the phase is the same.
    timeline.note(anchor - 40, anchor);
    let mut timeline = registered(entry("@every 30s"), anchor - 35);
    timeline.note(anchor - 40, anchor);
    assert_eq!(check(&mut timeline, anchor - 29).0, Some(anchor - 30));
}

#[test]
fn a_clock_that_is_set_forth_makes_one_tick_due_and_one_that_is_set_back_none_twice() {
    let start = at("2026-03-01T12:00:00Z");
    let mut timeline = registered(entry("* * * * *"), start);
    let tomorrow = start + DAY;
    assert_eq!(check(&mut timeline, tomorrow + 5).0, Some(tomorrow));
    timeline.used(tomorrow, tomorrow + 5);
    // By less than an hour: each tick counts once.
    let half_an_hour_back = tomorrow - HOUR / 2;
    assert_eq!(
        check(&mut timeline, half_an_hour_back),
        (None, Some(tomorrow + MINUTE))
    );
    // By more: the entry does not wait for a day.
    assert_eq!(
        check(&mut timeline, start + 1),
        (None, Some(start + MINUTE))
    );
    assert_eq!(check(&mut timeline, start + MINUTE).0, Some(start + MINUTE));
}

#[test]
fn a_clock_that_is_set_back_behind_the_registration_does_not_silence_the_entry() {
    let start = at("2026-03-01T12:00:00Z");
    let mut timeline = registered(entry("* * * * *"), start);
    let last_year = start - 365 * DAY;
    assert_eq!(
        check(&mut timeline, last_year),
        (None, Some(last_year + MINUTE))
    );
    assert_eq!(
        check(&mut timeline, last_year + MINUTE).0,
        Some(last_year + MINUTE)
    );
}

#[test]
fn jitter_delays_each_tick_by_less_than_its_bound_and_half_the_time_to_the_next_one() {
    let start = at("2026-03-01T12:00:00Z");
    for (jitter, bound_ms) in [(10, 10_000), (3_600, 30_000)] {
        let jittery = entry("* * * * *").jitter(Duration::from_secs(jitter));
        let timeline = registered(jittery.clone(), start);
        let delay_ms = |tick: i64| timeline.fires_at_ms(tick) - tick * 1000;
        let delays: Vec<i64> = (1..200).map(|n| delay_ms(start + n * MINUTE)).collect();
        assert!(delays.iter().all(|ms| (0..bound_ms).contains(ms)));
        assert!(
            delays.iter().any(|ms| *ms > bound_ms * 9 / 10),
            "{delays:?}"
        );
        assert!(delays.iter().any(|ms| *ms < bound_ms / 10), "{delays:?}");
        // Another scheduler delays it by the same time.
        let other = registered(jittery, start + 17);
        let tick = start + 5 * MINUTE;
        assert_eq!(other.fires_at_ms(tick), timeline.fires_at_ms(tick));
    }
}

#[test]
fn a_tick_with_jitter_is_due_after_its_delay() {
    let start = at("2026-03-01T12:00:00Z");
    let jittery = entry("0 * * * *").jitter(Duration::from_secs(600));
    let mut timeline = registered(jittery, start);
    let tick = start + HOUR;
    let fires_at_ms = timeline.fires_at_ms(tick);
    let early = timeline.check(fires_at_ms - 1);
    assert_eq!((early.due, early.wake_at_ms), (None, Some(fires_at_ms)));
    assert_eq!(timeline.check(fires_at_ms).due, Some(tick));
    // A list shows the tick after this one.
    assert_eq!(timeline.next(tick * 1000), Some(tick + HOUR));
}

#[test]
fn yearly_leap_day_and_month_end_entries_do_what_their_texts_say() {
    let start = at("2026-03-01T12:00:00Z");
    for (spec, ticks) in [
        ("@yearly", ["2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z"]),
        (
            "0 9 29 2 *",
            ["2028-02-29T09:00:00Z", "2032-02-29T09:00:00Z"],
        ),
        (
            "0 9 31 * *",
            ["2026-03-31T09:00:00Z", "2026-05-31T09:00:00Z"],
        ),
    ] {
        let mut timeline = registered(entry(spec), start);
        let [first, second] = ticks.map(at);
        assert_eq!(check(&mut timeline, start), (None, Some(first)), "{spec}");
        assert_eq!(
            check(&mut timeline, first),
            (Some(first), Some(second)),
            "{spec}"
        );
        timeline.used(first, first);
        assert_eq!(check(&mut timeline, first), (None, Some(second)), "{spec}");
        // The note must outlive the time until the tick after the next one.
        let kept = timeline.note_ttl(first).as_secs() as i64;
        assert!(kept >= second - first + 30 * DAY, "{spec}: {kept}");
    }
}

#[test]
fn an_entry_without_ticks_is_never_due() {
    let start = at("2026-03-01T12:00:00Z");
    let mut timeline = registered(entry("0 0 30 2 *"), start);
    assert_eq!(timeline.check(start * 1000), Check::default());
    assert_eq!(timeline.next(start * 1000), None);
    assert_eq!(timeline.note_ttl(start).as_secs() as i64, 30 * DAY);
}

#[test]
fn the_ticks_of_an_entry_are_those_of_its_zone() {
    let start = at("2026-03-28T12:00:00Z");
    let berlin = entry("30 9 * * *")
        .checked(Tz::Europe__Berlin)
        .expect("valid");
    let mut timeline = Timeline::new(&berlin.key, &berlin, start, true);
    // Summer time begins on March 29.
    let first = at("2026-03-29T07:30:00Z");
    assert_eq!(check(&mut timeline, start), (None, Some(first)));
}

#[test]
fn a_replaced_entry_goes_on_with_its_phase_and_without_ticks_of_the_past() {
    let start = at("2026-03-01T12:00:00Z");
    let old = registered(entry("@every 30s"), start);
    let mut new = registered(entry("@every 60s").missed(Missed::Once), start + 100);
    new.continue_from(&old);
    new.begin_after(start + 100);
    assert_eq!(check(&mut new, start + 100), (None, Some(start + 120)));
    // A note that is read later changes nothing about it.
    new.note(start, start);
    assert_eq!(check(&mut new, start + 101), (None, Some(start + 120)));
}

/// A daily entry whose tick at 06:00 fires some time after 06:10, and when it does.
fn delayed_beyond_ten_minutes(now: i64) -> (Entry, i64, i64) {
    let tick = at("2026-03-02T06:00:00Z");
    let entries = (0..).map(|n| {
        let jittery = entry("0 6 * * *").jitter(Duration::from_secs(3_600));
        jittery.name(format!("daily {n}"))
    });
    let mut timed = entries.map(|entry| {
        let fires_at_ms = registered(entry.clone(), now).fires_at_ms(tick);
        (entry, tick, fires_at_ms)
    });
    let is_late = |(_, _, ms): &(Entry, i64, i64)| *ms > (tick + 11 * MINUTE) * 1000;
    timed.find(is_late).expect("one of them is late")
}

#[test]
fn a_tick_whose_jitter_lasts_at_a_restart_is_not_missed() {
    let restart = at("2026-03-02T06:10:00Z");
    let (entry, tick, fires_at_ms) = delayed_beyond_ten_minutes(restart);
    let mut timeline = registered(entry.clone(), restart);
    timeline.note(tick - DAY, tick - DAY);
    let check = timeline.check(restart * 1000);
    assert_eq!((check.due, check.wake_at_ms), (None, Some(fires_at_ms)));
    assert_eq!(timeline.check(fires_at_ms).due, Some(tick));
    // After its moment it is.
    let restart = fires_at_ms / 1000 + 1;
    let mut timeline = registered(entry.clone(), restart);
    timeline.note(tick - DAY, tick - DAY);
    assert_eq!(timeline.check(restart * 1000).due, None);
    // What was never registered before has missed nothing.
    let mut timeline = registered(entry, tick + MINUTE);
    assert_eq!(timeline.check(fires_at_ms).due, None);
}

#[test]
fn a_tick_is_unused_while_its_jitter_lasts_and_until_it_is_enqueued() {
    let now = at("2026-03-02T06:10:00Z");
    let (entry, tick, fires_at_ms) = delayed_beyond_ten_minutes(now);
    let mut timeline = registered(entry, tick - HOUR);
    assert_eq!(timeline.unused((tick - 1) * 1000), None);
    assert_eq!(timeline.unused(now * 1000), Some(tick));
    assert_eq!(timeline.unused(fires_at_ms + 1), Some(tick));
    timeline.used(tick, fires_at_ms / 1000);
    assert_eq!(timeline.unused(fires_at_ms + 1), None);
}

#[test]
fn a_late_end_of_an_earlier_tick_makes_no_later_one_due_again() {
    let start = at("2026-03-01T12:00:00Z");
    let mut timeline = registered(entry("* * * * *"), start);
    timeline.note(start + 2 * MINUTE, start);
    timeline.used(start + MINUTE, start + 2 * MINUTE);
    assert_eq!(check(&mut timeline, start + 2 * MINUTE + 1).0, None);
}
