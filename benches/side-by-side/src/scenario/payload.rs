//! Payloads from nothing to a megabyte.

use anyhow::Result;
use serde_json::json;

use super::Work;
use super::enqueue::enqueue;
use crate::lab::{BOTH, Lab, Side};
use crate::record::Case;
use crate::seed::Seed;

/// Bytes, and how many tasks for Go and for Rust.
const SIZES: [(usize, u64, u64); 4] = [
    (0, 20_000, 200_000),
    (100, 20_000, 200_000),
    (10_000, 12_000, 50_000),
    (1_000_000, 200, 800),
];

/// Handlers that do nothing with them.
pub(super) fn processing(lab: &Lab) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (payload, go_tasks, rust_tasks) in SIZES {
        let bed = lab.bed()?;
        let work = Work {
            go_tasks,
            rust_tasks,
        };
        let case = Case::rate("payload", format!("{payload} B")).at(payload.max(1) as f64);
        cases.push(case.play(lab.rounds, &BOTH, |side| {
            work.no_op(&bed, side, 100, |tasks| Seed {
                payload,
                ..Seed::pending(tasks)
            })
        })?);
    }
    Ok(cases)
}

/// A hundred callers.
pub(super) fn enqueueing(lab: &Lab) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (payload, go_tasks, rust_tasks) in SIZES {
        let bed = lab.bed()?;
        let case = Case::rate("payload-enqueue", format!("{payload} B")).at(payload.max(1) as f64);
        cases.push(case.play(lab.rounds, &BOTH, |side| {
            let tasks = if side == Side::Go {
                2 * go_tasks
            } else {
                rust_tasks / 2
            };
            let tasks = lab.tasks(tasks);
            enqueue(&bed, side, tasks, json!({"callers": 100}), payload)
        })?);
    }
    Ok(cases)
}
