//! Why the evaluation is rasynq's own: a translation of a spec for the `cron` crate has other times.
//!
//! The crate's fields can be translated: it wants seconds, counts days of the week from 1 = Sunday, and both day
//! fields must match, so a spec with both restricted becomes two. What its evaluation does where a zone sets its clocks,
//! and in which years, no translation changes.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use rasynq::Schedule;

/// A spec, and the same for the `cron` crate.
struct Translation {
    standard: &'static str,
    cron_crate: &'static str,
}

impl Translation {
    /// The next local times as robfig has them, and as the crate has them.
    fn next(&self, count: usize, after: &str, zone: Tz) -> [Vec<String>; 2] {
        let after: DateTime<Utc> = after.parse().expect("a time");
        let print = |at: DateTime<Tz>| at.format("%m-%d %H:%M %:z").to_string();
        let standard = Schedule::standard(self.standard).expect("a standard spec");
        let cron_crate = cron::Schedule::from_str(self.cron_crate).expect("a spec of the crate");
        [
            standard
                .upcoming(after, zone)
                .take(count)
                .map(|at| print(at.with_timezone(&zone)))
                .collect(),
            cron_crate
                .after(&after.with_timezone(&zone))
                .take(count)
                .map(print)
                .collect(),
        ]
    }
}

#[test]
fn away_from_changes_of_clocks_a_translation_for_the_cron_crate_is_equal() {
    let weekdays = Translation {
        standard: "5/20 9 * * 1-5",
        cron_crate: "0 5/20 9 * * 2-6",
    };
    let [robfig, cron_crate] = weekdays.next(50, "2026-05-01T00:00:00Z", Tz::Europe__Berlin);
    assert_eq!(robfig, cron_crate);
}

#[test]
fn the_cron_crate_goes_back_in_time_within_an_hour_that_is_repeated() {
    let half_hours = Translation {
        standard: "*/30 * * * *",
        cron_crate: "0 */30 * * * *",
    };
    let [robfig, cron_crate] = half_hours.next(4, "2017-10-28T23:30:00Z", Tz::Europe__Berlin);
    assert_eq!(
        robfig,
        [
            "10-29 02:00 +02:00",
            "10-29 02:30 +02:00",
            "10-29 02:00 +01:00",
            "10-29 02:30 +01:00"
        ]
    );
    assert_eq!(
        cron_crate,
        [
            "10-29 02:00 +02:00",
            "10-29 02:00 +01:00",
            "10-29 02:30 +02:00",
            "10-29 02:30 +01:00"
        ]
    );
}

#[test]
fn the_cron_crate_fires_behind_a_change_by_half_an_hour_where_robfig_misses_a_day() {
    let nightly = Translation {
        standard: "0 2 * * *",
        cron_crate: "0 0 2 * * *",
    };
    let [robfig, cron_crate] = nightly.next(2, "2019-04-06T00:00:00Z", Tz::Australia__Lord_Howe);
    assert_eq!(robfig, ["04-08 02:00 +10:30", "04-09 02:00 +10:30"]);
    assert_eq!(cron_crate, ["04-07 02:00 +10:30", "04-08 02:00 +10:30"]);
}

#[test]
fn the_cron_crate_fires_on_a_day_without_midnight_which_robfig_passes_over() {
    let sundays = Translation {
        standard: "30 1 * * 0",
        cron_crate: "0 30 1 * * 1",
    };
    let [robfig, cron_crate] = sundays.next(2, "2022-03-24T12:00:00Z", Tz::Asia__Beirut);
    assert_eq!(robfig, ["04-03 01:30 +03:00", "04-10 01:30 +03:00"]);
    assert_eq!(cron_crate, ["03-27 01:30 +03:00", "04-03 01:30 +03:00"]);
}

#[test]
fn the_cron_crate_ends_with_the_year_2100() {
    let monthly = Translation {
        standard: "@monthly",
        cron_crate: "@monthly",
    };
    let [robfig, cron_crate] = monthly.next(3, "2100-11-15T00:00:00Z", Tz::UTC);
    assert_eq!(
        robfig,
        [
            "12-01 00:00 +00:00",
            "01-01 00:00 +00:00",
            "02-01 00:00 +00:00"
        ]
    );
    assert_eq!(cron_crate, ["12-01 00:00 +00:00"]);
}
