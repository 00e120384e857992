//! One field of a standard spec: a list of values, ranges and steps, read into a set.

use crate::cron::bits::BitSet;
use crate::cron::field_kind::{self, FieldKind};
use crate::cron::names::{lowercase, short};

/// A field as this dialect writes it.
pub(super) struct StandardField(&'static FieldKind);

pub(super) const MINUTE: StandardField = StandardField(&field_kind::MINUTE);
pub(super) const HOUR: StandardField = StandardField(&field_kind::HOUR);
pub(super) const DAY_OF_MONTH: StandardField = StandardField(&field_kind::DAY_OF_MONTH);
pub(super) const MONTH: StandardField = StandardField(&field_kind::MONTH);
pub(super) const DAY_OF_WEEK: StandardField = StandardField(&field_kind::DAY_OF_WEEK);

/// The values of a field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ValueSet {
    pub(super) values: BitSet,
    /// Whether an element is `*`, `?`, or one of them with the step 1. It decides how the two day fields
    /// work together.
    pub(super) has_star: bool,
}

impl StandardField {
    /// Reads a field. Empty elements of its list count for nothing, so a lone comma is an empty set.
    pub(super) fn parse(&self, text: &str) -> Result<ValueSet, String> {
        let mut field = ValueSet::default();
        for element in text.split(',').filter(|element| !element.is_empty()) {
            let parsed = self.parse_element(element)?;
            field.values = field.values.union(parsed.values);
            field.has_star |= parsed.has_star;
        }
        Ok(field)
    }

    fn parse_element(&self, element: &str) -> Result<ValueSet, String> {
        let FieldKind { name, min, max, .. } = *self.0;
        let (range, step) = match element.split_once('/') {
            Some((_, step)) if step.contains('/') => {
                return Err(format!("{name} {element:?} has more than one slash"));
            }
            Some((range, step)) => (range, Some(self.parse_step(step, element)?)),
            None => (element, None),
        };
        let (low, high) = match range.split_once('-') {
            Some((low, high)) => (low, Some(high)),
            None => (range, None),
        };
        // what follows a star counts for nothing, as in robfig's parser
        let is_star = matches!(low, "*" | "?");
        let (first, last) = if is_star {
            (min, max)
        } else {
            let first = self.parse_value(low, element)?;
            let last = match (high, step) {
                (Some(high), _) if high.contains('-') => {
                    return Err(format!("{name} {element:?} has more than one hyphen"));
                }
                (Some(high), _) => self.parse_value(high, element)?,
                (None, Some(_)) => max,
                (None, None) => first,
            };
            (first, last)
        };
        if first > last {
            return Err(format!("{name} {element:?} begins after its end"));
        }
        let step = step.unwrap_or(1);
        Ok(ValueSet {
            values: (first..=last).step_by(step).collect(),
            has_star: is_star && step == 1,
        })
    }

    fn parse_value(&self, text: &str, element: &str) -> Result<u16, String> {
        let FieldKind { min, max, .. } = *self.0;
        let lower = lowercase(text);
        let mut names = self.0.value_names.iter().zip(min..);
        if let Some((_, value)) = names.find(|(name, _)| lowercase(short(name)) == lower) {
            return Ok(value);
        }
        let fault = |fault: String| self.0.number_fault(text, element, &fault);
        match parse_number(text) {
            Number::Is(value) if value < min.into() => Err(fault(format!("is below {min}"))),
            Number::Negative => Err(fault(format!("is below {min}"))),
            Number::Is(value) => (u16::try_from(value).ok())
                .filter(|value| *value <= max)
                .ok_or_else(|| fault(self.above())),
            Number::TooLarge => Err(fault(self.above())),
            Number::IsNot if text.is_empty() => {
                Err(format!("{} {element:?} lacks a value", self.0.name))
            }
            Number::IsNot => {
                let shown = |name: &str| short(name).to_uppercase();
                Err(self.0.unreadable_value(text, element, shown))
            }
        }
    }

    fn above(&self) -> String {
        let sunday = match self.0.max {
            6 => " (Sunday is 0)",
            _ => "",
        };
        format!("is above {}{sunday}", self.0.max)
    }

    fn parse_step(&self, text: &str, element: &str) -> Result<usize, String> {
        let fault = match parse_number(text) {
            Number::Is(0) | Number::Negative => "is below 1".to_owned(),
            Number::Is(step) => return Ok(usize::try_from(step).unwrap_or(usize::MAX)),
            Number::TooLarge => format!("is above {}", i64::MAX),
            Number::IsNot => "is not a number".to_owned(),
        };
        Err(format!(
            "{} {element:?}: the step {text:?} {fault}",
            self.0.name
        ))
    }
}

enum Number {
    Is(u64),
    Negative,
    TooLarge,
    IsNot,
}

/// Reads what Go's `Atoi` reads: ASCII digits, also behind a sign, as far as they fit an `i64`.
fn parse_number(text: &str) -> Number {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Number::IsNot;
    }
    match text.parse::<i64>() {
        Ok(value) => u64::try_from(value).map_or(Number::Negative, Number::Is),
        Err(_) if text.starts_with('-') => Number::Negative,
        Err(_) => Number::TooLarge,
    }
}
