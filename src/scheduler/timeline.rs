//! The ticks of one entry: which of them is due, and when to look again. Pure: all times are passed in.
//!
//! At any moment the *current tick* of an entry is its latest tick that is not in the future. It is due unless it
//! was enqueued before, by whomever, or came before the entry counts. So whoever was away (a process that slept, a
//! Redis that did not answer, a scheduler that was a follower) catches up with one tick, not with all.

use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::entry::{CheckedEntry, Missed};
use super::entry_key::EntryKey;
use crate::broker::{Str, TickNote};
use crate::cron::Schedule;

/// A note that is further ahead of Redis' clock than this (s) is from before the clock was set back.
const LONGEST_AHEAD: i64 = 60 * 60;
/// How long a note is kept after the tick after the next one (s): 30 days.
const KEPT: i64 = 30 * 24 * 60 * 60;
/// The same for a note that no other scheduler and no later start reads: an hour.
const KEPT_ALONE: i64 = 60 * 60;
/// How many ticks in a row are computed one from the other. More are searched for.
const WALKED: usize = 100;
/// How many lost ticks are counted.
const COUNTED: usize = 1_000;

/// Times are in Unix seconds, or in Unix milliseconds where the name says so.
#[derive(Clone, Debug)]
pub(super) struct Timeline {
    ticks: Ticks,
    key: EntryKey,
    jitter: Duration,
    missed: Missed,
    kept: i64,
    /// Ticks that have fired up to this time are missed, not due.
    registered_at: i64,
    /// Ticks up to this time are not due, whatever the note says.
    skipped: i64,
    /// The last tick that was enqueued. At first, when the entry was first registered anywhere.
    noted: i64,
    /// The first tick after a time, because it is asked for again and again.
    first_after: Option<(i64, Option<i64>)>,
    /// The last tick that has fired up to a registration, for the same reason.
    missed_until: Option<(i64, i64)>,
}

/// All ticks of a schedule.
#[derive(Clone, Debug)]
struct Ticks {
    schedule: Schedule,
    zone: Tz,
    /// The ticks of `@every` lie this long apart (s), on both sides of this time.
    every: Option<(i64, i64)>,
}

/// What is to be done for an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Check {
    /// The tick that is due.
    pub(super) due: Option<i64>,
    /// When to look again. `None`: there are no more ticks.
    pub(super) wake_at_ms: Option<i64>,
}

impl Timeline {
    /// The timeline of an entry that is registered now, and was never before. `is_shared`: other schedulers and later
    /// starts have the same entry.
    pub(super) fn new(key: &EntryKey, entry: &CheckedEntry, now: i64, is_shared: bool) -> Self {
        let every = entry.schedule.every();
        Self {
            ticks: Ticks {
                schedule: entry.schedule.clone(),
                zone: entry.zone,
                every: every.map(|every| (every.as_secs().max(1) as i64, now)),
            },
            key: key.clone(),
            jitter: entry.jitter,
            missed: entry.missed,
            kept: if is_shared { KEPT } else { KEPT_ALONE },
            registered_at: now,
            skipped: i64::MIN,
            noted: now,
            first_after: None,
            missed_until: None,
        }
    }

    /// The note in Redis was read, or written.
    pub(super) fn note(&mut self, noted: i64, anchor: i64) {
        self.noted = noted;
        if let Some((_, phase)) = &mut self.ticks.every {
            *phase = anchor;
            self.first_after = None;
            self.missed_until = None;
        }
    }

    /// This tick was enqueued, or is used up for another reason.
    pub(super) fn used(&mut self, tick: i64, now: i64) {
        self.noted = match self.is_void(now) {
            true => tick,
            false => self.noted.max(tick),
        };
    }

    /// The note of an entry that has none.
    pub(super) fn first_note(&self) -> TickNote {
        let time = |unix_secs: i64| DateTime::from_timestamp(unix_secs, 0).unwrap_or_default();
        let anchor = self.ticks.every.map(|(_, anchor)| anchor);
        TickNote {
            last: time(self.noted),
            fencing: 0,
            anchor: time(anchor.unwrap_or(self.registered_at)),
            task_id: Str::new(),
        }
    }

    /// Goes on where the timeline of another entry ends, with the phase of its ticks.
    pub(super) fn continue_from(&mut self, other: &Self) {
        let anchor = other.ticks.every.map(|(_, anchor)| anchor);
        self.note(other.noted, anchor.unwrap_or(self.registered_at));
    }

    /// Later ticks than this count, and no others: the entry takes the place of another one.
    pub(super) fn begin_after(&mut self, time: i64) {
        self.registered_at = time;
        self.skipped = time;
    }

    /// The current tick, if it is not used up: it is due, or its jitter lasts.
    pub(super) fn unused(&mut self, now_ms: i64) -> Option<i64> {
        self.ahead(now_ms)?.1
    }

    pub(super) fn check(&mut self, now_ms: i64) -> Check {
        let Some((first, current)) = self.ahead(now_ms) else {
            return Check::default();
        };
        // Without a current tick, the first one is in the future.
        let tick = current.unwrap_or(first);
        let fires_at_ms = self.fires_at_ms(tick);
        if now_ms < fires_at_ms {
            return Check {
                due: None,
                wake_at_ms: Some(fires_at_ms),
            };
        }
        let next = self.ticks.next_after(tick);
        Check {
            due: Some(tick),
            wake_at_ms: next.map(|next| self.fires_at_ms(next)),
        }
    }

    /// How many ticks there are from this one on and before another one, up to [`COUNTED`].
    pub(super) fn count(&self, first: i64, before: i64) -> u64 {
        let ticks = std::iter::successors(Some(first), |tick| self.ticks.next_after(*tick));
        ticks
            .take(COUNTED)
            .take_while(|tick| *tick < before)
            .count() as u64
    }

    /// The next tick in the future.
    pub(super) fn next(&mut self, now_ms: i64) -> Option<i64> {
        match self.ahead(now_ms)? {
            (_, Some(current)) => self.ticks.next_after(current),
            (first, None) => Some(first),
        }
    }

    /// The first tick that is not used up, and the current tick if it is not.
    fn ahead(&mut self, now_ms: i64) -> Option<(i64, Option<i64>)> {
        let now = now_ms.div_euclid(1000);
        let floor = self.floor(now);
        let first = self.first_after(floor)?;
        Some((first, self.ticks.latest(first, now)))
    }

    /// When the tick is enqueued: the tick, and the jitter, which is at most half the time to the next tick.
    pub(super) fn fires_at_ms(&self, tick: i64) -> i64 {
        if self.jitter.is_zero() {
            return tick * 1000;
        }
        let jitter_ms = self.jitter.as_millis() as i64;
        let half_ms = self.ticks.next_after(tick).map(|next| (next - tick) * 500);
        let bound_ms = jitter_ms.min(half_ms.unwrap_or(jitter_ms));
        tick * 1000 + self.key.spread(tick, bound_ms as u64) as i64
    }

    /// How long the note of the entry is kept from this time on: a tick, or a registration.
    pub(super) fn note_ttl(&self, at: i64) -> Duration {
        let next = self.ticks.next_after(at).unwrap_or(at);
        let after_next = self.ticks.next_after(next).unwrap_or(next);
        Duration::from_secs((after_next - at + self.kept).unsigned_abs())
    }

    /// Ticks up to this time are not due.
    fn floor(&mut self, now: i64) -> i64 {
        // The clock was set back: ticks after its time now count.
        self.registered_at = self.registered_at.min(now);
        self.skipped = self.skipped.min(now);
        let floor = match self.missed {
            _ if self.is_void(now) => self.registered_at,
            Missed::Skip => self.noted.max(self.missed_until()),
            Missed::Once => self.noted,
        };
        floor.max(self.skipped)
    }

    /// Whether the note is from before the clock was set back.
    fn is_void(&self, now: i64) -> bool {
        self.noted > now.saturating_add(LONGEST_AHEAD)
    }

    /// Ticks up to this time have fired before the registration. A tick whose jitter lasted then has not.
    fn missed_until(&mut self) -> i64 {
        let registered_at = self.registered_at;
        if self.jitter.is_zero() {
            return registered_at;
        }
        match self.missed_until {
            Some((of, until)) if of == registered_at => until,
            _ => {
                let delayed = self.delayed_at(registered_at);
                let until = delayed.map_or(registered_at, |tick| tick - 1);
                self.missed_until = Some((registered_at, until));
                until
            }
        }
    }

    /// The tick whose jitter lasts at this time.
    fn delayed_at(&self, time: i64) -> Option<i64> {
        let jitter = i64::try_from(self.jitter.as_secs()).ok()?;
        let first = self.ticks.next_after(time.checked_sub(jitter)? - 1)?;
        let tick = self.ticks.latest(first, time)?;
        (self.fires_at_ms(tick) > time * 1000).then_some(tick)
    }

    fn first_after(&mut self, floor: i64) -> Option<i64> {
        match self.first_after {
            Some((after, first)) if after == floor => first,
            _ => {
                let first = self.ticks.next_after(floor);
                self.first_after = Some((floor, first));
                first
            }
        }
    }
}

impl Ticks {
    fn next_after(&self, after: i64) -> Option<i64> {
        if let Some((every, anchor)) = self.every {
            return after.checked_add(every - (after - anchor).rem_euclid(every));
        }
        let after = DateTime::<Utc>::from_timestamp(after, 0)?;
        let next = self.schedule.next_after(after, self.zone)?;
        Some(next.timestamp())
    }

    /// The latest tick up to `now`, from this tick on.
    ///
    /// As a rule each tick is computed from the one before, as asynq does: where clocks are put back, some schedules
    /// have other ticks after another time.
    fn latest(&self, first: i64, now: i64) -> Option<i64> {
        if first > now {
            return None;
        }
        let not_after_now = |tick: &i64| *tick <= now;
        let mut tick = first;
        for _ in 0..WALKED {
            match self.next_after(tick).filter(not_after_now) {
                Some(next) => tick = next,
                None => return Some(tick),
            }
        }
        // No tick lies after `end` and up to `now`.
        let mut end = now;
        while tick < end {
            let middle = tick + (end - tick) / 2;
            match self.next_after(middle).filter(not_after_now) {
                Some(next) => tick = next,
                None => end = middle,
            }
        }
        Some(tick)
    }
}

#[cfg(test)]
mod tests {
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
}
