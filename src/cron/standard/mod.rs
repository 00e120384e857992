//! The standard dialect: that of robfig/cron v3's standard parser, which asynq uses.

mod field;
mod parse;
mod search;

use field::ValueSet;

use super::field_kind::{HOUR, MINUTE, MONTH};
use super::local_time::LocalTime;
use super::words::{Days, SpecFields, restricted};
pub(super) use parse::{Standard, parse};

/// The five fields of a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StandardSpec {
    minute: ValueSet,
    hour: ValueSet,
    day_of_month: ValueSet,
    month: ValueSet,
    day_of_week: ValueSet,
}

impl StandardSpec {
    /// For [`SpecFields::words`].
    pub(super) fn fields(&self) -> SpecFields {
        let days = |field: ValueSet| {
            (!field.has_star).then(|| Days {
                numbers: field.values.numbers(),
                others: Vec::new(),
            })
        };
        SpecFields {
            seconds: Some(vec![0]),
            minutes: restricted(self.minute.values.numbers(), &MINUTE),
            hours: restricted(self.hour.values.numbers(), &HOUR),
            days_of_month: days(self.day_of_month),
            months: restricted(self.month.values.numbers(), &MONTH),
            days_of_week: days(self.day_of_week),
            years: None,
        }
    }

    /// Whether both day fields match the day. Of two restricted ones, one is enough.
    fn has_day(&self, at: LocalTime) -> bool {
        let of_month = self.day_of_month.values.contains(at.day());
        let of_week = self.day_of_week.values.contains(at.weekday());
        match self.day_of_month.has_star || self.day_of_week.has_star {
            true => of_month && of_week,
            false => of_month || of_week,
        }
    }

    /// Whether a field has no values at all, so that no search can succeed. The days need not be looked at: a
    /// search by days is short.
    fn never_fires(&self) -> bool {
        [self.minute, self.hour, self.month]
            .iter()
            .any(|field| field.values.is_empty())
    }
}

#[cfg(test)]
mod tests;
