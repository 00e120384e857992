//! Which days of a month the two day fields select together.

use crate::cron::bits::BitSet;
use crate::cron::local_time::{days_of, weekday_of};

/// The field for days of the month.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DaysOfMonth {
    /// Whether an item is `*` or `?`: then the others count for nothing.
    pub(super) is_any: bool,
    pub(super) days: BitSet,
    /// For each of these days: the weekday (Monday to Friday) nearest to it, in the same month.
    pub(super) nearest_weekdays: BitSet,
    pub(super) last_day: bool,
    /// The last Monday to Friday.
    pub(super) last_weekday: bool,
}

/// The field for days of the week. Sunday is 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DaysOfWeek {
    /// Whether an item is `*` or `?`: then the others count for nothing.
    pub(super) is_any: bool,
    pub(super) days: BitSet,
    /// Those whose last one in the month is meant.
    pub(super) last: BitSet,
    /// Those whose first, second, … fifth one in the month is meant.
    pub(super) nth: [BitSet; 5],
}

/// The days of a month that the fields select. If both are restricted, one of them is enough.
pub(super) fn days_of_a_month(
    of_month: &DaysOfMonth,
    of_week: &DaysOfWeek,
    year: i64,
    month: i64,
) -> BitSet {
    let before_the_first = days_of(year, month, 0);
    let length = (days_of(year, month + 1, 0) - before_the_first) as u16;
    let weekday = |day: u16| weekday_of(before_the_first + i64::from(day));
    let all = 1..=length;
    if of_month.is_any && of_week.is_any {
        return all.collect();
    }
    let mut selected = BitSet::default();
    if !of_month.is_any {
        selected.extend(
            all.clone()
                .filter(|&day| of_month.days.contains(day.into())),
        );
        for day in (all.clone()).filter(|&day| of_month.nearest_weekdays.contains(day.into())) {
            selected.insert(nearest_weekday(day, weekday(day), length));
        }
        if of_month.last_day {
            selected.insert(length);
        }
        if of_month.last_weekday {
            selected.insert(nearest_weekday(length, weekday(length), length));
        }
    }
    if !of_week.is_any {
        for day in all {
            let nth = of_week.nth[usize::from(day - 1) / 7];
            let mut weekdays = of_week.days.union(nth);
            if day + 7 > length {
                weekdays = weekdays.union(of_week.last);
            }
            if weekdays.contains(weekday(day)) {
                selected.insert(day);
            }
        }
    }
    selected
}

/// Saturday goes to Friday and Sunday to Monday, but not into another month.
fn nearest_weekday(day: u16, weekday: i64, length: u16) -> u16 {
    match weekday {
        0 if day == length => day - 2,
        0 => day + 1,
        6 if day == 1 => day + 2,
        6 => day - 1,
        _ => day,
    }
}
