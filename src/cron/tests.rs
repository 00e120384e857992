use super::*;

fn parse(spec: &str) -> Schedule {
    Schedule::standard(spec).unwrap_or_else(|error| panic!("{error}"))
}

fn time(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time")
}

#[test]
fn a_schedule_shows_its_text_and_is_equal_by_it() {
    let schedule: Schedule = "5 4 * * *".parse().expect("valid");
    assert_eq!(schedule.spec(), "5 4 * * *");
    assert_eq!(schedule.to_string(), "5 4 * * *");
    assert_eq!(format!("{schedule:?}"), "Schedule::standard(\"5 4 * * *\")");
    assert_eq!(schedule, parse("5 4 * * *"));
    assert_ne!(schedule, parse("5 4 * * ?"));
}

#[test]
fn a_schedule_says_in_plain_words_what_its_spec_says() {
    for (spec, words) in [
        ("* * * * *", "Every minute"),
        (
            "*/1 0-23 1-31 * *",
            "Every minute on days 1 to 31 of the month",
        ),
        ("*/5 * * * *", "Every 5 minutes"),
        (
            "*/7 * * * *",
            "At every 7th minute from 0 to 56 of every hour",
        ),
        ("5,10 * * * *", "At minutes 5 and 10 of every hour"),
        ("@hourly", "Every hour"),
        ("0 */2 * * *", "Every 2 hours"),
        ("30 */2 * * *", "At minute 30 of every 2nd hour"),
        (
            "30 1-23/2 * * *",
            "At minute 30 of every 2nd hour from 1 to 23",
        ),
        ("0 9-17 * * *", "Every hour from 09:00 to 17:00"),
        (
            "0 1,3,5,7,10 * * *",
            "At minute 0 of hours 1, 3, 5, 7 and 10",
        ),
        (
            "*/30 9-17 * * 1-5",
            "Every 30 minutes from 09:00 to 17:30 on Monday to Friday",
        ),
        ("* 9 * * *", "Every minute from 09:00 to 09:59"),
        ("* 9,17 * * *", "Every minute in hours 9 and 17"),
        ("*/10 */2 * * *", "Every 10 minutes in every 2nd hour"),
        ("5 9-17 * * *", "At minute 5 of hours 9 to 17"),
        ("30 9,17 * * *", "At 09:30 and 17:30 every day"),
        ("@daily", "At 00:00 every day"),
        ("@weekly", "At 00:00 on Sunday"),
        ("@yearly", "At 00:00 on day 1 of the month, in January"),
        ("0 0 1,15 * *", "At 00:00 on days 1 and 15 of the month"),
        (
            "0 0 */2 * *",
            "At 00:00 on every 2nd day from 1 to 31 of the month",
        ),
        (
            "0 0 13 * FRI",
            "At 00:00 on day 13 of the month or on Friday",
        ),
        ("0 0 * * 0,5,6", "At 00:00 on Friday to Sunday"),
        ("0 0 * * 1,3", "At 00:00 on Monday and Wednesday"),
        (
            "0 0 1 */3 *",
            "At 00:00 on day 1 of the month, in every 3rd month from January to October",
        ),
        (
            "0 0 1 6-8,12 *",
            "At 00:00 on day 1 of the month, in June to August and December",
        ),
        ("@every 1s", "Every 1 second"),
        (
            "TZ=Asia/Kolkata @every 26h",
            "Every 26 hours, in Asia/Kolkata",
        ),
        (", * * * *", "Never"),
    ] {
        assert_eq!(parse(spec).describe(), words, "{spec}");
    }
    for (spec, words) in [
        ("* * * * * * *", "Every second"),
        ("*/10 * * * * * *", "Every 10 seconds"),
        (
            "*/10 * 9-17 * * * *",
            "Every 10 seconds from 09:00:00 to 17:59:50",
        ),
        (
            "*/10 30 * * * * *",
            "Every 10 seconds in minute 30 of every hour",
        ),
        ("30 * * * * * *", "At second 30 of every minute"),
        (
            "30 * 9-17 * * * *",
            "At second 30 of every minute from 09:00:30 to 17:59:30",
        ),
        ("30 */5 * * * * *", "At second 30 of every 5th minute"),
        ("15 30 9 * * * *", "At 09:30:15 every day"),
        (
            "0 18 L,15W * *",
            "At 18:00 on the working day nearest to day 15 and the last day of the month",
        ),
        (
            "0 9 1,LW * *",
            "At 09:00 on day 1 and the last working day of the month",
        ),
        (
            "0 9 * * MON,5L,2#3",
            "At 09:00 on Monday and the third Tuesday and the last Friday of the month",
        ),
        (
            "0 0 29 2 * 2028",
            "At 00:00 on day 29 of the month, in February, in 2028",
        ),
        (
            "0 0 1 1 * 2026-2030/2",
            "At 00:00 on day 1 of the month, in January, in 2026, 2028 and 2030",
        ),
    ] {
        let schedule = Schedule::cronexpr(spec).expect("valid");
        assert_eq!(schedule.describe(), words, "{spec}");
    }
}

#[test]
fn every_is_at_least_a_second_and_whole_seconds() {
    for (spec, seconds) in [
        ("@every 1h30m", 5_400),
        ("@every 1.9s", 1),
        ("@every 3ms", 1),
        ("@every -5m", 1),
        ("@every 0", 1),
        ("TZ=Asia/Tokyo @every 90s", 90),
    ] {
        assert_eq!(
            parse(spec).every(),
            Some(Duration::from_secs(seconds)),
            "{spec}"
        );
    }
    assert_eq!(parse("@hourly").every(), None);
    let next = parse("@every 90s").next_after(time("2026-01-01T00:00:00.75Z"), Tz::UTC);
    assert_eq!(next, Some(time("2026-01-01T00:01:30Z")));
}

#[test]
fn a_zone_in_the_spec_overrides_the_one_that_is_passed() {
    let after = time("2026-07-01T00:00:00Z");
    let next = |spec, zone| {
        parse(spec)
            .next_after(after, zone)
            .map(|at| at.to_rfc3339())
    };
    let berlin = Some("2026-07-01T07:00:00+00:00".to_owned());
    let tokyo = Some("2026-07-02T00:00:00+00:00".to_owned());
    assert_eq!(next("0 9 * * *", Tz::Europe__Berlin), berlin);
    assert_eq!(next("TZ=Europe/Berlin 0 9 * * *", Tz::Asia__Tokyo), berlin);
    assert_eq!(next("CRON_TZ=Local 0 9 * * *", Tz::Asia__Tokyo), tokyo);
}
