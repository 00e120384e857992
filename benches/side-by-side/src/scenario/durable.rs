//! A Redis with an append-only file.

use anyhow::Result;

use super::Work;
use crate::record::Case;
use crate::seed::Seed;
use crate::setup::{BOTH, Setup};

/// 100 handlers that do nothing.
pub(super) fn cases(setup: &Setup) -> Result<Vec<Case>> {
    let bed = setup.testbed_with(&["--appendonly", "yes", "--appendfsync", "everysec"])?;
    let work = Work {
        go_tasks: 25_000,
        rust_tasks: 200_000,
    };
    let case = Case::rate("aof", "everysec, c=100").measure(setup.rounds, &BOTH, |side| {
        work.no_op(&bed, side, 100, Seed::pending)
    })?;
    Ok(vec![case])
}
