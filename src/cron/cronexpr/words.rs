//! What a spec says, in plain words.

use super::CronexprSpec;
use super::days::{DaysOfMonth, DaysOfWeek};
use crate::cron::field_kind::{HOUR, MINUTE, MONTH, SECOND, YEAR};
use crate::cron::names::WEEKDAYS;
use crate::cron::words::{Days, SpecFields, restricted};

const NTH: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];

impl CronexprSpec {
    pub(in crate::cron) fn fields(&self) -> SpecFields {
        SpecFields {
            seconds: restricted(self.seconds.to_vec(), &SECOND),
            minutes: restricted(self.minutes.to_vec(), &MINUTE),
            hours: restricted(self.hours.to_vec(), &HOUR),
            days_of_month: (!self.days_of_month.is_any).then(|| days_of_month(&self.days_of_month)),
            months: restricted(self.months.to_vec(), &MONTH),
            days_of_week: (!self.days_of_week.is_any).then(|| days_of_week(&self.days_of_week)),
            years: restricted(self.years.to_vec(), &YEAR),
        }
    }
}

fn days_of_month(field: &DaysOfMonth) -> Days {
    let mut others = Vec::new();
    for day in field.nearest_weekdays.numbers() {
        others.push(format!("the working day nearest to day {day}"));
    }
    if field.last_day {
        others.push("the last day".to_owned());
    }
    if field.last_weekday {
        others.push("the last working day".to_owned());
    }
    Days {
        numbers: field.days.numbers(),
        others,
    }
}

fn days_of_week(field: &DaysOfWeek) -> Days {
    let mut others = Vec::new();
    for (nth, days) in NTH.iter().zip(field.nth) {
        others
            .extend((days.numbers().into_iter()).map(|day| format!("the {nth} {}", weekday(day))));
    }
    others
        .extend((field.last.numbers().into_iter()).map(|day| format!("the last {}", weekday(day))));
    Days {
        numbers: field.days.numbers(),
        others,
    }
}

fn weekday(day: u16) -> &'static str {
    WEEKDAYS[usize::from(day) % 7]
}
