//! The search for the next time: the next time of the wall clock that the fields select, as a moment.
//!
//! The module computes the same, in other words, and with Go's `time.Date`. That function answers also for a local time that the zone
//! skips or repeats, and its answer can lie before the time that was asked with. Then the module gives
//! that answer again and again; this search goes on to the next time of the wall clock.

use chrono_tz::Tz;

use super::CronexprSpec;
use super::days::days_of_a_month;
use crate::cron::bits::BitSet;
use crate::cron::local_time::LocalTime;

/// A day: year, month, day.
type Day = (i64, i64, i64);
/// A time of day: hour, minute, second.
type Time = (i64, i64, i64);

impl CronexprSpec {
    /// The first time after `unix` (in seconds). `None` if there is none until the end of 2099.
    ///
    /// One step of the loop, except within a day of a change of the zone's offset: there are as many as the fields
    /// select times that the change skips or repeats.
    pub(in crate::cron) fn next_after(&self, unix: i64, zone: Tz) -> Option<LocalTime> {
        let now = LocalTime::at(unix, zone);
        let mut wall = (now.ymd(), (now.hour(), now.minute(), now.second()));
        loop {
            wall = next_wall(self, wall)?;
            let ((year, month, day), time) = wall;
            let next = LocalTime::date(zone, year, month, day, time);
            if next.unix() > unix {
                return Some(next);
            }
        }
    }
}

/// The first time of the wall clock that is later.
fn next_wall(spec: &CronexprSpec, (day, time): (Day, Time)) -> Option<(Day, Time)> {
    if has_day(spec, day)
        && let Some(later) = later_time(spec, time)
    {
        return Some((day, later));
    }
    let first = (
        spec.hours.first(),
        spec.minutes.first(),
        spec.seconds.first(),
    );
    Some((later_day(spec, day)?, first))
}

fn has_day(spec: &CronexprSpec, (year, month, day): Day) -> bool {
    spec.years.contains(year)
        && spec.months.contains(month)
        && days(spec, year, month).contains(day)
}

fn later_time(spec: &CronexprSpec, (hour, minute, second): Time) -> Option<Time> {
    let (first_minute, first_second) = (spec.minutes.first(), spec.seconds.first());
    if spec.hours.contains(hour) {
        if spec.minutes.contains(minute)
            && let Some(second) = spec.seconds.at_or_after(second + 1)
        {
            return Some((hour, minute, second));
        }
        if let Some(minute) = spec.minutes.at_or_after(minute + 1) {
            return Some((hour, minute, first_second));
        }
    }
    let hour = spec.hours.at_or_after(hour + 1)?;
    Some((hour, first_minute, first_second))
}

/// At most 130 years of 12 months.
fn later_day(spec: &CronexprSpec, (year, month, day): Day) -> Option<Day> {
    for y in spec.years.from(year) {
        let first_month = if y == year { month } else { 1 };
        for m in spec.months.from(first_month) {
            let first_day = if (y, m) == (year, month) { day + 1 } else { 1 };
            if let Some(d) = days(spec, y, m).at_or_after(first_day) {
                return Some((y, m, d));
            }
        }
    }
    None
}

fn days(spec: &CronexprSpec, year: i64, month: i64) -> BitSet {
    days_of_a_month(&spec.days_of_month, &spec.days_of_week, year, month)
}
