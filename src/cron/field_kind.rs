//! The fields of a spec, and the errors of their values: what both dialects have in common.

use std::fmt::Display;

use super::names::{MONTHS, WEEKDAYS};

/// What a field of this kind may contain.
pub(super) struct FieldKind {
    /// The field's name in errors.
    pub(super) name: &'static str,
    pub(super) min: u16,
    pub(super) max: u16,
    /// Names that stand for the values from `min` on.
    pub(super) value_names: &'static [&'static str],
}

pub(super) const SECOND: FieldKind = FieldKind::numbers("second", 0, 59);
pub(super) const MINUTE: FieldKind = FieldKind::numbers("minute", 0, 59);
pub(super) const HOUR: FieldKind = FieldKind::numbers("hour", 0, 23);
pub(super) const DAY_OF_MONTH: FieldKind = FieldKind::numbers("day of month", 1, 31);
pub(super) const MONTH: FieldKind = FieldKind {
    value_names: &MONTHS,
    ..FieldKind::numbers("month", 1, 12)
};
pub(super) const DAY_OF_WEEK: FieldKind = FieldKind {
    value_names: &WEEKDAYS,
    ..FieldKind::numbers("day of week", 0, 6)
};
pub(super) const YEAR: FieldKind = FieldKind::numbers("year", 1970, 2099);

impl FieldKind {
    const fn numbers(name: &'static str, min: u16, max: u16) -> Self {
        Self {
            name,
            min,
            max,
            value_names: &[],
        }
    }

    /// `minute 61 in "5-61" is above 59`: what is wrong with a number that stands in an element of the field's list.
    pub(super) fn number_fault(&self, number: &str, element: &str, fault: &str) -> String {
        self.value_fault(number, number == element, element, fault)
    }

    /// `minute "x" in "5-x" is not a number`. `shown` says how the dialect writes names.
    pub(super) fn unreadable_value(
        &self,
        text: &str,
        element: &str,
        shown: fn(&str) -> String,
    ) -> String {
        let fault = match self.value_names {
            [first, .., last] => format!(
                "is neither a number nor a name from {} to {}",
                shown(first),
                shown(last)
            ),
            _ => "is not a number".to_owned(),
        };
        self.value_fault(format_args!("{text:?}"), text == element, element, &fault)
    }

    fn value_fault(&self, value: impl Display, is_all: bool, element: &str, fault: &str) -> String {
        let name = self.name;
        match is_all {
            true => format!("{name} {value} {fault}"),
            false => format!("{name} {value} in {element:?} {fault}"),
        }
    }
}
