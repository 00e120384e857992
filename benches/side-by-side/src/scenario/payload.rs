//! Payloads of 0 bytes to 1 MB.

use anyhow::Result;
use serde_json::json;

use super::Work;
use super::enqueue::enqueue;
use crate::record::Case;
use crate::seed::Seed;
use crate::setup::{BOTH, Setup, Side};

/// Bytes of payload, tasks for Go, tasks for Rust.
const SIZES: [(usize, u64, u64); 4] = [
    (0, 20_000, 200_000),
    (100, 20_000, 200_000),
    (10_000, 12_000, 50_000),
    (1_000_000, 200, 800),
];

/// 100 handlers that do nothing with the payload.
pub(super) fn processing(setup: &Setup) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (payload, go_tasks, rust_tasks) in SIZES {
        let bed = setup.testbed()?;
        let work = Work {
            go_tasks,
            rust_tasks,
        };
        let case = Case::rate("payload", format!("{payload} B")).at(payload.max(1) as f64);
        cases.push(case.measure(setup.rounds, &BOTH, |side| {
            work.no_op(&bed, side, 100, |tasks| Seed {
                payload,
                ..Seed::pending(tasks)
            })
        })?);
    }
    Ok(cases)
}

/// 100 callers.
pub(super) fn enqueueing(setup: &Setup) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (payload, go_tasks, rust_tasks) in SIZES {
        let bed = setup.testbed()?;
        let case = Case::rate("payload-enqueue", format!("{payload} B")).at(payload.max(1) as f64);
        cases.push(case.measure(setup.rounds, &BOTH, |side| {
            let tasks = if side == Side::Go {
                2 * go_tasks
            } else {
                rust_tasks / 2
            };
            let tasks = setup.tasks(tasks);
            enqueue(&bed, side, tasks, json!({"callers": 100}), payload)
        })?);
    }
    Ok(cases)
}
