//! One plot for each series of cases with a value on the x axis.

use std::collections::BTreeSet;

use super::svg::{Line, Plot};
use crate::record::Case;
use crate::setup::Side;

/// The name and the SVG of each plot.
pub(super) fn plots(cases: &[Case]) -> Vec<(String, String)> {
    let mut names = Vec::new();
    let mut seen = BTreeSet::new();
    for case in cases.iter().filter(|case| case.x.is_some()) {
        let name = series(case);
        if seen.insert(name.clone()) {
            names.push(name);
        }
    }
    names
        .into_iter()
        .filter_map(|name| {
            let group: Vec<&Case> = cases
                .iter()
                .filter(|case| case.x.is_some() && series(case) == name)
                .collect();
            let first = group.first().filter(|_| group.len() > 1)?;
            let lines = [Side::Go, Side::Rust, Side::Raw]
                .into_iter()
                .map(|side| Line {
                    name: label(side),
                    colour: colour(side),
                    points: group
                        .iter()
                        .filter_map(|case| Some((case.x?, case.median(side, case.metric)?)))
                        .filter(|(_, y)| *y > 0.0)
                        .collect(),
                })
                .filter(|line| !line.points.is_empty())
                .collect();
            let plot = Plot {
                title: name.clone(),
                x: axis(first).to_owned(),
                y: if first.metric == "p50" {
                    "median, ms".to_owned()
                } else {
                    first.unit.to_owned()
                },
                lines,
            };
            Some((name, plot.svg()))
        })
        .collect()
}

/// The name of the series: the scenario, and for `growth` also what grows.
fn series(case: &Case) -> String {
    match case.name.split_once('=') {
        Some((what, _)) if case.scenario == "growth" => format!("{}-{what}", case.scenario),
        _ => case.scenario.to_owned(),
    }
}

fn axis(case: &Case) -> &str {
    match case.scenario {
        "payload" | "payload-enqueue" => "bytes of payload",
        "distance" => "round trip, ms",
        "active-list" | "process" => "concurrent handlers",
        _ => case.name.split('=').next().unwrap_or_default(),
    }
}

fn label(side: Side) -> &'static str {
    match side {
        Side::Go => "Go asynq",
        Side::Rust => "rasynq",
        Side::Raw => "raw limit",
        Side::Bare => "bare loop",
        Side::Asynqrs => "asynqrs",
        Side::Apalis => "apalis-redis",
    }
}

fn colour(side: Side) -> &'static str {
    match side {
        Side::Go => "#00799c",
        Side::Rust => "#c0392b",
        _ => "#777777",
    }
}
