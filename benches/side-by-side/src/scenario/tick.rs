//! How late the tasks of a scheduler are: from the second of a tick until its task is pending.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::peer::Peer;
use crate::record::Case;
use crate::setup::{Setup, Side};

/// A scheduler fires this many entries in each second.
const ENTRIES: [u64; 2] = [1, 100];

/// One scheduler with entries that fire in each second.
pub(super) fn cases(setup: &Setup) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for entries in ENTRIES {
        let case = Case::delay("tick", format!("entries={entries}"))
            .at(entries as f64)
            .note("from the begin of the second until this program, which waits in BRPOP, has the id of the task; percentiles over all rounds");
        cases.push(case.measure_delays(setup.rounds, |side| lateness(setup, side, entries))?);
    }
    Ok(cases)
}

/// How late each task of some seconds was, in ms.
fn lateness(setup: &Setup, side: Side, entries: u64) -> Result<Vec<f64>> {
    let bed = setup.testbed()?;
    let mut scheduler = Peer::start(&bed, side)?;
    scheduler.ask("scheduler", json!({"name": "s"}))?;
    for entry in 0..entries {
        let task = json!({"type": "tick", "payload": {"utf8": entry.to_string()}});
        let request = json!({"name": "s", "spec": "@every 1s", "task": task});
        scheduler.ask("register", request)?;
    }
    let mut redis = bed.redis.connect()?;
    // The first ticks come while entries are still registered.
    for _ in 0..2 * entries {
        redis.call(&["BRPOP", "asynq:{default}:pending", "30"])?;
    }
    let seconds = setup.tasks(12);
    let mut lateness = Vec::new();
    for _ in 0..seconds * entries {
        let popped = redis.call(&["BRPOP", "asynq:{default}:pending", "30"])?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        ensure!(!popped.list().is_empty(), "no task in 30 s");
        let into_second = f64::from(now.subsec_nanos()) / 1e6;
        lateness.push(into_second);
    }
    scheduler
        .ask("scheduler_shutdown", json!({"name": "s"}))
        .context("the end of the scheduler")?;
    Ok(lateness)
}
