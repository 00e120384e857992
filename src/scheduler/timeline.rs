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
#[path = "timeline_tests.rs"]
mod tests;
