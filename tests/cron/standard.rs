//! Compares this dialect with robfig/cron itself: `compat/fixtures/cron_standard.json`, which
//! `compat/cmd/fixtures` writes.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use chrono_tz::{IANA_TZDB_VERSION, TZ_VARIANTS, Tz};
use serde::Deserialize;

use rasynq::Schedule;

use crate::firings::{self, COUNT, assert_page_says, decode, in_thousands};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    versions: [Versions; 1],
    zone_names: Vec<String>,
    refused: Vec<Refused>,
    fired: Vec<Fired>,
    skipped_days: Vec<Fired>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Versions {
    go: String,
    robfig_cron: String,
    time_zones: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refused {
    spec: String,
    error: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fired {
    spec: String,
    runs: Vec<Run>,
}

/// The zone, the start in Unix milliseconds, and the seconds from each firing to the next.
#[derive(Deserialize)]
struct Run(String, i64, String);

impl Run {
    fn zone(&self) -> Tz {
        self.0.parse().expect("a zone")
    }

    fn start(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.1).expect("a time")
    }

    /// What robfig found, in Unix seconds, and whether it searched for ever after that.
    fn times(&self) -> (Vec<i64>, bool) {
        let (deltas, hangs) = match self.2.strip_suffix("hang") {
            Some(deltas) => (deltas, true),
            None => (self.2.as_str(), false),
        };
        (decode(self.1, deltas), hangs)
    }

    /// What robfig found, without times that are not later than the one after which they were asked for.
    fn later_times(&self) -> Vec<i64> {
        let mut last = self.1.div_euclid(1_000);
        let mut times = self.times().0;
        times.retain(|&at| {
            let is_later = at > last;
            last = last.max(at);
            is_later
        });
        times
    }
}

fn fixture() -> Fixture {
    firings::fixture("cron_standard.json")
}

fn firings(spec: &str, run: &Run, count: usize) -> Vec<i64> {
    let schedule = Schedule::standard(spec).unwrap_or_else(|error| panic!("{error}"));
    let upcoming = schedule.upcoming(run.start(), run.zone());
    upcoming.take(count).map(|at| at.timestamp()).collect()
}

#[test]
fn every_spec_fires_when_robfig_says_or_is_refused_as_by_robfig() {
    let fixture = fixture();
    let mut faults = Vec::new();
    let mut cases = fixture.refused.len();
    let mut backwards = Vec::new();
    let mut zones = BTreeSet::new();
    for Refused { spec, error } in &fixture.refused {
        if let Ok(schedule) = Schedule::standard(spec) {
            faults.push(format!("{schedule:?} is read, but Go says: {error}"));
        }
    }
    for Fired { spec, runs } in &fixture.fired {
        cases += runs.len();
        if let Err(error) = Schedule::standard(spec) {
            faults.push(format!("{error}, but Go reads it"));
            continue;
        }
        for run in runs {
            zones.insert(&run.0);
            let (times, hangs) = run.times();
            assert!(!hangs, "{spec:?}: it belongs to the skipped days");
            let expected = run.later_times();
            if expected.len() < times.len() {
                backwards.push(format!("{} {spec} {}", run.0, run.start()));
            }
            let count = match times.len() {
                COUNT => expected.len(),
                _ => COUNT,
            };
            let found = firings(spec, run, count);
            if found != expected {
                faults.push(format!(
                    "{spec:?} from {} in {}: {found:?}, Go: {expected:?}",
                    run.start(),
                    run.zone()
                ));
            }
        }
    }
    let versions = &fixture.versions[0];
    println!(
        "robfig/cron {}, {}, time zones {} (Go) and {IANA_TZDB_VERSION} (chrono-tz)",
        versions.robfig_cron, versions.go, versions.time_zones
    );
    println!(
        "{} specs, {cases} cases, {} equal; in {} robfig finds a time that is not later",
        fixture.refused.len() + fixture.fired.len(),
        cases - faults.len(),
        backwards.len(),
    );
    assert_page_says(&format!(
        "{} specs that fire, in {} zones and {} cases with up to 20 firings each, and {} specs that are refused",
        in_thousands(fixture.fired.len()),
        zones.len(),
        in_thousands(cases - fixture.refused.len()),
        in_thousands(fixture.refused.len()),
    ));
    // all of them in hours that America/St_Johns repeated in part
    assert_eq!(backwards.len(), 22, "{backwards:#?}");
    assert!(
        faults.is_empty(),
        "{} differ:\n{}",
        faults.len(),
        faults[..faults.len().min(40)].join("\n")
    );
}

/// What comes after the times that robfig finds, where it searches for ever.
const WHERE_ROBFIG_HANGS: [(&str, &str, &str); 11] = [
    ("Pacific/Apia", "0 9 * * sat", "Sat 2011-12-31 09:00"),
    ("Pacific/Apia", "0 9 31 12 *", "Sat 2011-12-31 09:00"),
    ("Pacific/Apia", "30 12 1 * *", "Sun 2012-01-01 12:30"),
    ("Pacific/Apia", "@monthly", "Sun 2012-01-01 00:00"),
    ("Pacific/Kiritimati", "0 9 * * sat", "Sat 1995-01-07 09:00"),
    ("Pacific/Kiritimati", "0 9 31 12 *", "Sun 1995-12-31 09:00"),
    ("Pacific/Kiritimati", "30 12 1 * *", "Sun 1995-01-01 12:30"),
    ("Pacific/Kiritimati", "@monthly", "Sun 1995-01-01 00:00"),
    ("Pacific/Kwajalein", "0 9 * * sat", "Sat 1993-08-28 09:00"),
    ("Pacific/Kwajalein", "30 12 1 * *", "Wed 1993-09-01 12:30"),
    ("Pacific/Kwajalein", "@monthly", "Wed 1993-09-01 00:00"),
];

#[test]
fn a_search_goes_on_behind_a_day_that_a_zone_skipped_whole() {
    let mut answers = BTreeSet::new();
    for Fired { spec, runs } in &fixture().skipped_days {
        for run in runs {
            let (times, hangs) = run.times();
            let found = firings(spec, run, COUNT);
            assert_eq!(found.len(), COUNT, "{spec} in {}", run.0);
            assert_eq!(found[..times.len()], times, "{spec} in {}", run.0);
            if hangs {
                let at = DateTime::from_timestamp(found[times.len()], 0).expect("a time");
                let local = at.with_timezone(&run.zone()).format("%a %Y-%m-%d %H:%M");
                answers.insert((run.0.clone(), spec.clone(), local.to_string()));
            }
        }
    }
    let expected = WHERE_ROBFIG_HANGS.map(|(zone, spec, at)| (zone.into(), spec.into(), at.into()));
    assert_eq!(answers, BTreeSet::from(expected));
}

#[test]
fn both_sides_know_the_same_zones() {
    let fixture = fixture();
    let ours: BTreeSet<&str> = TZ_VARIANTS.iter().map(|zone| zone.name()).collect();
    let of_go: BTreeSet<&str> = fixture.zone_names.iter().map(String::as_str).collect();
    // the placeholder of a machine whose zone nobody has set
    let only_go: Vec<_> = of_go.difference(&ours).collect();
    assert_eq!(only_go, [&"Factory"]);
    assert_eq!(ours.difference(&of_go).count(), 0);
}
