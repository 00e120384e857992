//! The plain words for what the fields of a spec say, in every dialect.

use super::field_kind::FieldKind;
use super::names::{MONTHS, WEEKDAYS};

/// What the fields of a spec select. Numbers are in ascending order; `None` is all of them.
pub(super) struct SpecFields {
    pub(super) seconds: Option<Vec<u16>>,
    pub(super) minutes: Option<Vec<u16>>,
    pub(super) hours: Option<Vec<u16>>,
    pub(super) days_of_month: Option<Days>,
    pub(super) months: Option<Vec<u16>>,
    /// Sunday is 0.
    pub(super) days_of_week: Option<Days>,
    pub(super) years: Option<Vec<u16>>,
}

/// The days of a restricted field.
#[derive(Default)]
pub(super) struct Days {
    pub(super) numbers: Vec<u16>,
    /// Days that are no numbers, each a text that can follow "on".
    pub(super) others: Vec<String>,
}

/// As many times of day are listed.
const LISTED_TIMES: usize = 4;
/// From as many numbers on "1, 3, 5, 7" becomes "every 2nd … from 1 to 7".
const LONG_LIST: usize = 4;
/// From as many numbers on "1, 2, 3" becomes "1 to 3".
const RUN: usize = 3;

impl SpecFields {
    /// A sentence without a full stop: "At 09:30 on Monday to Friday, in January".
    pub(super) fn words(&self) -> String {
        let lists = [&self.seconds, &self.minutes, &self.hours, &self.months];
        if lists.into_iter().flatten().any(Vec::is_empty) {
            return "Never".to_owned();
        }
        let mut text = match self.times_of_day() {
            Some(times) => format!("At {}{}", and(&times), self.days(" every day")),
            None => self.frequency() + &self.days(""),
        };
        if let Some(months) = &self.months {
            text += &format!(", in {}", list("month", months, month));
        }
        if let Some(years) = &self.years {
            text += &format!(", in {}", list("year", years, number));
        }
        text
    }

    /// The times of day, if there are only a few.
    fn times_of_day(&self) -> Option<Vec<String>> {
        let (seconds, minutes, hours) = (
            self.seconds.as_ref()?,
            self.minutes.as_ref()?,
            self.hours.as_ref()?,
        );
        if seconds.len() * minutes.len() * hours.len() > LISTED_TIMES {
            return None;
        }
        let mut times = Vec::new();
        for hour in hours {
            for minute in minutes {
                for second in seconds {
                    times.push(self.time(*hour, *minute, *second));
                }
            }
        }
        Some(times)
    }

    /// A time of day, with its second if a second other than 0 is selected.
    fn time(&self, hour: u16, minute: u16, second: u16) -> String {
        match self.seconds.as_deref() {
            Some([0]) => format!("{hour:02}:{minute:02}"),
            _ => format!("{hour:02}:{minute:02}:{second:02}"),
        }
    }

    /// How often in a day: "Every 5 minutes from 09:00 to 17:55", "At minute 5 of every hour".
    fn frequency(&self) -> String {
        let units = [
            ("second", self.seconds.as_deref(), 59),
            ("minute", self.minutes.as_deref(), 59),
            ("hour", self.hours.as_deref(), 23),
        ];
        // What is at 0 of a smaller unit is counted in the larger one.
        let first = (units.iter())
            .position(|(_, numbers, _)| *numbers != Some(&[0]))
            .unwrap_or(2)
            .min(2);
        let (unit, numbers, max) = units[first];
        let (mut text, mut is_listed) = match interval(numbers, max) {
            Some(1) => (format!("Every {unit}"), false),
            Some(n) => (format!("Every {n} {unit}s"), false),
            None if unit != "hour" => (format!("At {}", numbered(unit, numbers)), true),
            None if is_run(numbers) => ("Every hour".to_owned() + &self.span(), false),
            None => (format!("At minute 0 of {}", numbered(unit, numbers)), true),
        };
        for (unit, numbers, max) in units.into_iter().skip(first + 1) {
            match interval(numbers, max) {
                Some(1) if !is_listed => {}
                Some(1) => {
                    text += &format!(" of every {unit}");
                    is_listed = false;
                }
                Some(n) if is_listed => {
                    text += &format!(" of every {} {unit}", ordinal(n));
                    is_listed = false;
                }
                Some(n) => text += &format!(" in every {} {unit}", ordinal(n)),
                None if unit == "hour" && !is_listed && is_run(numbers) => text += &self.span(),
                None => {
                    let preposition = if is_listed { "of" } else { "in" };
                    text += &format!(" {preposition} {}", numbered(unit, numbers));
                    is_listed = true;
                }
            }
        }
        text
    }

    /// From the first to the last time of a day.
    fn span(&self) -> String {
        let ends = |numbers: Option<&[u16]>, max| match numbers {
            Some([first, .., last]) => (*first, *last),
            Some([only]) => (*only, *only),
            _ => (0, max),
        };
        let (first_second, last_second) = ends(self.seconds.as_deref(), 59);
        let (first_minute, last_minute) = ends(self.minutes.as_deref(), 59);
        let (first_hour, last_hour) = ends(self.hours.as_deref(), 23);
        format!(
            " from {} to {}",
            self.time(first_hour, first_minute, first_second),
            self.time(last_hour, last_minute, last_second)
        )
    }

    /// On which days. If both day fields are restricted, one of them is enough.
    fn days(&self, any: &str) -> String {
        let mut days = Vec::new();
        if let Some(of_month) = &self.days_of_month {
            let mut parts = of_month.others.clone();
            if !of_month.numbers.is_empty() {
                parts.insert(0, numbered("day", Some(&of_month.numbers)));
            }
            days.push(format!(" on {} of the month", and(&parts)));
        }
        if let Some(of_week) = &self.days_of_week {
            // Monday first, so that a weekend is one run.
            let mut numbers: Vec<u16> = of_week.numbers.iter().map(|day| (day + 6) % 7).collect();
            numbers.sort_unstable();
            let mut parts = runs(&numbers, |day| {
                WEEKDAYS[usize::from(day + 1) % 7].to_owned()
            });
            if !of_week.others.is_empty() {
                parts.push(format!("{} of the month", and(&of_week.others)));
            }
            days.push(format!(" on {}", and(&parts)));
        }
        match days.is_empty() {
            true => any.to_owned(),
            false => days.join(" or"),
        }
    }
}

/// "Every 1 hour and 30 minutes".
pub(super) fn every(seconds: u64) -> String {
    let parts: Vec<String> = [
        (seconds / 3_600, "hour"),
        (seconds / 60 % 60, "minute"),
        (seconds % 60, "second"),
    ]
    .iter()
    .filter(|(n, _)| *n > 0)
    .map(|(n, unit)| format!("{n} {unit}{}", if *n == 1 { "" } else { "s" }))
    .collect();
    format!("Every {}", and(&parts))
}

fn month(month: u16) -> String {
    MONTHS[usize::from(month + 11) % 12].to_owned()
}

fn number(number: u16) -> String {
    number.to_string()
}

/// `n` if the numbers from 0 to `max` are selected in steps of `n`, over and over.
fn interval(numbers: Option<&[u16]>, max: u16) -> Option<u16> {
    let Some(numbers) = numbers else {
        return Some(1);
    };
    let step = *numbers.get(1)?;
    let all = (0..=max).step_by(step.into());
    (numbers[0] == 0 && (max + 1).is_multiple_of(step) && all.eq(numbers.iter().copied()))
        .then_some(step)
}

/// "minute 5", "minutes 5 and 7 to 9", "every 7th minute from 0 to 56".
fn numbered(unit: &str, numbers: Option<&[u16]>) -> String {
    match numbers {
        None => format!("every {unit}"),
        Some([one]) => format!("{unit} {one}"),
        Some(many) => match progression(many) {
            Some(_) => list(unit, many, number),
            None => format!("{unit}s {}", list(unit, many, number)),
        },
    }
}

/// "1, 3 and 5 to 7", or "every 2nd month from January to November".
fn list(unit: &str, numbers: &[u16], name: fn(u16) -> String) -> String {
    match (progression(numbers), numbers) {
        (Some(step), [first, .., last]) => {
            let (step, first, last) = (ordinal(step), name(*first), name(*last));
            format!("every {step} {unit} from {first} to {last}")
        }
        _ => and(&runs(numbers, name)),
    }
}

/// The step of a long list of numbers that are equally far from each other, but not neighbours.
fn progression(numbers: &[u16]) -> Option<u16> {
    let [first, second, ..] = numbers[..] else {
        return None;
    };
    let step = second - first;
    let is_even = numbers.windows(2).all(|pair| pair[1] - pair[0] == step);
    (numbers.len() >= LONG_LIST && step > 1 && is_even).then_some(step)
}

fn is_run(numbers: Option<&[u16]>) -> bool {
    numbers.is_none_or(|numbers| numbers.windows(2).all(|pair| pair[1] - pair[0] == 1))
}

/// The numbers by their names; neighbours as "a to b".
fn runs(numbers: &[u16], name: impl Fn(u16) -> String) -> Vec<String> {
    let mut parts = Vec::new();
    for run in numbers.chunk_by(|a, b| b - a == 1) {
        match run {
            [first, .., last] if run.len() >= RUN => {
                parts.push(format!("{} to {}", name(*first), name(*last)));
            }
            _ => parts.extend(run.iter().map(|n| name(*n))),
        }
    }
    parts
}

/// "a, b and c".
fn and(parts: &[String]) -> String {
    match parts {
        [] => "no day".to_owned(),
        [one] => one.clone(),
        [some @ .., last] => format!("{} and {last}", some.join(", ")),
    }
}

/// "2nd", "11th".
fn ordinal(n: u16) -> String {
    let suffix = match (n % 10, n % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{n}{suffix}")
}

/// The numbers of a field, or `None` if it selects all of its range.
pub(super) fn restricted(numbers: Vec<u16>, kind: &FieldKind) -> Option<Vec<u16>> {
    (!(kind.min..=kind.max).eq(numbers.iter().copied())).then_some(numbers)
}
