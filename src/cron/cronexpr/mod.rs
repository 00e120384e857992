//! The second dialect: that of the Go module `github.com/gorhill/cronexpr`, from which workers built on asynq take
//! their schedules.

mod days;
mod field;
mod numbers;
mod parse;
mod search;
mod words;

use chrono_tz::Tz;
use days::{DaysOfMonth, DaysOfWeek};
use numbers::Numbers;

use super::local_time::LocalTime;
pub(super) use parse::parse;

/// The seven fields of a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CronexprSpec {
    seconds: Numbers,
    minutes: Numbers,
    hours: Numbers,
    days_of_month: DaysOfMonth,
    months: Numbers,
    days_of_week: DaysOfWeek,
    years: Numbers,
}

impl CronexprSpec {
    /// The first time after `unix` (in seconds). `None` if there is none until the end of 2099.
    pub(super) fn next_after(&self, unix: i64, zone: Tz) -> Option<LocalTime> {
        search::next_after(self, unix, zone)
    }
}

#[cfg(test)]
mod tests;
