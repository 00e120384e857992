//! Go's `time.Duration`, printed and read as text: `1h30m0s`, `1.5s`, `300ms`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// The magnitude of the most negative duration, in nanoseconds. The longest duration is 1 ns shorter.
const LIMIT: u64 = 1 << 63;

/// A Go duration: nanoseconds in a signed 64-bit integer, so at most about 292 years.
///
/// [`Display`](fmt::Display) prints as Go's `Duration.String`. [`FromStr`] reads as Go's
/// `ParseDuration`: an optional sign, then numbers with an optional fraction and a unit each (`ns`,
/// `us`, `µs`, `ms`, `s`, `m`, `h`). A single `0` needs no unit. Fractions of a nanosecond are cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct GoDuration {
    nanos: i64,
}

impl GoDuration {
    /// The duration of this number of nanoseconds.
    #[cfg(test)]
    pub(crate) const fn from_nanos(nanos: i64) -> Self {
        GoDuration { nanos }
    }

    /// The duration in nanoseconds.
    pub(crate) const fn as_nanos(self) -> i64 {
        self.nanos
    }
}

impl TryFrom<Duration> for GoDuration {
    type Error = DurationOutOfRange;

    fn try_from(duration: Duration) -> Result<Self, Self::Error> {
        let nanos = i64::try_from(duration.as_nanos()).map_err(|_| DurationOutOfRange)?;
        Ok(GoDuration { nanos })
    }
}

impl TryFrom<GoDuration> for Duration {
    type Error = DurationOutOfRange;

    fn try_from(duration: GoDuration) -> Result<Self, Self::Error> {
        let nanos = u64::try_from(duration.nanos).map_err(|_| DurationOutOfRange)?;
        Ok(Duration::from_nanos(nanos))
    }
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.nanos.unsigned_abs();
        if self.nanos < 0 {
            f.write_str("-")?;
        }
        match nanos {
            0 => f.write_str("0s"),
            1..MICROSECOND => write!(f, "{nanos}ns"),
            MICROSECOND..MILLISECOND => write!(f, "{}µs", DecimalUnits(nanos, MICROSECOND)),
            MILLISECOND..SECOND => write!(f, "{}ms", DecimalUnits(nanos, MILLISECOND)),
            SECOND.. => {
                let (hours, minutes) = (nanos / HOUR, nanos / MINUTE % 60);
                if hours > 0 {
                    write!(f, "{hours}h")?;
                }
                if nanos >= MINUTE {
                    write!(f, "{minutes}m")?;
                }
                write!(f, "{}s", DecimalUnits(nanos % MINUTE, SECOND))
            }
        }
    }
}

/// Nanoseconds as a decimal number of a unit, without trailing zeros. The second field is the unit in
/// nanoseconds.
struct DecimalUnits(u64, u64);

impl fmt::Display for DecimalUnits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DecimalUnits(nanos, unit) = *self;
        write!(f, "{}", nanos / unit)?;
        let fraction = nanos % unit;
        if fraction == 0 {
            return Ok(());
        }
        // The unit is a power of ten. The fraction has as many digits as the unit has zeros.
        let digits = format!("{fraction:0width$}", width = unit.ilog10() as usize);
        write!(f, ".{}", digits.trim_end_matches('0'))
    }
}

impl FromStr for GoDuration {
    type Err = ParseDurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || ParseDurationError::Invalid(text.to_owned());
        let (negative, mut rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        if rest == "0" {
            return Ok(GoDuration::default());
        }
        if rest.is_empty() {
            return Err(invalid());
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let (whole, after) = split_digits(rest);
            let (fraction, after) = after.strip_prefix('.').map_or(("", after), split_digits);
            if whole.is_empty() && fraction.is_empty() {
                return Err(invalid());
            }
            let unit_len = after.find(|c: char| c == '.' || c.is_ascii_digit());
            let (name, after) = after.split_at(unit_len.unwrap_or(after.len()));
            if name.is_empty() {
                return Err(ParseDurationError::MissingUnit(text.to_owned()));
            }
            let unit = unit_nanos(name).ok_or_else(|| ParseDurationError::UnknownUnit {
                unit: name.to_owned(),
                text: text.to_owned(),
            })?;
            let nanos = part_nanos(whole, fraction, unit).ok_or_else(invalid)?;
            // COMPAT: Go 1.26 wraps two parts of exactly 2^63 ns each to zero
            total = total.wrapping_add(nanos);
            if total > LIMIT {
                return Err(invalid());
            }
            rest = after;
        }
        match i64::try_from(total) {
            Ok(nanos) if negative => Ok(GoDuration { nanos: -nanos }),
            Ok(nanos) => Ok(GoDuration { nanos }),
            Err(_) if negative => Ok(GoDuration { nanos: i64::MIN }),
            Err(_) => Err(invalid()),
        }
    }
}

/// A text that Go's `ParseDuration` refuses. The error texts are Go's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParseDurationError {
    /// The text does not have the form of a duration, or needs more than 64 bits of nanoseconds.
    #[error("invalid duration {0:?}")]
    Invalid(String),
    /// A number has no unit.
    #[error("missing unit in duration {0:?}")]
    MissingUnit(String),
    /// A number has a unit that does not exist.
    #[error("unknown unit {unit:?} in duration {text:?}")]
    UnknownUnit {
        /// The text in the position of the unit.
        unit: String,
        /// The whole text.
        text: String,
    },
}

/// A duration that the other type cannot represent: it is negative, or longer than about 292 years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("duration is out of range")]
pub(crate) struct DurationOutOfRange;

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}

fn unit_nanos(name: &str) -> Option<u64> {
    Some(match name {
        "ns" => 1,
        // The micro sign and the Greek letter, U+00B5 and U+03BC.
        "us" | "\u{b5}s" | "\u{3bc}s" => MICROSECOND,
        "ms" => MILLISECOND,
        "s" => SECOND,
        "m" => MINUTE,
        "h" => HOUR,
        _ => return None,
    })
}

/// `whole.fraction` units in nanoseconds. `None` if they exceed [`LIMIT`].
fn part_nanos(whole: &str, fraction: &str, unit: u64) -> Option<u64> {
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let whole = whole.checked_mul(unit).filter(|&nanos| nanos <= LIMIT)?;
    let (digits, scale) = leading_fraction(fraction);
    // Like Go, use floating point, to cut at the same nanosecond.
    let part = (digits as f64 * (unit as f64 / scale)) as u64;
    Some(whole + part).filter(|&nanos| nanos <= LIMIT)
}

/// The digits after the point as an integer, and its divisor. As in Go, digits beyond 64 bits are
/// dropped.
fn leading_fraction(digits: &str) -> (u64, f64) {
    let (mut value, mut scale) = (0_u64, 1_f64);
    for digit in digits.bytes().map(|digit| u64::from(digit - b'0')) {
        if value > (LIMIT - 1) / 10 || value * 10 + digit > LIMIT {
            break;
        }
        value = value * 10 + digit;
        scale *= 10.0;
    }
    (value, scale)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<i64, String> {
        text.parse()
            .map(GoDuration::as_nanos)
            .map_err(|error: ParseDurationError| error.to_string())
    }

    #[test]
    fn durations_print_as_by_go() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (2_200_000, "2.2ms"),
            (999_999_999, "999.999999ms"),
            (3_300_000_000, "3.3s"),
            (245_000_000_000, "4m5s"),
            (245_001_000_000, "4m5.001s"),
            (5_400_000_000_000, "1h30m0s"),
            (18_367_001_000_000, "5h6m7.001s"),
            (480_000_000_001, "8m0.000000001s"),
            (86_400_000_000_000, "24h0m0s"),
            (-1_500_000_000, "-1.5s"),
            (i64::MAX, "2562047h47m16.854775807s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
        ] {
            assert_eq!(GoDuration::from_nanos(nanos).to_string(), text);
            assert_eq!(parse(text), Ok(nanos), "{text}");
        }
    }

    #[test]
    fn durations_are_read_as_by_go() {
        for (text, nanos) in [
            ("0", 0),
            ("+0", 0),
            ("-0", 0),
            ("5s", 5_000_000_000),
            ("-.5s", -500_000_000),
            ("+5.s", 5_000_000_000),
            ("1.004s", 1_004_000_000),
            ("100.00100s", 100_001_000_000),
            ("12us", 12_000),
            ("12µs", 12_000),
            ("12μs", 12_000),
            ("3h30m", 12_600_000_000_000),
            ("10.5s4m", 250_500_000_000),
            ("52763797000ns", 52_763_797_000),
            ("0.3333333333333333333h", 1_200_000_000_000),
            ("9007199254740993ns", 9_007_199_254_740_993),
            ("9223372036854775.807us", i64::MAX),
            ("-9223372036854775808ns", i64::MIN),
            ("0.100000000000000000000h", 360_000_000_000),
            ("0.830103483285477580700h", 2_988_372_539_827),
            ("0.9223372036854775807h", 3_320_413_933_267),
            ("1.9999999999ns", 1),
            ("9223372036854775808ns9223372036854775808ns", 0),
        ] {
            assert_eq!(parse(text), Ok(nanos), "{text}");
        }
    }

    #[test]
    fn durations_that_go_refuses_are_refused_with_its_error_text() {
        for (text, error) in [
            ("", "invalid duration \"\""),
            ("3", "missing unit in duration \"3\""),
            ("-", "invalid duration \"-\""),
            ("s", "invalid duration \"s\""),
            (".", "invalid duration \".\""),
            ("-.", "invalid duration \"-.\""),
            (".s", "invalid duration \".s\""),
            ("+.s", "invalid duration \"+.s\""),
            ("1 s", "unknown unit \" s\" in duration \"1 s\""),
            ("1d", "unknown unit \"d\" in duration \"1d\""),
            ("1h ", "unknown unit \"h \" in duration \"1h \""),
            ("--1s", "invalid duration \"--1s\""),
            (
                "1\u{85}\u{85}",
                "unknown unit \"\\u{85}\\u{85}\" in duration \"1\\u{85}\\u{85}\"",
            ),
            (
                "9223372036854775808ns",
                "invalid duration \"9223372036854775808ns\"",
            ),
            ("3000000h", "invalid duration \"3000000h\""),
            (
                "99999999999999999999s",
                "invalid duration \"99999999999999999999s\"",
            ),
            (
                "9223372036854775.808us",
                "invalid duration \"9223372036854775.808us\"",
            ),
        ] {
            assert_eq!(parse(text), Err(error.to_owned()), "{text}");
        }
    }

    #[test]
    fn durations_that_the_other_type_cannot_represent_are_refused() {
        let longest = GoDuration::from_nanos(i64::MAX);
        assert_eq!(GoDuration::try_from(Duration::MAX), Err(DurationOutOfRange));
        assert_eq!(
            Duration::try_from(longest),
            Ok(Duration::from_nanos(i64::MAX as u64))
        );
        let negative = GoDuration::from_nanos(-1);
        assert_eq!(Duration::try_from(negative), Err(DurationOutOfRange));
    }

    proptest! {
        #[test]
        fn every_duration_reads_back_from_its_text(nanos: i64) {
            let duration = GoDuration::from_nanos(nanos);
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
        }

        #[test]
        fn short_durations_read_back_too(nanos in -5_000_000_000_000_i64..5_000_000_000_000) {
            let duration = GoDuration::from_nanos(nanos);
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
        }

        #[test]
        fn no_text_panics(text in "[-+]?([0-9]{0,21}\\.?[0-9]{0,21}(ns|us|µs|ms|s|m|h|)){0,3}|.*") {
            let _ = text.parse::<GoDuration>();
        }
    }
}
