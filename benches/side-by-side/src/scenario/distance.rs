//! A distant Redis.

use std::time::Duration;

use anyhow::Result;

use super::Work;
use crate::record::Case;
use crate::seed::Seed;
use crate::setup::{BOTH, Setup};

/// 100 handlers that do nothing. A proxy delays their connections.
pub(super) fn cases(setup: &Setup) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (ms, go_tasks, rust_tasks) in [(1_u32, 1_500, 100_000), (3, 600, 40_000), (24, 100, 8_000)]
    {
        let bed = setup.distant_testbed(Duration::from_millis(ms.into()))?;
        let measured = match &bed.proxy {
            Some(proxy) => proxy.round_trip()?.as_secs_f64() * 1e3,
            None => 0.0,
        };
        let work = Work {
            go_tasks,
            rust_tasks,
        };
        let case = Case::rate("distance", format!("{ms} ms, c=100"))
            .at(ms.into())
            .note(format!("measured round trip: {measured:.2} ms"));
        cases.push(case.measure(setup.rounds, &BOTH, |side| {
            work.no_op(&bed, side, 100, Seed::pending)
        })?);
    }
    Ok(cases)
}
