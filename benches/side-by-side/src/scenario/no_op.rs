//! Handlers that do nothing.

use anyhow::Result;

use super::Work;
use crate::record::Case;
use crate::seed::Seed;
use crate::setup::{BOTH, Setup, Side};

/// 1 to 1,000 handlers at the same time.
pub(super) fn cases(setup: &Setup) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (concurrency, rust_tasks) in [
        (1_u16, 30_000),
        (10, 150_000),
        (100, 250_000),
        (1000, 250_000),
    ] {
        let bed = setup.testbed()?;
        let work = Work {
            go_tasks: 25_000,
            rust_tasks,
        };
        let mut sides = BOTH.to_vec();
        let mut case = Case::rate("process", format!("c={concurrency}")).at(concurrency.into());
        if concurrency == 100 {
            sides.push(Side::Raw);
            case = case
                .note("raw: the scripts of rasynq over one pipelined connection, 64 tasks a call, without handlers");
        }
        cases.push(case.measure(setup.rounds, &sides, |side| {
            work.no_op(&bed, side, concurrency.into(), Seed::pending)
        })?);
    }
    Ok(cases)
}
