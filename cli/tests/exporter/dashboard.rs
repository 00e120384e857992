//! The dashboard: its form, its series and its expressions.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::page::{is_known, series_in};
use crate::promtool::{docs, promtool};

fn dashboard() -> Value {
    let text = std::fs::read_to_string(docs().join("grafana/rasynq.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn panels(dashboard: &Value) -> &Vec<Value> {
    dashboard["panels"].as_array().unwrap()
}

fn expressions(dashboard: &Value) -> Vec<String> {
    let targets = panels(dashboard)
        .iter()
        .filter_map(|panel| panel["targets"].as_array());
    let expressions = targets
        .flatten()
        .map(|target| target["expr"].as_str().unwrap().to_owned());
    expressions.collect()
}

#[test]
fn panels_have_numbers_of_their_own_do_not_overlap_and_ask_the_chosen_source() {
    let dashboard = dashboard();
    let mut numbers = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in panels(&dashboard) {
        let title = panel["title"].as_str().unwrap();
        assert!(numbers.insert(panel["id"].as_u64().unwrap()), "{title}");
        let [x, y, w, h] =
            ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap());
        assert!(x + w <= 24, "{title}");
        for place in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(place), "{title} overlaps at {place:?}");
        }
        if panel["type"] != "row" {
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
            assert!(!panel["targets"].as_array().unwrap().is_empty(), "{title}");
        }
    }
    assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 39);
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let names: Vec<_> = variables
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["datasource", "queue", "type"]);
}

#[test]
fn expressions_use_known_series_and_are_well_formed() {
    let dashboard = dashboard();
    let mut expressions = expressions(&dashboard);
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let definitions = variables.iter().filter_map(|it| it["definition"].as_str());
    for expression in definitions.chain(expressions.iter().map(String::as_str)) {
        let names = series_in(expression);
        assert!(!names.is_empty(), "{expression}");
        for name in names {
            assert!(is_known(&name), "{name} in {expression}");
        }
    }
    for expression in &mut expressions {
        *expression = expression
            .replace("$__rate_interval", "5m")
            .replace("$queue", ".*");
        *expression = expression.replace("$type", ".*");
        assert!(!expression.contains('$'), "{expression}");
    }
    let rules: Vec<Value> = expressions
        .iter()
        .enumerate()
        .map(|(n, expr)| serde_json::json!({ "record": format!("panel:{n}"), "expr": expr }))
        .collect();
    let groups = serde_json::json!({ "groups": [{ "name": "dashboard", "rules": rules }] });
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rules.yml"), groups.to_string()).unwrap();
    if let Some((is_good, text)) = promtool(folder.path(), &["check", "rules", "rules.yml"], "") {
        assert!(is_good, "{text}");
    }
}
