//! How times and durations are shown.

use std::time::Duration;

use chrono::{DateTime, Utc};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// A year of the Julian calendar: 365.25 days.
const YEAR: u64 = 31_557_600;

/// A span of time by its two largest units, in at most seven columns: `0s`, `120ms`, `4.2s`, `3m12s`, `2h05m`, `3d04h`.
pub(crate) fn span(span: Duration) -> String {
    let secs = span.as_secs();
    match secs {
        0 if span.is_zero() => "0s".to_owned(),
        0 if span.as_millis() == 0 => "<1ms".to_owned(),
        0 => format!("{}ms", span.as_millis()),
        1..=9 => format!("{secs}.{}s", span.subsec_millis() / 100),
        _ => whole_span(secs),
    }
}

/// A span of whole seconds by its two largest units.
fn whole_span(secs: u64) -> String {
    match secs {
        0..MINUTE => format!("{secs}s"),
        MINUTE..HOUR => format!("{}m{:02}s", secs / MINUTE, secs % MINUTE),
        HOUR..DAY => format!("{}h{:02}m", secs / HOUR, secs % HOUR / MINUTE),
        DAY..863_999_999 => format!("{}d{:02}h", secs / DAY, secs % DAY / HOUR),
        _ => format!("{}y", secs / YEAR),
    }
}

/// How long ago or in how long: `3m12s ago`, `in 4s`, `now`. Whole seconds, so that a text that is drawn again and again
/// is calm.
pub(crate) fn relative(moment: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let secs = (moment - now).num_seconds();
    let span = whole_span(secs.unsigned_abs());
    match secs {
        0 => "now".to_owned(),
        1.. => format!("in {span}"),
        _ => format!("{span} ago"),
    }
}

/// When something is due: `in 5m00s`, or `now` if that has passed.
pub(crate) fn until(due: DateTime<Utc>, now: DateTime<Utc>) -> String {
    relative(due.max(now), now)
}

/// A duration that somebody has set, to the second as Go prints it: `1h30m0s`, `45s`. Below a second in milliseconds,
/// from a day on in days: `7d`, `1d12h30m`.
pub(crate) fn duration(duration: Duration) -> String {
    let secs = duration.as_secs();
    let (hours, minutes, seconds) = (secs / HOUR, secs / MINUTE % 60, secs % MINUTE);
    match secs {
        0 => format!("{}ms", duration.as_millis()),
        1..MINUTE => format!("{seconds}s"),
        MINUTE..HOUR => format!("{minutes}m{seconds}s"),
        HOUR..DAY => format!("{hours}h{minutes}m{seconds}s"),
        _ => {
            let units = [
                (secs / DAY, "d"),
                (hours % 24, "h"),
                (minutes, "m"),
                (seconds, "s"),
            ];
            let set = units.iter().filter(|(number, _)| *number > 0);
            set.map(|(number, unit)| format!("{number}{unit}"))
                .collect()
        }
    }
}

/// A time for people: `2026-12-14 01:23:45 UTC`.
pub(crate) fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_000_000 + secs, 0).expect("a time")
    }

    #[test]
    fn spans_show_their_two_largest_units() {
        for (millis, expected) in [
            (0, "0s"),
            (120, "120ms"),
            (4_250, "4.2s"),
            (59_999, "59s"),
            (192_000, "3m12s"),
            (7_500_000, "2h05m"),
            (273_600_000, "3d04h"),
            (12_959_999_000, "149d23h"),
        ] {
            assert_eq!(span(Duration::from_millis(millis)), expected);
        }
        assert_eq!(span(Duration::from_micros(3)), "<1ms");
        assert_eq!(span(Duration::MAX), "584542046090y");
    }

    #[test]
    fn moments_are_told_from_now() {
        for (secs, expected) in [
            (0, "now"),
            (5, "in 5s"),
            (-65, "1m05s ago"),
            (12_958_112, "in 149d23h"),
        ] {
            assert_eq!(relative(at(secs), at(0)), expected);
        }
        assert_eq!(until(at(5), at(0)), "in 5s");
        assert_eq!(until(at(-5), at(0)), "now");
    }

    #[test]
    fn durations_that_were_set_are_exact() {
        for (millis, text) in [
            (0, "0ms"),
            (999, "999ms"),
            (45_999, "45s"),
            (60_000, "1m0s"),
            (5_400_000, "1h30m0s"),
            (604_800_000, "7d"),
            (131_400_000, "1d12h30m"),
            (86_401_000, "1d1s"),
        ] {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
    }
}
