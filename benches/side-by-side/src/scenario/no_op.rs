//! Handlers that do nothing.

use anyhow::Result;

use super::Work;
use crate::lab::{BOTH, Lab, Side};
use crate::record::Case;
use crate::seed::Seed;

/// From one handler at a time to a thousand.
pub(super) fn play(lab: &Lab) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (concurrency, rust_tasks) in [
        (1_u16, 30_000),
        (10, 150_000),
        (100, 250_000),
        (1000, 250_000),
    ] {
        let bed = lab.bed()?;
        let work = Work {
            go_tasks: 25_000,
            rust_tasks,
        };
        let mut sides = BOTH.to_vec();
        let mut case = Case::rate("process", format!("c={concurrency}")).at(concurrency.into());
        if concurrency == 100 {
            sides.push(Side::Raw);
            case = case
                .note("raw: our scripts on one bare pipelined connection, 64 tasks a call, handlers left out");
        }
        cases.push(case.play(lab.rounds, &sides, |side| {
            work.no_op(&bed, side, concurrency.into(), Seed::pending)
        })?);
    }
    Ok(cases)
}
