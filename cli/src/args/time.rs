//! Durations and times as asynq's users write them: `1h30m`, `2026-12-14T01:23:45Z`.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// The shortest time between two reads.
const LEAST_INTERVAL: Duration = Duration::from_millis(100);

const NANOS_OF_SECOND: u128 = 1_000_000_000;

/// The units of Go's `time.ParseDuration`, and `d`, which is 24 hours.
const UNITS: [(&str, u128); 9] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", NANOS_OF_SECOND),
    ("m", 60 * NANOS_OF_SECOND),
    ("h", 3_600 * NANOS_OF_SECOND),
    ("d", 86_400 * NANOS_OF_SECOND),
];

/// A duration as Go reads it: `1h30m`, `1.5s`, `300ms`. Also whole days: `7d`. Never negative.
pub(crate) fn go_duration(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let wrong = || format!("{text:?} is not a duration such as 30s, 1h30m or 7d");
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut nanos: u128 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (number, after) = rest.split_at(end.ok_or_else(wrong)?);
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.');
        let (unit, after) = after.split_at(end.unwrap_or(after.len()));
        let unit = UNITS.iter().find(|(name, _)| *name == unit);
        let (_, size) = unit.ok_or_else(wrong)?;
        nanos = nanos.saturating_add(part(number, *size).ok_or_else(wrong)?);
        rest = after;
    }
    let nanos = u64::try_from(nanos).ok().filter(|nanos| *nanos < 1 << 63);
    nanos
        .map(Duration::from_nanos)
        .ok_or_else(|| format!("{text:?} is longer than 292 years"))
}

/// `number` units of this size, in nanoseconds.
fn part(number: &str, size: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let whole: u128 = match whole {
        "" => 0,
        digits => digits.parse().ok()?,
    };
    let mut nanos = whole.checked_mul(size)?;
    let mut place = size;
    for digit in fraction.bytes() {
        place /= 10;
        nanos = nanos.checked_add(u128::from(digit - b'0') * place)?;
    }
    Some(nanos)
}

/// How often something is read.
pub(super) fn interval(text: &str) -> Result<Duration, String> {
    match go_duration(text)? {
        short if short < LEAST_INTERVAL => Err(format!("must be at least {LEAST_INTERVAL:?}")),
        duration => Ok(duration),
    }
}

/// A time as RFC 3339 writes it: `2026-12-14T01:23:45Z`.
pub(super) fn rfc3339(text: &str) -> Result<DateTime<Utc>, String> {
    let time = DateTime::parse_from_rfc3339(text);
    time.map(|time| time.to_utc())
        .map_err(|_| format!("{text:?} is not a time such as 2026-12-14T01:23:45Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, nanos) in [
            ("0", 0),
            ("300ms", 300_000_000),
            ("1.5s", 1_500_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("+2us", 2_000),
            ("2µs", 2_000),
            ("7d", 604_800_000_000_000),
            ("1.0000000001s", 1_000_000_000),
        ] {
            assert_eq!(go_duration(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
        for text in ["", "+", "5", "-5s", "s", ".s", "1..5s", "1x", "1 s", "5s5"] {
            assert!(go_duration(text).is_err(), "{text}");
        }
        assert!(go_duration("106751d").is_ok());
        assert!(go_duration("106752d").is_err());
        assert!(go_duration(&"9".repeat(60)).is_err());
        assert!(go_duration(&format!("{}s", "9".repeat(60))).is_err());
    }

    #[test]
    fn times_are_rfc_3339() {
        let time = rfc3339("2026-12-14T02:23:45+01:00").expect("a time");
        assert_eq!(time.to_rfc3339(), "2026-12-14T01:23:45+00:00");
        assert!(rfc3339("2026-12-14").is_err());
    }
}
