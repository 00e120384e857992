//! Compares this dialect with the Go module itself: `compat/fixtures/cron_cronexpr.json`, which
//! `compat/cmd/fixtures` writes.

use std::collections::{BTreeMap, BTreeSet};

use chrono::DateTime;
use chrono_tz::{IANA_TZDB_VERSION, Tz};
use serde::Deserialize;

use rasynq::{ErrorKind, Schedule};

use crate::firings;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    versions: [Versions; 1],
    valid: Vec<Valid>,
    misread: Vec<Misread>,
    invalid: Vec<Invalid>,
    crashes: Vec<Crash>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Versions {
    go: String,
    cronexpr: String,
    time_zones: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Valid {
    spec: String,
    runs: Vec<Run>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Misread {
    spec: String,
    kind: String,
    module: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Invalid {
    spec: String,
    error: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Crash {
    spec: String,
    runs: Vec<Run>,
    module: String,
}

/// The zone, the start in Unix milliseconds, the seconds from each firing to the next, and how often the module
/// would have given the same times for ever.
#[derive(Deserialize)]
struct Run(String, i64, String, usize);

impl Run {
    fn is_equal(&self, spec: &str) -> bool {
        let Self(zone, start, deltas, _) = self;
        let expected = firings::decode(*start, deltas);
        let zone: Tz = zone.parse().expect("a zone");
        let after = DateTime::from_timestamp_millis(*start).expect("a time");
        let schedule = Schedule::cronexpr(spec).unwrap_or_else(|error| panic!("{error}"));
        let upcoming = schedule.upcoming(after, zone).take(firings::COUNT);
        let found: Vec<i64> = upcoming.map(|at| at.timestamp()).collect();
        if found != expected {
            println!("{spec:?} in {zone} after {after}:\n  {found:?}, not\n  {expected:?}");
        }
        found == expected
    }
}

fn fixture() -> Fixture {
    firings::fixture("cron_cronexpr.json")
}

#[test]
fn every_valid_cronexpr_spec_fires_when_the_go_module_says() {
    let fixture = fixture();
    let (mut cases, mut equal, mut stuck) = (0, 0, 0);
    let mut zones = BTreeSet::new();
    let valid = fixture.valid.iter().map(|valid| (&valid.spec, &valid.runs));
    let crashes = (fixture.crashes.iter()).map(|crash| (&crash.spec, &crash.runs));
    for (spec, runs) in valid.chain(crashes) {
        for run in runs {
            cases += 1;
            zones.insert(&run.0);
            equal += usize::from(run.is_equal(spec));
            stuck += usize::from(run.3 > 0);
        }
    }
    let [versions] = &fixture.versions;
    println!(
        "{} specs, {cases} cases, {equal} equal (cronexpr {}, {}, time zones {} and here {IANA_TZDB_VERSION})",
        fixture.valid.len(),
        versions.cronexpr,
        versions.go,
        versions.time_zones,
    );
    println!(
        "In {stuck} of them the module comes to give the same times for ever: the next time of the wall clock \
         comes instead. So it does in {}, in which the module ends the process:",
        fixture.crashes.len()
    );
    for crash in &fixture.crashes {
        println!(
            "  {:?} in {}: {}",
            crash.spec, crash.runs[0].0, crash.module
        );
    }
    firings::assert_page_says(&format!(
        "{} specs in {} zones, {} cases with up to 20 firings each, compared with the module itself",
        firings::in_thousands(fixture.valid.len()),
        zones.len(),
        firings::in_thousands(cases),
    ));
    assert!(stuck >= 50);
    assert_eq!(equal, cases);
}

#[test]
fn a_cronexpr_spec_is_an_error_exactly_where_the_go_module_refuses_or_misreads_it() {
    let fixture = fixture();
    let refused = |spec: &str| {
        let error = Schedule::cronexpr(spec).expect_err(spec);
        assert_eq!(error.kind(), ErrorKind::Invalid);
        error
    };
    for Valid { spec, .. } in &fixture.valid {
        Schedule::cronexpr(spec).unwrap_or_else(|error| panic!("{error}"));
    }
    for Invalid { spec, error } in &fixture.invalid {
        assert!(!error.is_empty());
        refused(spec);
    }
    let mut kinds: BTreeMap<&str, Vec<&Misread>> = BTreeMap::new();
    for misread in &fixture.misread {
        kinds.entry(&misread.kind).or_default().push(misread);
    }
    println!(
        "{} specs are errors in both. {} are errors here alone, because the module misreads them:",
        fixture.invalid.len(),
        fixture.misread.len()
    );
    for (kind, specs) in &kinds {
        println!("{kind}: {}", specs.len());
        for Misread { spec, module, .. } in specs {
            println!("  {}\n    the module: {module}", refused(spec));
        }
    }
    assert!(fixture.invalid.len() >= 300 && kinds.len() >= 6);
}
