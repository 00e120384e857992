//! What the fixtures do not show: the texts of errors, where the Go module is stuck, and properties.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;

use super::{CronexprSpec, parse};

fn spec(text: &str) -> CronexprSpec {
    parse(text).unwrap_or_else(|fault| panic!("{text:?}: {fault}"))
}

fn unix(text: &str) -> i64 {
    let time: DateTime<Utc> = text.parse().expect("a time");
    time.timestamp()
}

fn upcoming(spec: &CronexprSpec, zone: Tz, mut after: i64) -> impl Iterator<Item = i64> {
    std::iter::from_fn(move || {
        after = spec.next_after(after, zone)?.unix();
        Some(after)
    })
}

fn firings(text: &str, zone: Tz, after: &str, count: usize) -> Vec<String> {
    let spec = spec(text);
    (upcoming(&spec, zone, unix(after)).take(count))
        .map(|at| DateTime::from_timestamp(at, 0).expect("a time"))
        .map(|at| at.with_timezone(&zone).format("%F %T").to_string())
        .collect()
}

#[test]
fn an_error_in_a_cronexpr_spec_names_the_field_the_text_and_the_bound() {
    for (spec, fault) in [
        ("", "the text is empty"),
        (
            "5 4 * *",
            "5, 6 or 7 fields are needed (minute, hour, day of month, month, day of week; the sixth is the year; of seven the first is the second), but there are 4",
        ),
        ("60 * * * *", "minute 60 is above 59"),
        ("0,5-61 * * * *", "minute 61 in \"5-61\" is above 59"),
        ("60 * * * * * *", "second 60 is above 59"),
        ("0 24 * * *", "hour 24 is above 23"),
        ("0 -1 * * *", "hour \"-1\": a value is missing"),
        ("0 0 0 * *", "day of month 0 is below 1"),
        ("0 0 32W * *", "day of month 32 in \"32W\" is above 31"),
        (
            "0 0 L-3 * *",
            "day of month \"L\" in \"L-3\" is not a number",
        ),
        (
            "0 0 1-15W * *",
            "day of month \"1-15\" in \"1-15W\" is not a number",
        ),
        ("0 0 1 13 *", "month 13 is above 12"),
        (
            "0 0 1 sept *",
            "month \"sept\" is neither a number nor a name from January to December",
        ),
        ("0 0 * * 8", "day of week 8 is above 7"),
        (
            "0 0 * * tues",
            "day of week \"tues\" is neither a number nor a name from Sunday to Saturday",
        ),
        ("0 0 * * L", "day of week \"L\": a value is missing"),
        (
            "0 0 * * 5#6",
            "day of week \"5#6\": the week \"6\" is not a number from 1 to 5",
        ),
        (
            "0 0 * * 1-5#1",
            "day of week \"1-5\" in \"1-5#1\" is neither a number nor a name from Sunday to Saturday",
        ),
        ("0 0 1 1 * 1969", "year 1969 is below 1970"),
        ("0 0 1 1 * 2100", "year 2100 is above 2099"),
        ("007 * * * *", "minute 007 has more than 2 digits"),
        ("*/60 * * * *", "minute \"*/60\": the step 60 is above 59"),
        ("*/0 * * * *", "minute \"*/0\": the step 0 is below 1"),
        (
            "*/005 * * * *",
            "minute \"*/005\": the step 005 has more than 2 digits",
        ),
        (
            "*/x * * * *",
            "minute \"*/x\": the step \"x\" is not a number",
        ),
        (
            "5/5/5 * * * *",
            "minute \"5/5/5\": the step \"5/5\" is not a number",
        ),
        ("0 */24 * * *", "hour \"*/24\": the step 24 is above 23"),
        ("0 0 * * */7", "day of week \"*/7\": the step 7 is above 6"),
        ("0 0 1 1 * */60", "year \"*/60\": the step 60 is above 59"),
        (
            "0 0 1 1 * */99999999",
            "year \"*/99999999\": the step 99999999 is above 59",
        ),
        ("?/5 * * * *", "minute \"?/5\": ? takes no step (* does)"),
        ("1-2-3 * * * *", "minute \"1-2-3\": more than one hyphen"),
        (", * * * *", "minute \",\" has no value"),
        (
            "TZ=UTC 0 0 * * *",
            "a spec of this dialect cannot name a time zone",
        ),
        (
            "@midnight",
            "\"@midnight\" is not a descriptor (@yearly, @annually, @monthly, @weekly, @daily, @hourly)",
        ),
    ] {
        assert_eq!(parse(spec).expect_err(spec), fault, "{spec:?}");
    }
}

/// The comment at the end of each line is what the module makes of the spec. The fixtures have more of each kind.
#[test]
fn what_the_cronexpr_module_misreads_is_an_error() {
    for (spec, fault) in [
        (
            "0 0 * * FRI-SUN",
            "day of week \"FRI-SUN\": the range begins after its end (Sunday is the first day)",
        ), // never
        (
            "0 0 * * 1-7",
            "day of week \"1-7\": a range cannot end with 7 (Sunday is 0, the first day)",
        ), // never
        (
            "0 0 * * 0-7",
            "day of week \"0-7\": a range cannot end with 7 (Sunday is 0, the first day)",
        ), // Sundays
        ("0 0 * * 05", "day of week 05 has a leading zero (write 5)"), // Sundays
        (
            "0 0 * * 05L",
            "day of week 05 in \"05L\" has a leading zero (write 5)",
        ), // the last Sunday
        ("0 0 1 05 *", "month 05 has a leading zero (write 5)"), // December 1, for ever the same
        (
            "0 0 1 jan-03 *",
            "month 03 in \"jan-03\" has a leading zero (write 3)",
        ), // panics
        (
            "30-10 * * * *",
            "minute \"30-10\": the range begins after its end",
        ), // panics
        (
            "5,30-10 * * * *",
            "minute \"30-10\": the range begins after its end",
        ), // minute 5
        (
            "0 0 25-5 * *",
            "day of month \"25-5\": the range begins after its end",
        ), // never
        (
            "0 0 1 1 * 2030-2027",
            "year \"2030-2027\": the range begins after its end",
        ), // never
        ("*,61 * * * *", "minute 61 is above 59"),               // each minute
        ("*,xyz * * * *", "minute \"xyz\" is not a number"),     // each minute
        (
            "0 0 0 1 1 * 2030 junk",
            "5, 6 or 7 fields are needed (minute, hour, day of month, month, day of week; the sixth is the year; of seven the first is the second), but there are 8",
        ), // without the last
        (
            "1@daily",
            "\"1@daily\" is not a descriptor (@yearly, @annually, @monthly, @weekly, @daily, @hourly)",
        ), // ten seconds past midnight
        (
            "@daily foo",
            "\"@daily foo\" is not a descriptor (@yearly, @annually, @monthly, @weekly, @daily, @hourly)",
        ), // @daily
        (
            "@daily/2",
            "\"@daily/2\" is not a descriptor (@yearly, @annually, @monthly, @weekly, @daily, @hourly)",
        ), // daily, each second year
    ] {
        assert_eq!(parse(spec).expect_err(spec), fault, "{spec:?}");
    }
}

#[test]
fn a_local_time_that_a_zone_skips_is_found_once_where_the_cronexpr_module_repeats_it_for_ever() {
    // The module answers 01:30 again and again.
    assert_eq!(
        firings(
            "30 2 * * *",
            Tz::America__New_York,
            "2026-03-07T12:00:00Z",
            3
        ),
        [
            "2026-03-08 01:30:00",
            "2026-03-09 02:30:00",
            "2026-03-10 02:30:00"
        ]
    );
    // In a zone east of Greenwich it is not stuck.
    assert_eq!(
        firings("30 2 * * *", Tz::Europe__Berlin, "2026-03-28T12:00:00Z", 2),
        ["2026-03-29 03:30:00", "2026-03-30 02:30:00"]
    );
    // Santiago skips midnight: the module never comes past that day, each September.
    assert_eq!(
        firings("@daily", Tz::America__Santiago, "2026-09-05T12:00:00Z", 2),
        ["2026-09-05 23:00:00", "2026-09-07 00:00:00"]
    );
    // Apia skipped a whole day: the module is stuck from then on.
    assert_eq!(
        firings("0 5 * * *", Tz::Pacific__Apia, "2011-12-29T14:00:00Z", 2),
        ["2011-12-29 05:00:00", "2011-12-31 05:00:00"]
    );
}

#[test]
fn a_local_time_that_a_zone_repeats_is_found_once() {
    assert_eq!(
        firings(
            "*/30 * * * *",
            Tz::America__New_York,
            "2026-11-01T05:00:00Z",
            3
        ),
        [
            "2026-11-01 01:30:00",
            "2026-11-01 02:00:00",
            "2026-11-01 02:30:00"
        ]
    );
    // Asked in the repeated hour, the module answers with 01:30 of the first one, half an hour ago.
    assert_eq!(
        firings(
            "*/30 * * * *",
            Tz::America__New_York,
            "2026-11-01T06:10:00Z",
            1
        ),
        ["2026-11-01 02:00:00"]
    );
}

#[test]
fn days_that_a_month_lacks_are_left_out() {
    let from = "2026-01-01T00:00:00Z";
    assert_eq!(
        firings("0 0 31W 1-4 *", Tz::UTC, from, 2),
        ["2026-01-30 00:00:00", "2026-03-31 00:00:00"]
    );
    assert_eq!(
        firings("0 0 * 2-5 FRI#5", Tz::UTC, from, 1),
        ["2026-05-29 00:00:00"]
    );
    assert_eq!(
        firings("0 0 29 2 *", Tz::UTC, "2092-03-01T00:00:00Z", 2),
        ["2096-02-29 00:00:00"]
    );
    assert!(firings("0 0 30 2 *", Tz::UTC, from, 1).is_empty());
}

#[test]
fn the_years_of_a_cronexpr_spec_are_1970_to_2099() {
    let every_second = spec("* * * * * * *");
    let next = |after| (every_second.next_after(after, Tz::Asia__Tokyo)).map(|at| at.unix());
    let first = Some(unix("1969-12-31T15:00:00Z"));
    assert_eq!(next(DateTime::<Utc>::MIN_UTC.timestamp()), first);
    let last = unix("2099-12-31T14:59:59Z");
    assert_eq!(next(last - 1), Some(last));
    assert_eq!(next(last), None);
    assert_eq!(next(DateTime::<Utc>::MAX_UTC.timestamp()), None);
}

#[test]
fn a_spec_for_each_second_is_silent_for_a_day_at_most() {
    // So a search passes over a day of times at most, of any spec. Two zones skipped a day.
    for (zone, after) in [
        (Tz::Pacific__Apia, "2011-12-30T09:59:59Z"),
        (Tz::Pacific__Kwajalein, "1993-08-21T11:59:59Z"),
        (Tz::America__New_York, "2026-11-01T06:00:00Z"),
    ] {
        let after = unix(after);
        let next = spec("* * * * * * *").next_after(after, zone);
        let wait = next.expect("a time").unix() - after;
        assert!(wait <= 86_400, "{zone}: {wait} s");
    }
}

/// An item of a field with these bounds.
fn item(min: u16, max: u16) -> impl Strategy<Value = String> {
    let value = move || min..=max;
    prop_oneof![
        Just("*".to_owned()),
        value().prop_map(|n| n.to_string()),
        (value(), value()).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        (value(), 1..=max.min(59)).prop_map(|(n, step)| format!("{n}/{step}")),
        (1..=max.min(59)).prop_map(|step| format!("*/{step}")),
    ]
}

fn valid_spec() -> impl Strategy<Value = String> {
    let day = prop_oneof![
        item(1, 31),
        Just("L".to_owned()),
        Just("LW".to_owned()),
        (1..=31).prop_map(|day| format!("{day}W")),
    ];
    let weekday = prop_oneof![
        item(0, 6),
        (0..=7).prop_map(|day| format!("{day}L")),
        (0..=7, 1..=5).prop_map(|(day, week)| format!("{day}#{week}")),
    ];
    (
        item(0, 59),
        item(0, 59),
        item(0, 23),
        day,
        item(1, 12),
        weekday,
        item(1970, 2099),
    )
        .prop_map(|(s, m, h, dom, month, dow, year)| {
            format!("{s} {m} {h} {dom} {month} {dow} {year}")
        })
}

fn zone() -> impl Strategy<Value = Tz> {
    prop::sample::select(&chrono_tz::TZ_VARIANTS[..])
}

proptest! {
    #[test]
    fn any_text_is_a_cronexpr_spec_or_an_error(text in any::<String>()) {
        drop(parse(&text));
    }

    #[test]
    fn a_text_of_the_characters_of_a_cronexpr_spec_does_not_panic(
        text in "([0-9*?/,LWlw#-]{1,4} ){4,7}[0-9*?/,L#-]{1,4}",
        zone in zone(),
        after in 0..4_200_000_000_i64,
    ) {
        if let Ok(spec) = parse(&text) {
            let next = spec.next_after(after, zone);
            prop_assert!(next.is_none_or(|next| next.unix() > after));
            prop_assert!(!spec.fields().words().is_empty());
        }
    }

    #[test]
    fn firings_of_a_cronexpr_spec_are_later_each_time(
        text in valid_spec(),
        zone in zone(),
        after in -10_000_000_000..5_000_000_000_i64,
    ) {
        let mut last = after;
        for next in upcoming(&spec(&text), zone, after).take(50) {
            prop_assert!(next > last, "{next} after {last}");
            last = next;
        }
    }
}
