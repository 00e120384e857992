//! Numbers and times in few columns.

use std::time::Duration;

use chrono::{DateTime, Utc};

pub(crate) use crate::output::{relative, span};

/// A number in at most five columns: `999`, `12345`, `123k`, `1.2M`.
pub(crate) fn short_count(count: u64) -> String {
    match count {
        0..=99_999 => count.to_string(),
        100_000..=999_499 => format!("{}k", (count + 500) / 1000),
        _ => {
            let mut value = count as f64 / 1e6;
            let mut unit = 'M';
            for larger in ['G', 'T', 'P', 'E'] {
                if value < 999.5 {
                    break;
                }
                value /= 1000.0;
                unit = larger;
            }
            match value {
                value if value < 99.95 => format!("{value:.1}{unit}"),
                value => format!("{value:.0}{unit}"),
            }
        }
    }
}

/// A number with its thousands apart: `1,234,567`.
pub(crate) fn full_count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Something per second, in at most five columns.
pub(crate) fn rate(per_second: f64) -> String {
    match per_second {
        rate if rate < 0.05 => "0".to_owned(),
        rate if rate < 99.95 => format!("{rate:.1}"),
        rate => short_count(rate.round() as u64),
    }
}

/// How long something has lasted since a moment, if that is known.
pub(crate) fn lasted(start: Option<DateTime<Utc>>, now: DateTime<Utc>) -> String {
    start.map_or_else(|| "·".to_owned(), |start| span(since(start, now)))
}

/// How long something has lasted; zero if it begins in the future.
pub(crate) fn since(start: DateTime<Utc>, now: DateTime<Utc>) -> Duration {
    (now - start).to_std().unwrap_or_default()
}

/// A moment in UTC.
pub(crate) fn moment(moment: DateTime<Utc>) -> String {
    moment.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// The newest values as a line of blocks, as high as their part of the highest value. The newest is on the right.
pub(crate) fn sparkline(values: impl DoubleEndedIterator<Item = f64>, columns: usize) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let mut newest: Vec<f64> = values.rev().take(columns).collect();
    newest.reverse();
    let highest = newest.iter().copied().fold(0.0, f64::max);
    let mut line = " ".repeat(columns - newest.len());
    line.extend(newest.into_iter().map(|value| {
        let level = if highest > 0.0 { value / highest } else { 0.0 };
        // A value that is not 0 is never shown as 0.
        let step = if value > 0.0 {
            (level * 7.0).ceil()
        } else {
            0.0
        };
        BLOCKS[(step as usize).min(7)]
    }));
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_take_at_most_five_columns() {
        let counts = [
            (0, "0"),
            (99_999, "99999"),
            (100_000, "100k"),
            (999_499, "999k"),
            (999_500, "1.0M"),
            (1_000_000, "1.0M"),
            (99_950_000, "100M"),
            (12_345_678_901, "12.3G"),
            (u64::MAX, "18.4E"),
        ];
        for (count, expected) in counts {
            assert_eq!(short_count(count), expected);
        }
        assert_eq!(full_count(0), "0");
        assert_eq!(full_count(999), "999");
        assert_eq!(full_count(1_234_567), "1,234,567");
    }

    #[test]
    fn rates_take_at_most_five_columns() {
        let rates = [
            (0.0, "0"),
            (0.1, "0.1"),
            (99.9, "99.9"),
            (99.99, "100"),
            (123_456.0, "123k"),
        ];
        for (per_second, expected) in rates {
            assert_eq!(rate(per_second), expected);
        }
    }

    #[test]
    fn a_sparkline_shows_the_newest_values_on_the_right() {
        assert_eq!(sparkline([0.0, 1.0, 7.0].into_iter(), 5), "  ▁▂█");
        assert_eq!(sparkline([9.0, 0.0, 0.0].into_iter(), 2), "▁▁");
        assert_eq!(sparkline([0.001, 7.0].into_iter(), 2), "▂█");
        assert_eq!(sparkline(std::iter::empty(), 3), "   ");
    }
}
