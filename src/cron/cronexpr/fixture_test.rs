//! Compares with what the Go module answers: `compat/fixtures/cron_cronexpr.json`, described in
//! `compat/fixtures/README.md`.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use serde::Deserialize;

use super::parse;

#[derive(Deserialize)]
struct Fixture {
    versions: [Versions; 1],
    valid: Vec<Valid>,
    misread: Vec<Misread>,
    invalid: Vec<Invalid>,
    crashes: Vec<Valid>,
}

#[derive(Deserialize)]
struct Versions {
    module: String,
    zone_data: String,
}

#[derive(Deserialize)]
struct Valid {
    spec: String,
    cases: Vec<FiringCase>,
}

/// The zone, the start in unix milliseconds, the firings, and how often the module was stuck.
#[derive(Deserialize)]
struct FiringCase(String, i64, String, usize);

#[derive(Deserialize)]
struct Misread {
    spec: String,
    kind: String,
}

#[derive(Deserialize)]
struct Invalid {
    spec: String,
}

/// How many firings a case has at most.
const FIRINGS: usize = 20;

fn fixture() -> Fixture {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/compat/fixtures/cron_cronexpr.json"
    );
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

impl FiringCase {
    fn start(&self) -> i64 {
        self.1.div_euclid(1_000)
    }

    /// The firings: the seconds from the one before, `60*19` for 19 times 60.
    fn expected(&self) -> Vec<i64> {
        let mut at = self.start();
        let mut firings = Vec::new();
        for part in self.2.split_whitespace() {
            let (delta, times) = part.split_once('*').unwrap_or((part, "1"));
            for _ in 0..times.parse().expect("a number") {
                at += delta.parse::<i64>().expect("a number");
                firings.push(at);
            }
        }
        firings
    }

    fn is_equal(&self, spec: &str) -> bool {
        let zone: Tz = self.0.parse().expect("a zone");
        let parsed = parse(spec).unwrap_or_else(|fault| panic!("{spec:?}: {fault}"));
        let mut at = self.start();
        let firings = std::iter::from_fn(|| {
            at = parsed.next_after(at, zone)?.unix();
            Some(at)
        });
        let firings: Vec<i64> = firings.take(FIRINGS).collect();
        let expected = self.expected();
        if firings != expected {
            eprintln!(
                "{spec:?} in {zone} after {}:\n  {firings:?}, not\n  {expected:?}",
                self.1
            );
        }
        firings == expected
    }
}

#[test]
fn every_valid_cronexpr_spec_fires_when_the_go_module_says() {
    let fixture = fixture();
    let (mut cases, mut equal, mut stuck) = (0, 0, 0);
    for Valid { spec, cases: list } in fixture.valid.iter().chain(&fixture.crashes) {
        for case in list {
            cases += 1;
            equal += usize::from(case.is_equal(spec));
            stuck += usize::from(case.3 > 0);
        }
    }
    eprintln!(
        "{} specs, {cases} cases, {equal} equal. In {stuck} of them the module gives the same time for ever, and in \
         {} it ends its process: there the firings are the next times of the wall clock. {}; time zones: {} there, \
         {} here.",
        fixture.valid.len(),
        fixture.crashes.len(),
        fixture.versions[0].module,
        fixture.versions[0].zone_data,
        chrono_tz::IANA_TZDB_VERSION,
    );
    assert!(fixture.valid.len() >= 1_000 && cases >= 5_000 && stuck >= 50);
    assert_eq!(equal, cases);
}

#[test]
fn a_cronexpr_spec_is_an_error_exactly_where_the_go_module_refuses_or_misreads_it() {
    let fixture = fixture();
    for Valid { spec, .. } in &fixture.valid {
        parse(spec).unwrap_or_else(|fault| panic!("{spec:?}: {fault}"));
    }
    let mut misread = BTreeMap::new();
    for Misread { spec, kind } in &fixture.misread {
        *misread.entry(kind.as_str()).or_insert(0) += 1;
        parse(spec).expect_err(spec);
    }
    for Invalid { spec } in &fixture.invalid {
        parse(spec).expect_err(spec);
    }
    eprintln!(
        "{} specs are errors in both. {} are errors here alone, because the module misreads them: {misread:?}",
        fixture.invalid.len(),
        fixture.misread.len(),
    );
    assert!(fixture.invalid.len() >= 300 && misread.len() >= 6);
}
