//! What a spec says, in plain words.

use super::CronexprSpec;
use super::days::{DaysOfMonth, DaysOfWeek};
use super::field::{FieldSyntax, HOUR, MINUTE, MONTH, SECOND, YEAR};
use super::numbers::Numbers;
use crate::cron::words::{Days, SpecFields, restricted, weekday};

const NTH: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];

impl CronexprSpec {
    pub(in crate::cron) fn fields(&self) -> SpecFields {
        SpecFields {
            seconds: numbers(&self.seconds, &SECOND),
            minutes: numbers(&self.minutes, &MINUTE),
            hours: numbers(&self.hours, &HOUR),
            days_of_month: (!self.days_of_month.is_any).then(|| days_of_month(&self.days_of_month)),
            months: numbers(&self.months, &MONTH),
            days_of_week: (!self.days_of_week.is_any).then(|| days_of_week(&self.days_of_week)),
            years: numbers(&self.years, &YEAR),
        }
    }
}

fn numbers(numbers: &Numbers, syntax: &FieldSyntax) -> Option<Vec<u16>> {
    restricted(numbers.to_vec(), syntax.min..=syntax.max)
}

fn days_of_month(field: &DaysOfMonth) -> Days {
    let mut others = Vec::new();
    for day in set(field.nearest_weekdays, 31) {
        others.push(format!("the working day nearest to day {day}"));
    }
    if field.last_day {
        others.push("the last day".to_owned());
    }
    if field.last_weekday {
        others.push("the last working day".to_owned());
    }
    Days {
        numbers: set(field.days, 31),
        others,
    }
}

fn days_of_week(field: &DaysOfWeek) -> Days {
    let mut others = Vec::new();
    for (nth, days) in NTH.iter().zip(field.nth) {
        others.extend(
            (set(days.into(), 6).into_iter()).map(|day| format!("the {nth} {}", weekday(day))),
        );
    }
    others.extend(
        (set(field.last.into(), 6).into_iter()).map(|day| format!("the last {}", weekday(day))),
    );
    Days {
        numbers: set(field.days.into(), 6),
        others,
    }
}

fn set(bits: u32, max: u16) -> Vec<u16> {
    (0..=max).filter(|n| bits & 1 << n != 0).collect()
}
