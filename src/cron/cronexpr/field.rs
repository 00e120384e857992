//! One field of a spec, without the letters of the day fields: a list of stars, values, ranges and steps.
//!
//! COMPAT: the module accepts items that it then reads as something else. They are errors here; each check
//! says what the module makes of them.

use super::numbers::Numbers;

/// What a field of this kind may contain.
pub(super) struct FieldSyntax {
    /// The field's name in errors.
    name: &'static str,
    pub(super) min: u16,
    pub(super) max: u16,
    /// How many digits a number may have.
    digits: usize,
    /// Names that stand for the values from `min` on.
    value_names: &'static [&'static str],
}

pub(super) const SECOND: FieldSyntax = FieldSyntax::numbers("second", 0, 59);
pub(super) const MINUTE: FieldSyntax = FieldSyntax::numbers("minute", 0, 59);
pub(super) const HOUR: FieldSyntax = FieldSyntax::numbers("hour", 0, 23);
pub(super) const DAY_OF_MONTH: FieldSyntax = FieldSyntax::numbers("day of month", 1, 31);
pub(super) const MONTH: FieldSyntax = FieldSyntax {
    value_names: &[
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ],
    ..FieldSyntax::numbers("month", 1, 12)
};
pub(super) const DAY_OF_WEEK: FieldSyntax = FieldSyntax {
    value_names: &[
        "sunday",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
    ],
    ..FieldSyntax::numbers("day of week", 0, 6)
};
pub(super) const YEAR: FieldSyntax = FieldSyntax {
    digits: 4,
    ..FieldSyntax::numbers("year", 1970, 2099)
};

/// How many letters the short form of a name has.
const SHORT_NAME: usize = 3;

/// The largest step. A year can also be a step: one from which no other follows.
const MAX_STEP: u16 = 59;

/// An item of a list.
pub(super) enum Item {
    Any,
    /// At least one number.
    Numbers(Vec<u16>),
}

impl FieldSyntax {
    const fn numbers(name: &'static str, min: u16, max: u16) -> Self {
        Self {
            name,
            min,
            max,
            digits: 2,
            value_names: &[],
        }
    }

    pub(super) fn all(&self) -> Vec<u16> {
        (self.min..=self.max).collect()
    }

    /// The items of a list. Empty ones count for nothing.
    pub(super) fn items<'t>(&self, text: &'t str) -> Result<Vec<&'t str>, String> {
        let items: Vec<&str> = text.split(',').filter(|item| !item.is_empty()).collect();
        match items.is_empty() {
            true => Err(format!("{} {text:?} has no value", self.name)),
            false => Ok(items),
        }
    }

    /// Reads a field that has no items of its own kind.
    pub(super) fn parse(&self, text: &str) -> Result<Numbers, String> {
        let mut numbers = Vec::new();
        // COMPAT: the module does not look at what follows a star.
        for item in self.items(text)? {
            match self.parse_item(item)? {
                Item::Any => numbers.extend(self.all()),
                Item::Numbers(some) => numbers.extend(some),
            }
        }
        Numbers::new(numbers).ok_or_else(|| format!("{} {text:?} has no value", self.name))
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
            ("*", _, _) => (self.min, self.max),
            ("?", _, _) => return Err(self.fault(item, "only * and values have steps")),
            (_, Some((first, last)), _) => self.parse_range(first, last, item)?,
            (_, None, Some(_)) => (self.parse_value(range, item)?, self.max),
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
        let name = self.name;
        let within = match text == item {
            true => String::new(),
            false => format!(" in {item:?}"),
        };
        if text.is_empty() {
            return Err(self.fault(item, "a value is missing"));
        }
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            let lower = lowercase(text);
            let names = self.value_names.iter();
            let named =
                (names.zip(0..)).find(|(name, _)| lower == **name || lower == name[..SHORT_NAME]);
            return match (named, self.value_names) {
                (Some((_, n)), _) => Ok(self.min + n),
                (None, [first, .., last]) => Err(format!(
                    "{name} {text:?}{within} is neither a number nor a name from {first} to {last}"
                )),
                (None, _) => Err(format!("{name} {text:?}{within} is not a number")),
            };
        }
        let max = if self.is_weekday() { 7 } else { self.max };
        let value = match text.parse::<u16>() {
            Ok(value) if value < self.min => {
                return Err(format!("{name} {text}{within} is below {}", self.min));
            }
            Ok(value) if value <= max => value,
            _ => return Err(format!("{name} {text}{within} is above {max}")),
        };
        if text.len() > self.digits {
            return Err(format!(
                "{name} {text}{within} has more than {} digits",
                self.digits
            ));
        }
        // COMPAT: to the module such a month is 0, December of the year before, and such a day is Sunday. 00 and 07
        // are Sunday indeed.
        let is_zero = value == 0 || self.is_seven(text);
        if !self.value_names.is_empty() && text.starts_with('0') && !is_zero {
            return Err(format!(
                "{name} {text}{within} has a leading zero (write {value})"
            ));
        }
        Ok(if self.is_seven(text) { 0 } else { value })
    }

    fn parse_step(&self, text: &str, item: &str) -> Result<u16, String> {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let max = self.max.min(MAX_STEP);
        let fault = match text.parse::<u16>() {
            _ if !is_number => format!("the step {text:?} is not a number"),
            Ok(0) => format!("the step {text} is below 1"),
            Ok(step) if step <= max && text.len() <= 2 => return Ok(step),
            Ok(step) if step <= max => format!("the step {text} has more than 2 digits"),
            Ok(step) if text.len() == 4 && (YEAR.min..=self.max).contains(&step) => {
                return Ok(step);
            }
            _ => format!("the step {text} is above {max}"),
        };
        Err(self.fault(item, &fault))
    }

    pub(super) fn fault(&self, item: &str, fault: &str) -> String {
        format!("{} {item:?}: {fault}", self.name)
    }

    fn is_weekday(&self) -> bool {
        self.value_names.len() == 7
    }

    fn is_seven(&self, text: &str) -> bool {
        self.is_weekday() && matches!(text, "7" | "07")
    }
}

/// In lower case, character by character as Go: its lower case of U+0130 is a plain `i`.
pub(super) fn lowercase(text: &str) -> String {
    text.chars()
        .filter_map(|c| c.to_lowercase().next())
        .collect()
}
