//! The alert rules, by promtool.

use std::collections::BTreeMap;
use std::path::Path;

use crate::page::is_known;
use crate::promtool::{docs, promtool};

/// The names of the alerts, each with how often the tests expect it.
fn expected() -> BTreeMap<String, usize> {
    let rules = std::fs::read_to_string(docs().join("alerts.yml")).unwrap();
    let names = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    let tests = include_str!("alerts_test.yml");
    names
        .map(|name| {
            let cases = tests.split("alertname: ").filter(|case| {
                case.strip_prefix(name)
                    .is_some_and(|case| case.starts_with('\n'))
                    && case.contains("exp_labels")
            });
            (name.to_owned(), cases.count())
        })
        .collect()
}

#[test]
fn each_alert_fires_in_a_test_and_none_fires_if_all_is_well() {
    let expected = expected();
    assert_eq!(expected.len(), 19);
    for (name, cases) in expected {
        assert!(cases > 0, "no test expects {name}");
        let quiet = format!("alertname: {name}, eval_time: 100m, exp_alerts: []");
        assert!(include_str!("alerts_test.yml").contains(&quiet), "{quiet}");
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/exporter");
    let Some((is_good, text)) = promtool(&folder, &["test", "rules", "alerts_test.yml"], "") else {
        return;
    };
    assert!(is_good, "{text}");
}

#[test]
fn the_alerts_are_well_formed_and_use_known_series_only() {
    let rules = std::fs::read_to_string(docs().join("alerts.yml")).unwrap();
    let expressions = rules.split("expr: ").skip(1);
    let expressions = expressions.map(|rule| rule.split("labels:").next().unwrap());
    let mut used = 0;
    for expression in expressions {
        for name in crate::page::series_in(expression) {
            assert!(is_known(&name), "{name} in {expression}");
            used += 1;
        }
    }
    assert!(used >= 19, "{used}");
    if let Some((is_good, text)) = promtool(&docs(), &["check", "rules", "alerts.yml"], "") {
        assert!(is_good, "{text}");
    }
}
