//! One field of a spec, without the letters of the day fields: a list of stars, values, ranges and steps.
//!
//! COMPAT: the module accepts items that it then reads as something else. They are errors here; each check
//! says what the module makes of them.

use super::numbers::Numbers;
use crate::cron::field_kind::{self, FieldKind};
use crate::cron::names::{lowercase, short};

/// A field as this dialect writes it.
pub(super) struct CronexprField(&'static FieldKind);

pub(super) const SECOND: CronexprField = CronexprField(&field_kind::SECOND);
pub(super) const MINUTE: CronexprField = CronexprField(&field_kind::MINUTE);
pub(super) const HOUR: CronexprField = CronexprField(&field_kind::HOUR);
pub(super) const DAY_OF_MONTH: CronexprField = CronexprField(&field_kind::DAY_OF_MONTH);
pub(super) const MONTH: CronexprField = CronexprField(&field_kind::MONTH);
pub(super) const DAY_OF_WEEK: CronexprField = CronexprField(&field_kind::DAY_OF_WEEK);
pub(super) const YEAR: CronexprField = CronexprField(&field_kind::YEAR);

/// The largest step. A year can also be a step: one from which no other follows.
const MAX_STEP: u16 = 59;

/// An item of a list.
pub(super) enum Item {
    Any,
    /// At least one number.
    Numbers(Vec<u16>),
}

impl CronexprField {
    /// The items of a list, at least one. Empty ones count for nothing.
    pub(super) fn items<'t>(&self, text: &'t str) -> Result<Vec<&'t str>, String> {
        let items: Vec<&str> = text.split(',').filter(|item| !item.is_empty()).collect();
        match items.is_empty() {
            true => Err(format!("{} {text:?} has no value", self.0.name)),
            false => Ok(items),
        }
    }

    /// Reads a field that has no items of its own kind.
    pub(super) fn parse(&self, text: &str) -> Result<Numbers, String> {
        let mut numbers = Vec::new();
        // COMPAT: the module does not look at what follows a star.
        for item in self.items(text)? {
            match self.parse_item(item)? {
                Item::Any => numbers.extend(self.0.min..=self.0.max),
                Item::Numbers(some) => numbers.extend(some),
            }
        }
        Ok(Numbers::new(numbers))
    }

    pub(super) fn parse_item(&self, item: &str) -> Result<Item, String> {
        if matches!(item, "*" | "?") {
            return Ok(Item::Any);
        }
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(self.parse_step(step, item)?)),
            None => (item, None),
        };
        let (first, last) = match (range, range.split_once('-'), step) {
            ("*", _, _) => (self.0.min, self.0.max),
            ("?", _, _) => return Err(self.fault(item, "? takes no step (* does)")),
            (_, Some((first, last)), _) => self.parse_range(first, last, item)?,
            (_, None, Some(_)) => (self.parse_value(range, item)?, self.0.max),
            (_, None, None) => {
                let value = self.parse_value(range, item)?;
                (value, value)
            }
        };
        let step = usize::from(step.unwrap_or(1));
        Ok(Item::Numbers((first..=last).step_by(step).collect()))
    }

    fn parse_range(&self, first: &str, last: &str, item: &str) -> Result<(u16, u16), String> {
        if last.contains('-') {
            return Err(self.fault(item, "more than one hyphen"));
        }
        let from = self.parse_value(first, item)?;
        let to = self.parse_value(last, item)?;
        // COMPAT: the module counts 7 as 0 here too: 5-7 never fires, and 0-7 is Sunday alone.
        if self.is_seven(last) && !self.is_seven(first) {
            return Err(self.fault(
                item,
                "a range cannot end with 7 (Sunday is 0, the first day)",
            ));
        }
        // COMPAT: to the module this is an empty set. It never fires, or panics in `Next`.
        if from > to {
            let sunday = match self.is_weekday() {
                true => " (Sunday is the first day)",
                false => "",
            };
            return Err(self.fault(item, &format!("the range begins after its end{sunday}")));
        }
        Ok((from, to))
    }

    /// A number or a name. Sunday is 0, also if it is written as 7.
    pub(super) fn parse_value(&self, text: &str, item: &str) -> Result<u16, String> {
        if text.is_empty() {
            return Err(self.fault(item, "a value is missing"));
        }
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            let lower = lowercase(text);
            let is_name = |name: &str| lower == lowercase(name) || lower == lowercase(short(name));
            let mut names = self.0.value_names.iter().zip(self.0.min..);
            return (names.find(|(name, _)| is_name(name)))
                .map(|(_, value)| value)
                .ok_or_else(|| self.0.unreadable_value(text, item, str::to_owned));
        }
        let fault = |fault: String| self.0.number_fault(text, item, &fault);
        let max = if self.is_weekday() { 7 } else { self.0.max };
        let value = match text.parse::<u16>() {
            Ok(value) if value < self.0.min => {
                return Err(fault(format!("is below {}", self.0.min)));
            }
            Ok(value) if value <= max => value,
            _ => return Err(fault(format!("is above {max}"))),
        };
        let digits = if max > 99 { 4 } else { 2 };
        if text.len() > digits {
            return Err(fault(format!("has more than {digits} digits")));
        }
        // COMPAT: to the module such a month is 0, December of the year before, and such a day is Sunday. 00 and 07
        // are Sunday indeed.
        let is_zero = value == 0 || self.is_seven(text);
        if !self.0.value_names.is_empty() && text.starts_with('0') && !is_zero {
            return Err(fault(format!("has a leading zero (write {value})")));
        }
        Ok(if self.is_seven(text) { 0 } else { value })
    }

    fn parse_step(&self, text: &str, item: &str) -> Result<u16, String> {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let max = self.0.max.min(MAX_STEP);
        let fault = match text.parse::<u16>() {
            _ if !is_number => format!("the step {text:?} is not a number"),
            Ok(0) => format!("the step {text} is below 1"),
            Ok(step) if step <= max && text.len() <= 2 => return Ok(step),
            Ok(step) if step <= max => format!("the step {text} has more than 2 digits"),
            Ok(step) if text.len() == 4 && (YEAR.0.min..=self.0.max).contains(&step) => {
                return Ok(step);
            }
            _ => format!("the step {text} is above {max}"),
        };
        Err(self.fault(item, &fault))
    }

    pub(super) fn fault(&self, item: &str, fault: &str) -> String {
        format!("{} {item:?}: {fault}", self.0.name)
    }

    fn is_weekday(&self) -> bool {
        self.0.value_names.len() == 7
    }

    fn is_seven(&self, text: &str) -> bool {
        self.is_weekday() && matches!(text, "7" | "07")
    }
}
