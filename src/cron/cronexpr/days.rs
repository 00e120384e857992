//! Which days of a month the two day fields select together.

use chrono::{Datelike, NaiveDate};

/// The field for days of the month.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DaysOfMonth {
    /// Whether an item is `*` or `?`: then the others count for nothing.
    pub(super) is_any: bool,
    /// Bit n: day n.
    pub(super) days: u32,
    /// Bit n: the weekday (Monday to Friday) nearest to day n, in the same month.
    pub(super) nearest_weekdays: u32,
    pub(super) last_day: bool,
    /// The last Monday to Friday.
    pub(super) last_weekday: bool,
}

/// The field for days of the week. Sunday is 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DaysOfWeek {
    /// Whether an item is `*` or `?`: then the others count for nothing.
    pub(super) is_any: bool,
    /// Bit d: each day d.
    pub(super) days: u8,
    /// Bit d: the last day d of the month.
    pub(super) last: u8,
    /// For the first to the fifth in a month, bit d: that day d.
    pub(super) nth: [u8; 5],
}

/// A set of days of a month: bit n is day n.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MonthDays(u32);

impl MonthDays {
    /// The days of a month that the fields select. If both are restricted, one of them is enough.
    pub(super) fn select(
        of_month: &DaysOfMonth,
        of_week: &DaysOfWeek,
        year: i64,
        month: i64,
    ) -> Self {
        let first = i32::try_from(year)
            .ok()
            .zip(u32::try_from(month).ok())
            .and_then(|(year, month)| NaiveDate::from_ymd_opt(year, month, 1));
        let Some(first) = first else {
            return Self(0);
        };
        let length = u32::from(first.num_days_in_month());
        let weekday_before = first.weekday().num_days_from_sunday() + 6;
        let weekday_of = |day: u32| (weekday_before + day) % 7;
        let all = (1..=length).fold(0, |days, day| days | 1 << day);
        if of_month.is_any && of_week.is_any {
            return Self(all);
        }
        let mut selected = 0;
        if !of_month.is_any {
            selected |= of_month.days & all;
            for day in (1..=length).filter(|day| has(of_month.nearest_weekdays, *day)) {
                selected |= 1 << nearest_weekday(day, weekday_of(day), length);
            }
            if of_month.last_day {
                selected |= 1 << length;
            }
            if of_month.last_weekday {
                selected |= 1 << nearest_weekday(length, weekday_of(length), length);
            }
        }
        if !of_week.is_any {
            for day in 1..=length {
                let mut weekdays = of_week.days | of_week.nth[(day as usize - 1) / 7];
                if day + 7 > length {
                    weekdays |= of_week.last;
                }
                if has(weekdays.into(), weekday_of(day)) {
                    selected |= 1 << day;
                }
            }
        }
        Self(selected)
    }

    pub(super) fn contains(self, day: i64) -> bool {
        self.at_or_after(day) == Some(day)
    }

    pub(super) fn at_or_after(self, day: i64) -> Option<i64> {
        (day.max(1)..32).find(|&day| self.0 & 1 << day != 0)
    }
}

fn has(bits: u32, n: u32) -> bool {
    bits & 1 << n != 0
}

/// Saturday goes to Friday and Sunday to Monday, but not into another month.
fn nearest_weekday(day: u32, weekday: u32, length: u32) -> u32 {
    match weekday {
        0 if day == length => day - 2,
        0 => day + 1,
        6 if day == 1 => day + 2,
        6 => day - 1,
        _ => day,
    }
}
