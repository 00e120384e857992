//! A Redis that writes everything down.

use anyhow::Result;

use super::Work;
use crate::lab::{BOTH, Lab};
use crate::record::Case;
use crate::seed::Seed;

/// A hundred handlers that do nothing.
pub(super) fn play(lab: &Lab) -> Result<Vec<Case>> {
    let bed = lab.bed_with(&["--appendonly", "yes", "--appendfsync", "everysec"])?;
    let work = Work {
        go_tasks: 25_000,
        rust_tasks: 200_000,
    };
    let case = Case::rate("aof", "everysec, c=100").play(lab.rounds, &BOTH, |side| {
        work.no_op(&bed, side, 100, Seed::pending)
    })?;
    Ok(vec![case])
}
