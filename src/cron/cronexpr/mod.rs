//! The cronexpr dialect: that of the Go module `github.com/gorhill/cronexpr`, from which workers built on asynq take
//! their schedules.

mod days;
mod field;
mod numbers;
mod parse;
mod search;
mod words;

use days::{DaysOfMonth, DaysOfWeek};
use numbers::Numbers;

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

#[cfg(test)]
mod tests;
