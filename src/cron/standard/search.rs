//! The next time of a standard spec: robfig's search, step by step.
//!
//! The search walks from the month down to the second. It goes on from where it stands when a field matches, and
//! begins again at the month when a step carries into a larger unit. Where a zone skips or repeats local times the
//! steps decide which times are found, so they are robfig's, also where others would be wiser.

use chrono_tz::Tz;

use super::StandardSpec;
use crate::cron::local_time::LocalTime;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
/// The search ends with the year that is so many years after the one in which it began.
const YEARS: i64 = 5;

impl StandardSpec {
    /// The first time after `unix` (in seconds) at which the spec fires in this zone. `None` if there is none until
    /// the end of the fifth year after that of `unix`.
    pub(in crate::cron) fn next_after(&self, unix: i64, zone: Tz) -> Option<LocalTime> {
        if self.never_fires() {
            return None;
        }
        let mut from = unix;
        let mut last_found = i64::MIN;
        loop {
            let found = search(self, from, zone)?;
            if found.unix() > unix {
                return Some(found);
            }
            // COMPAT: The search rounds the time down to an hour of the clock. Where a zone repeats part of that hour
            // (America/St_Johns in 2010), robfig goes back to an earlier time. Its times after that one are right.
            last_found = found.unix().max(last_found.saturating_add(1));
            from = last_found;
        }
    }
}

fn search(spec: &StandardSpec, unix: i64, zone: Tz) -> Option<LocalTime> {
    let at = LocalTime::at(unix + 1, zone);
    let last_year = at.year() + YEARS;
    let mut search = SpecSearch {
        spec,
        at,
        is_rounded: false,
    };
    while search.at.year() <= last_year {
        let is_carried = search.seek_month() || search.seek_day() || search.seek_hour();
        if !is_carried && !search.seek_minute() && !search.seek_second() {
            return Some(search.at);
        }
    }
    None
}

/// Where the search stands. The methods go on to the next time at which one field matches. They say `true` if
/// they stopped before that, because a step carried into a larger unit.
struct SpecSearch<'s> {
    spec: &'s StandardSpec,
    at: LocalTime,
    /// Whether a step was taken. Before the first one, the smaller units are set to their least values.
    is_rounded: bool,
}

impl SpecSearch<'_> {
    fn seek_month(&mut self) -> bool {
        while !self.spec.month.values.contains(self.at.month()) {
            let (year, month, _) = self.at.ymd();
            self.round(|at| LocalTime::date(at.zone(), year, month, 1, (0, 0, 0)));
            self.at = self.at.add_date(1, 0);
            if self.at.month() == 1 {
                return true;
            }
        }
        false
    }

    fn seek_day(&mut self) -> bool {
        while !self.spec.has_day(self.at) {
            let (year, month, day) = self.at.ymd();
            self.round(|at| LocalTime::date(at.zone(), year, month, day, (0, 0, 0)));
            let before = self.at;
            self.at = before.add_date(0, 1);
            // COMPAT: where a zone skips a whole day (Pacific/Apia in 2011), robfig stays on the day before it
            // for ever
            if self.at.unix() <= before.unix() {
                self.at = before.add_seconds(DAY);
            }
            // A zone may skip midnight. Its hour is 23 or 1 then.
            self.at = match self.at.hour() {
                0 => self.at,
                hour if hour > 12 => self.at.add_seconds((24 - hour) * HOUR),
                hour => self.at.add_seconds(-hour * HOUR),
            };
            if self.at.day() == 1 {
                return true;
            }
        }
        false
    }

    fn seek_hour(&mut self) -> bool {
        while !self.spec.hour.values.contains(self.at.hour()) {
            let ((year, month, day), hour) = (self.at.ymd(), self.at.hour());
            self.round(|at| LocalTime::date(at.zone(), year, month, day, (hour, 0, 0)));
            self.at = self.at.add_seconds(HOUR);
            if self.at.hour() == 0 {
                return true;
            }
        }
        false
    }

    fn seek_minute(&mut self) -> bool {
        while !self.spec.minute.values.contains(self.at.minute()) {
            // of the moment, not of the clock: they differ in old zones, which had odd seconds
            self.round(|at| at.add_seconds(-at.unix().rem_euclid(60)));
            self.at = self.at.add_seconds(60);
            if self.at.minute() == 0 {
                return true;
            }
        }
        false
    }

    fn seek_second(&mut self) -> bool {
        let is_carried = self.at.second() != 0;
        // more than once where a zone loses its odd seconds
        while self.at.second() != 0 {
            self.round(|at| at);
            self.at = self.at.add_seconds(60 - self.at.second());
        }
        is_carried
    }

    fn round(&mut self, round: impl Fn(LocalTime) -> LocalTime) {
        if !self.is_rounded {
            self.is_rounded = true;
            self.at = round(self.at);
        }
    }
}
