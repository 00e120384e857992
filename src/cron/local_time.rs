//! A moment on the clock of a time zone, and the moment of a date in a zone, as Go's `time` package computes
//! them. The dialects of cron specs are exact only if they take skipped and repeated local times as Go does.

use chrono::{DateTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A moment in a time zone, in whole seconds. Go: `time.Time` with its location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LocalTime {
    unix: i64,
    /// What the clock of the zone shows, in seconds since the Unix epoch as if the zone were UTC.
    local: i64,
    zone: Tz,
}

impl LocalTime {
    /// The moment `unix` (seconds since the Unix epoch) in a zone. Go: `Time.In`.
    pub(super) fn at(unix: i64, zone: Tz) -> Self {
        let local = unix + offset(unix, zone);
        Self { unix, local, zone }
    }

    /// The moment at which the clock of the zone shows this date and time. Go: `time.Date`.
    ///
    /// Numbers outside their range are carried over: October 32 is November 1, and month 13 is January of the
    /// next year. Of a local time that the zone repeats, or skips, one of the two moments in question is
    /// taken: the one that Go takes.
    pub(super) fn date(
        zone: Tz,
        year: i64,
        month: i64,
        day: i64,
        (hour, minute, second): (i64, i64, i64),
    ) -> Self {
        let local = days_of(year, month, day) * DAY + hour * HOUR + minute * MINUTE + second;
        // Which offset holds is known only if the moment is known. The local time, read as UTC, is near
        // enough for a guess, and the guess near enough for the offset.
        let guess = local - offset(local, zone);
        let unix = local - offset(guess, zone);
        match unix == guess {
            true => Self { unix, local, zone },
            false => Self::at(unix, zone),
        }
    }

    /// This date and time in a later month, or so many days later. Go: `Time.AddDate`.
    pub(super) fn add_date(self, months: i64, days: i64) -> Self {
        let (year, month, day) = self.ymd();
        let time = (self.hour(), self.minute(), self.second());
        Self::date(self.zone, year, month + months, day + days, time)
    }

    /// The moment so many seconds later. Go: `Time.Add`.
    pub(super) fn add_seconds(self, seconds: i64) -> Self {
        Self::at(self.unix + seconds, self.zone)
    }

    /// Seconds since the Unix epoch.
    pub(super) fn unix(self) -> i64 {
        self.unix
    }

    /// The moment, if chrono's times reach so far.
    pub(super) fn utc(self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(self.unix, 0)
    }

    pub(super) fn zone(self) -> Tz {
        self.zone
    }

    /// Year, month (1 to 12) and day (from 1).
    pub(super) fn ymd(self) -> (i64, i64, i64) {
        date_of(self.local.div_euclid(DAY))
    }

    pub(super) fn year(self) -> i64 {
        self.ymd().0
    }

    pub(super) fn month(self) -> i64 {
        self.ymd().1
    }

    pub(super) fn day(self) -> i64 {
        self.ymd().2
    }

    /// From Sunday = 0 to Saturday = 6.
    pub(super) fn weekday(self) -> i64 {
        weekday_of(self.local.div_euclid(DAY))
    }

    pub(super) fn hour(self) -> i64 {
        self.local.rem_euclid(DAY) / HOUR
    }

    pub(super) fn minute(self) -> i64 {
        self.local.rem_euclid(HOUR) / MINUTE
    }

    pub(super) fn second(self) -> i64 {
        self.local.rem_euclid(MINUTE)
    }
}

/// The last year in the tables of chrono-tz.
const LAST_YEAR: i64 = 2099;
const END_OF_LAST_YEAR: i64 = days_of(LAST_YEAR + 1, 1, 1) * DAY;

/// How far the clock of the zone is ahead of UTC at a moment, in seconds.
fn offset(unix: i64, zone: Tz) -> i64 {
    if unix < END_OF_LAST_YEAR || !sets_its_clock(zone) {
        return offset_in_table(unix, zone);
    }
    // Go applies a zone's last rule for ever. It speaks of weekdays in months, so what it says of this year it also
    // says of an earlier one with the same weekdays, if years are counted from March, behind the leap day. Each
    // 11 years have such a one. Years before those may have exceptions from the rule (Asia/Gaza until 2086).
    let (year, month, _) = date_of(unix.div_euclid(DAY));
    let march = |year| days_of(year, 3, 1);
    let this = march(if month < 3 { year - 1 } else { year });
    let same = (LAST_YEAR - 11..LAST_YEAR)
        .map(march)
        .find(|other| (this - other) % 7 == 0);
    offset_in_table(unix - (this - same.unwrap_or(this)) * DAY, zone)
}

/// Whether the zone's last rule has a daylight-saving time.
fn sets_its_clock(zone: Tz) -> bool {
    let of_month = |month| offset_in_table(days_of(LAST_YEAR, month, 1) * DAY, zone);
    (2..=12).any(|month| of_month(month) != of_month(1))
}

fn offset_in_table(unix: i64, zone: Tz) -> i64 {
    let utc = DateTime::from_timestamp(unix, 0)
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
        .naive_utc();
    zone.offset_from_utc_datetime(&utc)
        .fix()
        .local_minus_utc()
        .into()
}

/// Days in 400 years of the Gregorian calendar, after which it repeats.
const ERA_DAYS: i64 = 146_097;
/// From March 1 of year 0, where this arithmetic begins, to the Unix epoch.
const EPOCH_DAYS: i64 = 719_468;

/// The days from the Unix epoch to a date. The month and the day may be out of range.
pub(super) const fn days_of(year: i64, month: i64, day: i64) -> i64 {
    // counted from March, so that the leap day is the last of its year
    let months = year * 12 + (month - 1) - 2;
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12));
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - EPOCH_DAYS
}

/// The weekday of a number of days since the Unix epoch, from Sunday = 0 to Saturday = 6.
pub(super) fn weekday_of(days: i64) -> i64 {
    // the Unix epoch was a Thursday
    (days + 4).rem_euclid(7)
}

/// Year, month and day of a number of days since the Unix epoch.
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + EPOCH_DAYS;
    let (era, days) = (days.div_euclid(ERA_DAYS), days.rem_euclid(ERA_DAYS));
    let year = (days - days / 1_460 + days / 36_524 - days / 146_096) / 365;
    let day_of_year = days - (year * 365 + year / 4 - year / 100);
    let month = (day_of_year * 5 + 2) / 153;
    let day = day_of_year - (month * 153 + 2) / 5 + 1;
    let year = era * 400 + year;
    match month {
        0..10 => (year, month + 3, day),
        _ => (year + 1, month - 9, day),
    }
}
