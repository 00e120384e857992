//! Durations as Go prints and parses them.

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use crate::failure::Failure;

/// A duration as Go has it: nanoseconds, with a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GoDuration {
    nanos: i64,
}

impl GoDuration {
    /// The duration; a negative one becomes zero.
    pub(crate) fn or_zero(self) -> Duration {
        Duration::from_nanos(u64::try_from(self.nanos).unwrap_or(0))
    }

    /// The duration; a negative one is refused.
    pub(crate) fn positive(self, what: &str) -> Result<Duration, Failure> {
        u64::try_from(self.nanos)
            .map(Duration::from_nanos)
            .map_err(|_| Failure::invalid(format!("{what} is negative")))
    }

    /// The duration; a negative one becomes the shortest. Go's timers treat both alike, and zero is the
    /// default.
    pub(crate) fn or_shortest(self) -> Duration {
        u64::try_from(self.nanos).map_or(Duration::from_nanos(1), Duration::from_nanos)
    }

    /// The duration with its sign.
    pub(crate) fn signed(self) -> chrono::TimeDelta {
        chrono::TimeDelta::nanoseconds(self.nanos)
    }
}

/// Whole seconds as Go prints them: `1h0m0s`, `1m30s`, `0s`.
pub(crate) fn go_text(duration: Duration) -> String {
    let secs = duration.as_secs();
    let (hours, minutes, seconds) = (secs / 3600, secs / 60 % 60, secs % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    }
}

impl FromStr for GoDuration {
    type Err = String;

    /// As Go's `time.ParseDuration`.
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("expected a duration such as \"1m30s\", not {text:?}");
        let (negative, mut rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        if rest == "0" {
            return Ok(Self { nanos: 0 });
        }
        if rest.is_empty() {
            return Err(bad());
        }
        let mut nanos: i128 = 0;
        while !rest.is_empty() {
            let (whole, after) = digits(rest);
            let (fraction, after) = match after.strip_prefix('.') {
                Some(after) => digits(after),
                None => ("", after),
            };
            if whole.is_empty() && fraction.is_empty() {
                return Err(bad());
            }
            let end = after
                .find(|c: char| c == '.' || c.is_ascii_digit())
                .unwrap_or(after.len());
            let unit: i128 = match &after[..end] {
                "ns" => 1,
                "us" | "µs" | "μs" => 1_000,
                "ms" => 1_000_000,
                "s" => 1_000_000_000,
                "m" => 60_000_000_000,
                "h" => 3_600_000_000_000,
                _ => return Err(bad()),
            };
            rest = &after[end..];
            // 20 digits times an hour fit an i128; longer numbers are out of range anyway
            if whole.trim_start_matches('0').len() > 20 {
                return Err(bad());
            }
            let whole: i128 = if whole.is_empty() {
                0
            } else {
                whole.parse().map_err(|_| bad())?
            };
            nanos += whole * unit;
            // digits after the 15th are less than a nanosecond, even of an hour
            let fraction = &fraction[..fraction.len().min(15)];
            if let Ok(numerator) = fraction.parse::<i128>() {
                nanos += numerator * unit / 10_i128.pow(fraction.len() as u32);
            }
        }
        let nanos = if negative { -nanos } else { nanos };
        i64::try_from(nanos)
            .map(|nanos| Self { nanos })
            .map_err(|_| bad())
    }
}

/// Splits the text after its leading digits.
fn digits(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nanos(text: &str) -> Option<i64> {
        text.parse::<GoDuration>().ok().map(|d| d.nanos)
    }

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, want) in [
            ("0", 0),
            ("-0s", 0),
            ("5s", 5_000_000_000),
            ("+1m30s", 90_000_000_000),
            ("-1.5h", -5_400_000_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("100ms", 100_000_000),
            ("7us", 7_000),
            ("7µs", 7_000),
            ("7μs3ns", 7_003),
            ("0.3333333333333333333h", 1_200_000_000_000 - 1),
            ("2540400h10m10.000000000s", 9_145_440_610_000_000_000),
            ("-9223372036854775808ns", i64::MIN),
        ] {
            assert_eq!(nanos(text), Some(want), "{text}");
        }
        for text in [
            "",
            "-",
            "3",
            "s",
            ".",
            ".s",
            "+.s",
            "1d",
            "1 s",
            "1s ",
            "1sm",
            "--1s",
            "9223372036854775808ns",
            "99999999999999999999999999999999999999999h",
        ] {
            assert_eq!(nanos(text), None, "{text}");
        }
    }

    #[test]
    fn seconds_are_printed_as_go_prints_them() {
        for (secs, want) in [
            (0, "0s"),
            (59, "59s"),
            (90, "1m30s"),
            (3600, "1h0m0s"),
            (1_000_000, "277h46m40s"),
        ] {
            assert_eq!(go_text(Duration::from_secs(secs)), want);
        }
    }
}
