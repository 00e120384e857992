//! All measured values as JSON.

use serde_json::{Map, Value, json};

use super::Report;
use crate::record::Case;

/// The whole report.
pub(super) fn report(report: &Report) -> Value {
    json!({
        "machine": report.machine.json(),
        "failures": report.failures,
        "cases": report.cases.iter().map(case).collect::<Vec<_>>(),
    })
}

fn case(case: &Case) -> Value {
    let rounds: Vec<Value> = case
        .rounds
        .iter()
        .map(|round| object(round.iter().map(|(side, metrics)| (side, json!(metrics)))))
        .collect();
    let medians = object(
        case.sides()
            .into_iter()
            .map(|side| (side, json!(case.median(side, case.metric)))),
    );
    json!({
        "scenario": case.scenario,
        "case": case.name,
        "metric": case.metric,
        "unit": case.unit,
        "x": case.x,
        "medians": medians,
        "rounds": rounds,
        "samples": object(case.samples.iter().map(|(side, samples)| (side, json!(samples)))),
        "notes": case.notes,
    })
}

fn object<S: ToString>(members: impl Iterator<Item = (S, Value)>) -> Value {
    let map: Map<String, Value> = members
        .map(|(side, value)| (side.to_string(), value))
        .collect();
    Value::Object(map)
}
