//! Durations as Go writes them: `30s`, `1h30m`, `1.5h`.

/// The most that Go's `time.Duration` holds.
const MAX_NANOS: u128 = i64::MAX as u128;

/// The nanoseconds of a text such as `1h30m`, or what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let form =
        || format!("expected a duration such as \"30s\", \"10m\" or \"1h30m\", not {text:?}");
    let mut nanos: u128 = 0;
    let mut rest = text;
    if rest.is_empty() {
        return Err(form());
    }
    while !rest.is_empty() {
        let (number, after) = split_at(rest, |c| !c.is_ascii_digit() && c != '.');
        let (unit, after) = split_at(after, |c| c.is_ascii_digit() || c == '.');
        let unit: u128 = match unit {
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ if number.is_empty() => return Err(form()),
            "" => return Err(format!("{text:?} has no unit: h, m, s or ms")),
            other => return Err(format!("unknown unit {other:?} in {text:?}: h, m, s or ms")),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
        if number.is_empty() || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
            return Err(form());
        }
        let too_long = || format!("{text:?} is longer than 292 years");
        // The digits of a fraction behind the 15th are less than a nanosecond.
        let fraction = &fraction[..fraction.len().min(15)];
        let scale = 10_u128.pow(u32::try_from(fraction.len()).unwrap_or(0));
        let part = |digits: &str| match digits {
            "" => Ok(0),
            digits => digits.parse::<u128>().map_err(|_| too_long()),
        };
        let whole = part(whole)?.checked_mul(unit).ok_or_else(too_long)?;
        nanos = nanos
            .saturating_add(whole)
            .saturating_add(part(fraction)? * unit / scale);
        if nanos > MAX_NANOS {
            return Err(too_long());
        }
        rest = after;
    }
    u64::try_from(nanos).map_err(|_| form())
}

/// Splits before the first character of which this is true.
fn split_at(text: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn durations_are_read_as_in_go() {
        for (text, millis) in [
            ("30s", 30_000),
            ("10m", 600_000),
            ("1h30m", 5_400_000),
            ("1.5h", 5_400_000),
            (".5s", 500),
            ("1.s", 1_000),
            ("500ms", 500),
            ("1m0.25s", 60_250),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Ok(millis * 1_000_000), "{text}");
        }
        assert_eq!(parse("9223372036.854775807s"), Ok(i64::MAX as u64));
    }

    #[test]
    fn what_is_no_duration_is_refused_with_its_text() {
        for (text, error) in [
            (
                "",
                "expected a duration such as \"30s\", \"10m\" or \"1h30m\", not \"\"",
            ),
            (
                "soon",
                "expected a duration such as \"30s\", \"10m\" or \"1h30m\", not \"soon\"",
            ),
            (
                "-5s",
                "expected a duration such as \"30s\", \"10m\" or \"1h30m\", not \"-5s\"",
            ),
            (
                "1.2.3s",
                "expected a duration such as \"30s\", \"10m\" or \"1h30m\", not \"1.2.3s\"",
            ),
            (
                ".s",
                "expected a duration such as \"30s\", \"10m\" or \"1h30m\", not \".s\"",
            ),
            ("30", "\"30\" has no unit: h, m, s or ms"),
            ("1d", "unknown unit \"d\" in \"1d\": h, m, s or ms"),
            ("30 s", "unknown unit \" s\" in \"30 s\": h, m, s or ms"),
            ("9223372037s", "\"9223372037s\" is longer than 292 years"),
            (
                "999999999999999999999999999999999999999999h",
                "\"999999999999999999999999999999999999999999h\" is longer than 292 years",
            ),
        ] {
            assert_eq!(parse(text), Err(error.to_owned()));
        }
    }
}
