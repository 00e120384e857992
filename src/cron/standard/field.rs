//! One field of a standard spec: a list of values, ranges and steps, read into a set of bits.

/// What a field of this kind may contain.
pub(super) struct FieldKind {
    /// The field's name in errors.
    name: &'static str,
    min: u64,
    max: u64,
    /// Names that stand for the values from `min` on.
    value_names: &'static [&'static str],
}

pub(super) const MINUTE: FieldKind = FieldKind::numbers("minute", 0, 59);
pub(super) const HOUR: FieldKind = FieldKind::numbers("hour", 0, 23);
pub(super) const DAY_OF_MONTH: FieldKind = FieldKind::numbers("day of month", 1, 31);
pub(super) const MONTH: FieldKind = FieldKind {
    name: "month",
    min: 1,
    max: 12,
    value_names: &[
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ],
};
pub(super) const DAY_OF_WEEK: FieldKind = FieldKind {
    name: "day of week",
    min: 0,
    max: 6,
    value_names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

/// The values of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ValueSet {
    bits: u64,
    /// Whether an element is `*`, `?`, or one of them with the step 1. It decides how the two day fields
    /// work together.
    pub(super) has_star: bool,
}

impl ValueSet {
    pub(super) fn contains(self, value: i64) -> bool {
        (0..64).contains(&value) && self.bits & (1 << value) != 0
    }

    /// In ascending order.
    pub(super) fn numbers(self) -> Vec<u16> {
        (0..64).filter(|n| self.bits & 1 << n != 0).collect()
    }

    pub(super) fn is_empty(self) -> bool {
        self.bits == 0
    }
}

impl FieldKind {
    const fn numbers(name: &'static str, min: u64, max: u64) -> Self {
        Self {
            name,
            min,
            max,
            value_names: &[],
        }
    }

    /// All values.
    pub(super) fn any(&self) -> ValueSet {
        ValueSet {
            bits: bits(self.min, self.max, 1),
            has_star: true,
        }
    }

    /// Only the least value.
    pub(super) fn first(&self) -> ValueSet {
        ValueSet {
            bits: bits(self.min, self.min, 1),
            has_star: false,
        }
    }

    /// Reads a field. Empty elements of its list count for nothing, so a lone comma is an empty set.
    pub(super) fn parse(&self, text: &str) -> Result<ValueSet, String> {
        let mut values = ValueSet {
            bits: 0,
            has_star: false,
        };
        for element in text.split(',').filter(|element| !element.is_empty()) {
            let parsed = self.parse_element(element)?;
            values.bits |= parsed.bits;
            values.has_star |= parsed.has_star;
        }
        Ok(values)
    }

    fn parse_element(&self, element: &str) -> Result<ValueSet, String> {
        let name = self.name;
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
            (self.min, self.max)
        } else {
            let first = self.parse_value(low, element)?;
            let last = match (high, step) {
                (Some(high), _) if high.contains('-') => {
                    return Err(format!("{name} {element:?} has more than one hyphen"));
                }
                (Some(high), _) => self.parse_value(high, element)?,
                (None, Some(_)) => self.max,
                (None, None) => first,
            };
            (first, last)
        };
        if first > last {
            return Err(format!("{name} {element:?} begins after its end"));
        }
        let step = step.unwrap_or(1);
        Ok(ValueSet {
            bits: bits(first, last, step),
            has_star: is_star && step == 1,
        })
    }

    fn parse_value(&self, text: &str, element: &str) -> Result<u64, String> {
        let named = self.value_names.iter().position(|name| {
            // character by character, as Go: its lower case of U+0130 is a plain `i`
            let lower = text.chars().filter_map(|c| c.to_lowercase().next());
            lower.eq(name.chars())
        });
        if let Some(n) = named {
            return Ok(self.min + n as u64);
        }
        let name = self.name;
        let within = match text == element {
            true => String::new(),
            false => format!(" in {element:?}"),
        };
        match parse_number(text) {
            Number::Is(value) if value < self.min => {
                Err(format!("{name} {value}{within} is below {}", self.min))
            }
            Number::Is(value) if value <= self.max => Ok(value),
            Number::Is(_) | Number::TooLarge => {
                let sunday = match self.max {
                    6 => " (Sunday is 0)",
                    _ => "",
                };
                Err(format!(
                    "{name} {text}{within} is above {}{sunday}",
                    self.max
                ))
            }
            Number::Negative => Err(format!("{name} {text}{within} is below {}", self.min)),
            Number::IsNot if text.is_empty() => Err(format!("{name} {element:?} lacks a value")),
            Number::IsNot => match self.value_names {
                [first, .., last] => Err(format!(
                    "{name} {text:?}{within} is neither a number nor a name from {first} to {last}"
                )),
                _ => Err(format!("{name} {text:?}{within} is not a number")),
            },
        }
    }

    fn parse_step(&self, text: &str, element: &str) -> Result<u64, String> {
        let fault = match parse_number(text) {
            Number::Is(0) | Number::Negative => "is below 1".to_owned(),
            Number::Is(step) => return Ok(step),
            Number::TooLarge => format!("is above {}", i64::MAX),
            Number::IsNot => "is not a number".to_owned(),
        };
        Err(format!(
            "{} {element:?}: the step {text:?} {fault}",
            self.name
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

fn bits(first: u64, last: u64, step: u64) -> u64 {
    let step = usize::try_from(step).unwrap_or(usize::MAX);
    (first..=last)
        .step_by(step)
        .fold(0, |bits, value| bits | 1 << value)
}
