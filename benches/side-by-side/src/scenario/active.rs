//! Many that run long while others come and go: the active list is long.

use anyhow::Result;
use serde_json::json;

use crate::drain::{Begin, Drain};
use crate::lab::{BOTH, Lab, Side};
use crate::record::Case;
use crate::seed::Seed;

/// Leaves a hundred slots to those that come and go.
pub(super) fn play(lab: &Lab) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for concurrency in [1_000_u32, 10_000] {
        let bed = lab.bed()?;
        let sleeping = u64::from(concurrency) - 100;
        let case = Case::rate("active-list", format!("{sleeping} running, 100 free"))
            .at(concurrency.into());
        cases.push(case.play(lab.rounds, &BOTH, |side| {
            let tasks = lab.tasks(if side == Side::Go { 20_000 } else { 50_000 });
            let mut redis = bed.redis.connect()?;
            redis.call(&["FLUSHALL"])?;
            let sleepers = Seed {
                task_type: "sleep",
                series: 1,
                ..Seed::pending(sleeping)
            };
            sleepers.sow(&mut redis)?;
            Seed::pending(tasks).sow(&mut redis)?;
            Drain {
                handlers: json!({
                    "sleep": {"attempts": [[{"sleep": "20m"}]]},
                    "task": {"attempts": [[{"return": "ok"}]]},
                }),
                // the sleepers come first
                begin: Begin::AtFirst,
                ..Drain::no_op(concurrency as usize, tasks)
            }
            .run(&bed, side)
        })?);
    }
    Ok(cases)
}
