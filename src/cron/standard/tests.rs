use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use proptest::prelude::*;

use crate::cron::Schedule;
use crate::error::ErrorKind;

fn time(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time")
}

#[test]
fn each_kind_of_invalid_spec_has_an_error_that_says_what_is_wrong_with_which_text() {
    for (spec, fault) in [
        ("", "the text is empty"),
        (
            " ",
            "5 fields are needed (minute, hour, day of month, month, day of week), but there are 0",
        ),
        (
            "* * * *",
            "5 fields are needed (minute, hour, day of month, month, day of week), but there are 4",
        ),
        (
            "0 0 0 * * *",
            "5 fields are needed (minute, hour, day of month, month, day of week), but there are 6",
        ),
        ("60 * * * *", "minute 60 is above 59"),
        ("* 24 * * *", "hour 24 is above 23"),
        ("* * 0 * *", "day of month 0 is below 1"),
        ("* * 32 * *", "day of month 32 is above 31"),
        ("* * * 0 *", "month 0 is below 1"),
        ("* * * 13 *", "month 13 is above 12"),
        ("* * * * 7", "day of week 7 is above 6 (Sunday is 0)"),
        ("1,2,60 * * * *", "minute 60 is above 59"),
        ("5-60 * * * *", "minute 60 in \"5-60\" is above 59"),
        ("60/5 * * * *", "minute 60 in \"60/5\" is above 59"),
        ("* * 0-5 * *", "day of month 0 in \"0-5\" is below 1"),
        (
            "99999999999999999999 * * * *",
            "minute 99999999999999999999 is above 59",
        ),
        ("* 5-3 * * *", "hour \"5-3\" begins after its end"),
        ("* * * dec-jan *", "month \"dec-jan\" begins after its end"),
        ("* 1-2-3 * * *", "hour \"1-2-3\" has more than one hyphen"),
        ("* -3 * * *", "hour \"-3\" lacks a value"),
        ("* 3- * * *", "hour \"3-\" lacks a value"),
        ("* /3 * * *", "hour \"/3\" lacks a value"),
        ("*/5/2 * * * *", "minute \"*/5/2\" has more than one slash"),
        ("*/0 * * * *", "minute \"*/0\": the step \"0\" is below 1"),
        (
            "*/-2 * * * *",
            "minute \"*/-2\": the step \"-2\" is below 1",
        ),
        ("*/ * * * *", "minute \"*/\": the step \"\" is not a number"),
        (
            "*/x * * * *",
            "minute \"*/x\": the step \"x\" is not a number",
        ),
        (
            "*/9223372036854775808 * * * *",
            "minute \"*/9223372036854775808\": the step \"9223372036854775808\" is above 9223372036854775807",
        ),
        ("x * * * *", "minute \"x\" is not a number"),
        ("1.5 * * * *", "minute \"1.5\" is not a number"),
        ("\u{662} * * * *", "minute \"\u{662}\" is not a number"),
        ("1-x * * * *", "minute \"x\" in \"1-x\" is not a number"),
        ("mon * * * *", "minute \"mon\" is not a number"),
        ("* * L * *", "day of month \"L\" is not a number"),
        (
            "* * * january *",
            "month \"january\" is neither a number nor a name from JAN to DEC",
        ),
        (
            "* * * * mon#1",
            "day of week \"mon#1\" is neither a number nor a name from SUN to SAT",
        ),
        (
            "* * * * 5L",
            "day of week \"5L\" is neither a number nor a name from SUN to SAT",
        ),
        (
            "@reboot",
            "descriptor \"@reboot\" is none of @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly and @every with a duration",
        ),
        (
            "@daily ",
            "descriptor \"@daily \" is none of @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly and @every with a duration",
        ),
        ("@every 1d", "@every: unknown unit \"d\" in duration \"1d\""),
        ("@every 5", "@every: missing unit in duration \"5\""),
        ("@every soon", "@every: invalid duration \"soon\""),
        (
            "TZ=Mars/Olympus * * * * *",
            "there is no time zone \"Mars/Olympus\"",
        ),
        (
            "CRON_TZ=europe/berlin @daily",
            "there is no time zone \"europe/berlin\"",
        ),
        ("TZ=UTC", "nothing follows the time zone \"UTC\""),
        ("TZ=UTC 61 * * * *", "minute 61 is above 59"),
    ] {
        let error = Schedule::standard(spec).expect_err(spec);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{spec}");
        assert_eq!(error.to_string(), format!("cron spec {spec:?}: {fault}"));
    }
}

#[test]
fn a_search_ends_after_five_years() {
    let next = |spec, after| {
        let schedule = Schedule::standard(spec).expect("valid");
        schedule.next_after(time(after), Tz::UTC)
    };
    let leap_day = "0 0 29 2 *";
    assert_eq!(
        next(leap_day, "2095-06-01T00:00:00Z"),
        Some(time("2096-02-29T00:00:00Z"))
    );
    assert_eq!(next(leap_day, "2096-02-29T00:00:00Z"), None);
    assert_eq!(next(leap_day, "2098-12-31T23:59:58Z"), None);
    assert_eq!(
        next(leap_day, "2098-12-31T23:59:59Z"),
        Some(time("2104-02-29T00:00:00Z"))
    );
    for never in [
        "0 0 30 2 *",
        "* * 31 4,6,9,11 *",
        ", * * * *",
        "* , * * *",
        "* * * , *",
        "* * , * *",
        ", , , , ,",
    ] {
        assert_eq!(next(never, "2026-01-01T00:00:00Z"), None, "{never}");
    }
}

#[test]
fn a_day_without_midnight_can_count_as_the_day_before_as_in_robfig() {
    // The 13th began at 01:00. robfig's search does not look at the day again, because it meets no hour 0.
    let schedule = Schedule::standard("0 1 12 * *").expect("valid");
    let firings = schedule.upcoming(time("2017-08-01T00:00:00Z"), Tz::America__Santiago);
    let local = firings.map(|at| at.with_timezone(&Tz::America__Santiago).to_rfc3339());
    assert_eq!(
        local.take(3).collect::<Vec<_>>(),
        [
            "2017-08-12T01:00:00-04:00",
            "2017-08-13T01:00:00-03:00",
            "2017-09-12T01:00:00-03:00"
        ]
    );
}

#[test]
fn a_time_that_is_already_over_is_never_the_next() {
    // 02:45 for the second time that night; robfig answers with 03:00 of the first time
    let after = time("2024-04-06T14:00:01Z");
    let schedule = Schedule::standard("0 3 * * *").expect("valid");
    let next = schedule.next_after(after, Tz::Pacific__Chatham);
    assert_eq!(next, Some(time("2024-04-06T14:15:00Z")));
}

#[test]
fn the_ends_of_time_are_answered() {
    for spec in [
        "* * * * *",
        "0 0 30 2 *",
        "@yearly",
        "@every 2562047h",
        "TZ=Asia/Kathmandu 0 0 1 1 *",
    ] {
        let schedule = Schedule::standard(spec).expect("valid");
        for zone in [Tz::UTC, Tz::Australia__Lord_Howe, Tz::America__St_Johns] {
            let last = DateTime::<Utc>::MAX_UTC;
            assert_eq!(schedule.next_after(last, zone), None, "{spec} in {zone}");
            for after in [DateTime::<Utc>::MIN_UTC, last - TimeDelta::days(3_000)] {
                let next = schedule.next_after(after, zone);
                assert!(next.is_none_or(|next| next > after), "{spec} in {zone}");
            }
        }
    }
}

/// A text in which much is as in a spec.
fn texts() -> impl Strategy<Value = String> {
    let element = "(\\*|\\?|[0-9]{1,2}|[a-zA-Z]{3}|[+-]?[0-9]{0,20}|)((-|/|,)(\\*|[0-9]{1,2}|[a-z]{3})?){0,3}";
    let spec = format!("((CRON_)?TZ=(UTC|Europe/Berlin|\\PC{{0,5}})? ?)?({element}\\s?){{3,6}}");
    prop_oneof![
        proptest::string::string_regex(&spec).expect("a pattern"),
        "@?\\PC{0,20}",
        ".{0,40}",
    ]
}

fn fields() -> impl Strategy<Value = String> {
    let field = |low: u32, high: u32| {
        prop_oneof![
            3 => Just("*".to_owned()),
            3 => (low..=high).prop_map(|value| value.to_string()),
            1 => (low..=high, 1..40_u32).prop_map(|(value, step)| format!("{value}/{step}")),
            1 => (low..=high, low..=high).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
            1 => (1..40_u32).prop_map(|step| format!("*/{step}")),
        ]
    };
    (
        field(0, 59),
        field(0, 23),
        field(1, 31),
        field(1, 12),
        field(0, 6),
    )
        .prop_map(|(minute, hour, day, month, weekday)| {
            format!("{minute} {hour} {day} {month} {weekday}")
        })
}

fn zones() -> impl Strategy<Value = Tz> {
    proptest::sample::select(&TZ_VARIANTS[..])
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in texts()) {
        if let Ok(schedule) = Schedule::standard(&text) {
            schedule.next_after(time("2026-11-30T16:42:00Z"), Tz::Europe__Berlin);
        }
    }

    #[test]
    fn each_time_is_later_than_the_one_before(
        spec in fields(),
        zone in zones(),
        start in -3_000_000_000_i64..6_000_000_000,
    ) {
        let schedule = Schedule::standard(&spec).expect("valid");
        let mut last = DateTime::from_timestamp(start, 500_000_000).expect("a time");
        for at in schedule.upcoming(last, zone).take(10) {
            prop_assert!(at > last, "{spec} in {zone}: {last}, then {at}");
            prop_assert_eq!(at.timestamp_subsec_nanos(), 0);
            last = at;
        }
    }
}
