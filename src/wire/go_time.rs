//! Times in Go's layout `time.UnixDate`, `Mon Jan _2 15:04:05 MST 2006`, printed and read.
//!
//! The layout has only the abbreviation of a time zone, and abbreviations are not unique. Go and
//! [`parse_unix_date`] read an abbreviation by these rules:
//!
//! 1. `UTC` is UTC.
//! 2. An abbreviation that exists in the reader's own zone has its offset there.
//! 3. Any other abbreviation has the offset zero: `JST`, `GMT+3` and `-07` are read like `UTC`.
//!    (When Go prints the time again, it shows `GMT+3` three hours later.)
//!
//! rasynq prints times only in UTC, so every reader gets the same second.

use std::fmt::Display;

use chrono::{
    DateTime, Datelike, LocalResult, NaiveDate, NaiveDateTime, Offset, TimeDelta, TimeZone,
    Timelike, Utc,
};

const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// The time in UTC. Fractions of a second are cut.
pub(crate) fn format_unix_date(moment: DateTime<Utc>) -> String {
    format_with_zone(moment.naive_utc(), "UTC")
}

/// The time as a Go process prints it in this zone. Fractions of a second are cut.
pub(crate) fn format_unix_date_in(moment: DateTime<Utc>, zone: chrono_tz::Tz) -> String {
    let local = moment.with_timezone(&zone);
    format_with_zone(local.naive_local(), &local.offset().to_string())
}

fn format_with_zone(clock: NaiveDateTime, zone: &str) -> String {
    let (date, time) = (clock.date(), clock.time());
    // In Go, unlike in Rust, the width does not count the sign.
    let (sign, year) = (
        if date.year() < 0 { "-" } else { "" },
        date.year().unsigned_abs(),
    );
    format!(
        "{} {} {:>2} {} {zone} {sign}{year:04}",
        DAYS[date.weekday().num_days_from_sunday() as usize],
        MONTHS[date.month0() as usize],
        date.day(),
        time.with_nanosecond(0).unwrap_or(time),
    )
}

/// Reads a time as a Go process in the zone `local` does; for abbreviations of zones see the
/// [module](self). `Display` of the zone's offset must be the abbreviation: UTC and the zones of
/// chrono-tz are such zones. Go: `time.Parse(time.UnixDate, text)`.
///
/// As Go, it accepts any number of spaces between the fields, names in upper and lower case, any day
/// of the week, an hour of one digit, and a fraction after the seconds.
pub(crate) fn parse_unix_date<Z>(text: &str, local: &Z) -> Result<DateTime<Utc>, ParseUnixDateError>
where
    Z: TimeZone<Offset: Display>,
{
    let error = |field| ParseUnixDateError {
        text: text.to_owned(),
        field,
    };
    let rest = &mut text.as_bytes();
    name(rest, &DAYS).ok_or_else(|| error("day of the week"))?;
    let month = space(rest)
        .and_then(|()| name(rest, &MONTHS))
        .ok_or_else(|| error("month"))?;
    let day = space(rest)
        .and_then(|()| number(rest, 1))
        .ok_or_else(|| error("day"))?;
    let hour = space(rest)
        .and_then(|()| number(rest, 1))
        .ok_or_else(|| error("hour"))?;
    let minute = colon(rest)
        .and_then(|()| number(rest, 2))
        .ok_or_else(|| error("minute"))?;
    let second = colon(rest)
        .and_then(|()| number(rest, 2))
        .ok_or_else(|| error("second"))?;
    let nanos = fraction(rest);
    let zone = space(rest)
        .and_then(|()| zone(rest))
        .ok_or_else(|| error("time zone"))?;
    let year = space(rest)
        .and_then(|()| year(rest))
        .ok_or_else(|| error("year"))?;
    if !rest.is_empty() {
        return Err(error("end"));
    }
    // `nanos` is below one second, so chrono never takes it for a leap second.
    let clock = NaiveDate::from_ymd_opt(year, month as u32 + 1, day)
        .ok_or_else(|| error("day"))?
        .and_hms_nano_opt(hour, minute, second, nanos)
        .ok_or_else(|| error("time of day"))?;
    let offset = if zone == "UTC" {
        None
    } else {
        offset_of_name(local, zone, clock)
    };
    Ok((clock - offset.unwrap_or_default()).and_utc())
}

/// A text that is not in Go's layout `UnixDate`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a date like \"Mon Jan  2 15:04:05 UTC 2006\": bad {field}")]
pub(crate) struct ParseUnixDateError {
    text: String,
    field: &'static str,
}

/// The offset of an abbreviation in a zone, at this local time. If the offset in effect has this
/// abbreviation, it is the result. Otherwise the result is the first offset with this abbreviation
/// that the zone ever had. Go: `Location.lookupName`.
fn offset_of_name<Z>(zone: &Z, name: &str, clock: NaiveDateTime) -> Option<TimeDelta>
where
    Z: TimeZone<Offset: Display>,
{
    let named = |offset: Z::Offset| {
        let matches = offset.to_string() == name;
        matches.then(|| TimeDelta::seconds(offset.fix().local_minus_utc().into()))
    };
    let in_effect = match zone.offset_from_local_datetime(&clock) {
        LocalResult::Single(offset) => named(offset),
        LocalResult::Ambiguous(first, second) => named(first).or_else(|| named(second)),
        LocalResult::None => None,
    };
    in_effect.or_else(|| {
        // A zone does not list its offsets. Reading one day of each month since 1900 finds all
        // offsets that were in effect for a month or longer.
        (1900..2038)
            .flat_map(|year| {
                (1..=12).filter_map(move |month| NaiveDate::from_ymd_opt(year, month, 1))
            })
            .find_map(|day| named(zone.offset_from_utc_datetime(&day.into())))
    })
}

/// Reads one of these names, of three letters each, in upper or lower case. The result is its index.
fn name(rest: &mut &[u8], names: &[&str]) -> Option<usize> {
    let (word, after) = rest.split_at_checked(3)?;
    let index = names
        .iter()
        .position(|name| word.eq_ignore_ascii_case(name.as_bytes()))?;
    *rest = after;
    Some(index)
}

/// Reads one or more spaces.
fn space(rest: &mut &[u8]) -> Option<()> {
    let spaces = rest.iter().take_while(|&&byte| byte == b' ').count();
    *rest = &rest[spaces..];
    (spaces > 0).then_some(())
}

fn colon(rest: &mut &[u8]) -> Option<()> {
    *rest = rest.strip_prefix(b":")?;
    Some(())
}

/// Reads a number of two digits, or of one digit if `min_digits` is 1.
fn number(rest: &mut &[u8], min_digits: usize) -> Option<u32> {
    let digits = rest
        .iter()
        .take(2)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (number, after) = rest.split_at(digits);
    *rest = after;
    (digits >= min_digits).then(|| decimal(number))
}

/// Reads an optional fraction of a second, in nanoseconds. Digits after the ninth are ignored. Go
/// accepts a fraction after seconds in every layout.
fn fraction(rest: &mut &[u8]) -> u32 {
    let [b'.' | b',', digits @ ..] = *rest else {
        return 0;
    };
    let count = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if count == 0 {
        return 0;
    }
    *rest = &digits[count..];
    let counted = &digits[..count.min(9)];
    decimal(counted) * 10_u32.pow(9 - counted.len() as u32)
}

fn year(rest: &mut &[u8]) -> Option<i32> {
    let (year, after) = rest.split_at_checked(4)?;
    *rest = after;
    // Four digits fit.
    year.iter()
        .all(u8::is_ascii_digit)
        .then(|| decimal(year) as i32)
}

fn decimal(digits: &[u8]) -> u32 {
    digits
        .iter()
        .fold(0, |value, digit| value * 10 + u32::from(digit - b'0'))
}

/// Reads the abbreviation of a zone. Go accepts (`parseTimeZone`):
///
/// - three capitals, or four or five that end in `T`,
/// - `ChST`, `MeST` and `WITA`,
/// - `GMT`, also with signed hours,
/// - signed hours alone.
fn zone<'t>(rest: &mut &'t [u8]) -> Option<&'t str> {
    let capitals = rest
        .iter()
        .take(6)
        .take_while(|byte| byte.is_ascii_uppercase())
        .count();
    let len = match (*rest, capitals) {
        ([b'U', b'T', b'C', ..], _) => 3,
        ([b'C', b'h', b'S', b'T', ..] | [b'M', b'e', b'S', b'T', ..], _) => 4,
        ([b'G', b'M', b'T', hours @ ..], _) => 3 + signed_hours(hours).unwrap_or(0),
        ([b'+' | b'-', ..], _) => signed_hours(rest)?,
        ([_, _, _, _, b'T', ..], 5) => 5,
        ([_, _, _, b'T', ..] | [b'W', b'I', b'T', b'A', ..], 4) => 4,
        (_, 3) => 3,
        _ => return None,
    };
    let (zone, after) = rest.split_at(len);
    *rest = after;
    std::str::from_utf8(zone).ok()
}

/// The length of a sign and the digits after it, if their value is at most 23.
fn signed_hours(text: &[u8]) -> Option<usize> {
    let [b'+' | b'-', digits @ ..] = text else {
        return None;
    };
    let count = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let hours = digits[..count].iter().try_fold(0_u32, |hours, digit| {
        let hours = hours * 10 + u32::from(digit - b'0');
        (hours <= 23).then_some(hours)
    });
    (count > 0 && hours.is_some()).then_some(1 + count)
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a moment")
    }

    fn parse(text: &str) -> Option<DateTime<Utc>> {
        parse_unix_date(text, &Utc).ok()
    }

    #[test]
    fn dates_print_as_by_go() {
        for (moment, text) in [
            ("2006-01-02T15:04:05Z", "Mon Jan  2 15:04:05 UTC 2006"),
            ("2024-02-29T23:59:59.999Z", "Thu Feb 29 23:59:59 UTC 2024"),
            ("0001-01-01T00:00:00Z", "Mon Jan  1 00:00:00 UTC 0001"),
            ("+12345-06-07T08:09:10Z", "Thu Jun  7 08:09:10 UTC 12345"),
            ("-0001-06-07T08:09:10Z", "Mon Jun  7 08:09:10 UTC -0001"),
        ] {
            assert_eq!(format_unix_date(at(moment)), text);
        }
        let moment = at("2026-07-01T12:00:00Z");
        for (zone, text) in [
            (Tz::Europe__Berlin, "Wed Jul  1 14:00:00 CEST 2026"),
            (Tz::America__New_York, "Wed Jul  1 08:00:00 EDT 2026"),
            (Tz::America__Sao_Paulo, "Wed Jul  1 09:00:00 -03 2026"),
            (Tz::UTC, "Wed Jul  1 12:00:00 UTC 2026"),
        ] {
            assert_eq!(format_unix_date_in(moment, zone), text);
            assert_eq!(parse_unix_date(text, &zone), Ok(moment), "{text}");
        }
    }

    #[test]
    fn an_unknown_abbreviation_is_read_as_utc() {
        for zone in [
            "UTC", "JST", "CEST", "WITA", "ChST", "AMSST", "GMT", "GMT+3", "GMT-12", "-07", "+9",
        ] {
            let text = format!("Mon Jan  2 15:04:05 {zone} 2006");
            assert_eq!(parse(&text), Some(at("2006-01-02T15:04:05Z")), "{zone}");
        }
    }

    #[test]
    fn an_abbreviation_of_the_local_zone_has_its_offset_in_that_zone() {
        for (zone, name, moment) in [
            (Tz::Asia__Tokyo, "JST", "2026-01-05T06:00:00Z"),
            (Tz::America__New_York, "EST", "2026-01-05T20:00:00Z"),
            // The name of another offset of the zone, not in effect in January.
            (Tz::America__New_York, "EDT", "2026-01-05T19:00:00Z"),
            (Tz::America__New_York, "JST", "2026-01-05T15:00:00Z"),
            (Tz::Europe__London, "GMT", "2026-01-05T15:00:00Z"),
            (Tz::America__New_York, "UTC", "2026-01-05T15:00:00Z"),
        ] {
            let text = format!("Mon Jan  5 15:00:00 {name} 2026");
            assert_eq!(
                parse_unix_date(&text, &zone),
                Ok(at(moment)),
                "{zone} {name}"
            );
        }
        // In the hour that occurs twice, the name decides.
        for (name, moment) in [
            ("EDT", "2026-11-01T05:30:00Z"),
            ("EST", "2026-11-01T06:30:00Z"),
        ] {
            let text = format!("Sun Nov  1 01:30:00 {name} 2026");
            assert_eq!(
                parse_unix_date(&text, &Tz::America__New_York),
                Ok(at(moment)),
                "{name}"
            );
        }
    }

    #[test]
    fn variants_that_go_accepts_are_accepted() {
        for text in [
            "Mon Jan 2 15:04:05 UTC 2006",
            "mON jAN   2   15:04:05   UTC   2006",
            "Fri Jan 02 15:04:05 UTC 2006",
        ] {
            assert_eq!(parse(text), Some(at("2006-01-02T15:04:05Z")), "{text}");
        }
        assert_eq!(
            parse("Mon Jan  2 5:04:05 UTC 2006"),
            Some(at("2006-01-02T05:04:05Z"))
        );
        let fraction = parse("Mon Jan  2 15:04:05.12345678999 UTC 2006");
        assert_eq!(fraction, Some(at("2006-01-02T15:04:05.123456789Z")));
        assert_eq!(
            parse("Mon Jan  2 15:04:05,5 UTC 2006"),
            Some(at("2006-01-02T15:04:05.5Z"))
        );
    }

    #[test]
    fn texts_that_go_refuses_are_refused() {
        for text in [
            "",
            "Mon",
            "Mon Jan  2 15:04:05 UTC 2006 ",
            " Mon Jan  2 15:04:05 UTC 2006",
            "MonJan  2 15:04:05 UTC 2006",
            "Foo Jan  2 15:04:05 UTC 2006",
            "Mon Foo  2 15:04:05 UTC 2006",
            "Mon Jan 32 15:04:05 UTC 2006",
            "Mon Jan  0 15:04:05 UTC 2006",
            "Sun Feb 29 15:04:05 UTC 2026",
            "Mon Jan  2 24:04:05 UTC 2006",
            "Mon Jan  2 15:60:05 UTC 2006",
            "Mon Jan  2 15:04:60 UTC 2006",
            "Mon Jan  2 15:4:05 UTC 2006",
            "Mon Jan  2 15:04:05. UTC 2006",
            "Mon Jan  2 15:04:05 2006",
            "Mon Jan  2 15:04:05 utc 2006",
            "Mon Jan  2 15:04:05 ABCD 2006",
            "Mon Jan  2 15:04:05 ABCDEF 2006",
            "Mon Jan  2 15:04:05 GMT+24 2006",
            "Mon Jan  2 15:04:05 +0900 2006",
            "Mon Jan  2 15:04:05 UTC 206",
            "Mon Jan  2 15:04:05 UTC 20006",
            "Mon Jan  2 15:04:05 UTC -001",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_second_of_four_digit_years_reads_back(
            seconds in -62_167_219_200_i64..253_402_300_800,
        ) {
            let moment = DateTime::from_timestamp(seconds, 0).expect("a moment");
            prop_assert_eq!(parse(&format_unix_date(moment)), Some(moment));
        }

        #[test]
        fn no_text_panics(text in ".*|[A-Z][a-z]{2} Jan {1,2}[0-9]{1,2} [0-9:.,]{0,12} [-+A-Z0-9]{0,6} .{0,5}") {
            let _ = parse(&text);
        }
    }
}
