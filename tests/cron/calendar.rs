//! Entries that fire seldom, over forty years, against the calendar.

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeZone, Utc, Weekday};
use chrono_tz::Tz;

use rasynq::Schedule;

const FIRST_YEAR: i32 = 2026;
const LAST_YEAR: i32 = 2065;

/// Every day at this hour for which `is_meant` holds. The zones of these tests skip and repeat no such hour.
fn days(zone: Tz, hour: u32, is_meant: impl Fn(NaiveDate) -> bool) -> Vec<DateTime<Utc>> {
    let time = NaiveTime::from_hms_opt(hour, 0, 0).expect("a time");
    NaiveDate::from_ymd_opt(FIRST_YEAR, 1, 1)
        .expect("a date")
        .iter_days()
        .take_while(|day| day.year() <= LAST_YEAR)
        .filter(|day| is_meant(*day))
        .map(|day| {
            let local = zone.from_local_datetime(&day.and_time(time)).single();
            local.expect("one time").with_timezone(&Utc)
        })
        .collect()
}

/// All firings of these years.
fn firings(schedule: &Schedule, zone: Tz) -> Vec<DateTime<Utc>> {
    let start = |year| {
        let local = zone.with_ymd_and_hms(year, 1, 1, 0, 0, 0).single();
        local.expect("one time").with_timezone(&Utc)
    };
    let before_the_first = start(FIRST_YEAR) - chrono::TimeDelta::seconds(1);
    schedule
        .upcoming(before_the_first, zone)
        .take_while(|at| *at < start(LAST_YEAR + 1))
        .collect()
}

fn is_last_of_month(day: NaiveDate) -> bool {
    day.succ_opt().is_some_and(|next| next.day() == 1)
}

fn is_working_day(day: NaiveDate) -> bool {
    !matches!(day.weekday(), Weekday::Sat | Weekday::Sun)
}

/// The last working day: from here to the end of the month there is only the weekend.
fn is_last_working_day(day: NaiveDate) -> bool {
    let rest = day.iter_days().skip(1);
    let mut rest = rest.take_while(|next| next.month() == day.month());
    is_working_day(day) && !rest.any(is_working_day)
}

const ZONES: [Tz; 4] = [
    Tz::UTC,
    Tz::Europe__Berlin,
    Tz::America__New_York,
    Tz::Asia__Kathmandu,
];

/// A spec, its description, and its firings: the hour, and the days.
type Case = (&'static str, &'static str, u32, fn(NaiveDate) -> bool);

fn assert_fire_as_described(parse: fn(&str) -> rasynq::Result<Schedule>, cases: &[Case]) {
    for &(spec, words, hour, is_meant) in cases {
        let schedule = parse(spec).expect("valid");
        assert_eq!(schedule.describe(), words);
        for zone in ZONES {
            let expected = days(zone, hour, is_meant);
            assert_eq!(firings(&schedule, zone), expected, "{spec} in {zone}");
        }
    }
}

#[test]
fn yearly_leap_day_and_month_end_specs_of_the_standard_dialect_fire_when_their_description_says() {
    let cases: [Case; 8] = [
        (
            "@yearly",
            "At 00:00 on day 1 of the month, in January",
            0,
            |day| day.ordinal() == 1,
        ),
        (
            "0 9 31 12 *",
            "At 09:00 on day 31 of the month, in December",
            9,
            |day| (day.month(), day.day()) == (12, 31),
        ),
        (
            "0 9 29 2 *",
            "At 09:00 on day 29 of the month, in February",
            9,
            |day| (day.month(), day.day()) == (2, 29),
        ),
        // Two restricted day fields: one is enough.
        (
            "0 9 29 2 MON",
            "At 09:00 on day 29 of the month or on Monday, in February",
            9,
            |day| day.month() == 2 && (day.day() == 29 || day.weekday() == Weekday::Mon),
        ),
        // The moment at which a month ends.
        ("@monthly", "At 00:00 on day 1 of the month", 0, |day| {
            day.day() == 1
        }),
        // The 31st is the last day of seven months, and of no others.
        ("0 9 31 * *", "At 09:00 on day 31 of the month", 9, |day| {
            day.day() == 31
        }),
        (
            "0 9 30 4,6,9,11 *",
            "At 09:00 on day 30 of the month, in April, June, September and November",
            9,
            |day| is_last_of_month(day) && day.day() == 30,
        ),
        // Days that may be the last.
        (
            "0 9 28-31 * *",
            "At 09:00 on days 28 to 31 of the month",
            9,
            |day| day.day() >= 28,
        ),
    ];
    assert_fire_as_described(Schedule::standard, &cases);
}

#[test]
fn yearly_leap_day_and_month_end_specs_of_cronexpr_fire_when_their_description_says() {
    let cases: [Case; 8] = [
        (
            "@yearly",
            "At 00:00 on day 1 of the month, in January",
            0,
            |day| day.ordinal() == 1,
        ),
        (
            "0 9 29 2 *",
            "At 09:00 on day 29 of the month, in February",
            9,
            |day| (day.month(), day.day()) == (2, 29),
        ),
        (
            "0 9 29 2 * 2032-2050",
            "At 09:00 on day 29 of the month, in February, in 2032 to 2050",
            9,
            |day| (day.month(), day.day()) == (2, 29) && (2032..=2050).contains(&day.year()),
        ),
        (
            "0 18 L * *",
            "At 18:00 on the last day of the month",
            18,
            is_last_of_month,
        ),
        (
            "0 18 L 2 *",
            "At 18:00 on the last day of the month, in February",
            18,
            |day| day.month() == 2 && is_last_of_month(day),
        ),
        (
            "0 18 LW * *",
            "At 18:00 on the last working day of the month",
            18,
            is_last_working_day,
        ),
        (
            "0 18 * * 5L",
            "At 18:00 on the last Friday of the month",
            18,
            |day| {
                day.weekday() == Weekday::Fri && (day + chrono::Days::new(7)).month() != day.month()
            },
        ),
        (
            "0 9 15W * *",
            "At 09:00 on the working day nearest to day 15 of the month",
            9,
            |day| match day.weekday() {
                Weekday::Fri => matches!(day.day(), 14 | 15),
                Weekday::Mon => matches!(day.day(), 15 | 16),
                _ => is_working_day(day) && day.day() == 15,
            },
        ),
    ];
    assert_fire_as_described(Schedule::cronexpr, &cases);
}
