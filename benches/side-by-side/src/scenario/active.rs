//! A long active list: many handlers run for a long time, while short tasks are processed.

use anyhow::Result;
use serde_json::json;

use super::fill;
use crate::drain::{Begin, Drain};
use crate::record::Case;
use crate::seed::Seed;
use crate::setup::{BOTH, Setup, Side};

/// 1,000 and 10,000 slots, of which 100 are left for the short tasks.
pub(super) fn cases(setup: &Setup) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for concurrency in [1_000_u32, 10_000] {
        let bed = setup.testbed()?;
        let sleeping = u64::from(concurrency) - 100;
        let case = Case::rate("active-list", format!("{sleeping} running, 100 free"))
            .at(concurrency.into());
        cases.push(case.measure(setup.rounds, &BOTH, |side| {
            let tasks = setup.tasks(if side == Side::Go { 20_000 } else { 50_000 });
            let sleepers = Seed {
                task_type: "sleep",
                series: 1,
                ..Seed::pending(sleeping)
            };
            fill(&bed, &[sleepers, Seed::pending(tasks)])?;
            Drain {
                handlers: json!({
                    "sleep": {"attempts": [[{"sleep": "20m"}]]},
                    "task": {"attempts": [[{"return": "ok"}]]},
                }),
                // the tasks that sleep start first
                begin: Begin::FirstDone,
                ..Drain::no_op(concurrency as usize, tasks)
            }
            .run(&bed, side)
        })?);
    }
    Ok(cases)
}
