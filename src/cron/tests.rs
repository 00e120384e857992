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
    assert_eq!(format!("{schedule:?}"), "Schedule::Standard(\"5 4 * * *\")");
    assert_eq!(schedule, parse("5 4 * * *"));
    assert_ne!(schedule, parse("5 4 * * ?"));
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
