//! Enqueueing of single tasks and of batches.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::peer::Peer;
use crate::record::{Case, Metrics};
use crate::setup::{BOTH, Setup, Side, Testbed};
use crate::usage::Usage;

/// The number of tasks that are enqueued before the measurement.
const WARM_UP: u64 = 100;
/// The number of tasks of a batch.
const BATCH: u64 = 1000;

/// 1, 16 and 100 callers.
pub(super) fn callers(setup: &Setup) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (callers, go, rust) in [
        (1, 20_000, 20_000),
        (16, 60_000, 120_000),
        (100, 80_000, 200_000),
    ] {
        let bed = setup.testbed()?;
        let case = Case::rate("enqueue", format!("callers={callers}")).at(f64::from(callers));
        cases.push(case.measure(setup.rounds, &BOTH, |side| {
            let tasks = setup.tasks(if side == Side::Go { go } else { rust });
            enqueue(&bed, side, tasks, json!({"callers": callers}), 100)
        })?);
    }
    Ok(cases)
}

/// Batches. Go has no such call; it enqueues with 100 callers.
pub(super) fn batch(setup: &Setup) -> Result<Vec<Case>> {
    let bed = setup.testbed()?;
    let case = Case::rate("batch", "batch=1000").note(
        "Go v0.26.0 has no batch call: it enqueues with 100 callers, each one task at a time",
    );
    let case = case.measure(setup.rounds, &BOTH, |side| match side {
        Side::Go => enqueue(
            &bed,
            side,
            setup.tasks(80_000),
            json!({"callers": 100}),
            100,
        ),
        _ => {
            let how = json!({"callers": 2, "batch": BATCH});
            enqueue(&bed, side, setup.tasks(400_000), how, 100)
        }
    })?;
    Ok(vec![case])
}

/// Empties Redis and measures a fresh peer that enqueues. The peer has connected before.
pub(super) fn enqueue(
    bed: &Testbed<'_>,
    side: Side,
    tasks: u64,
    how: Value,
    payload: usize,
) -> Result<Metrics> {
    let mut redis = bed.redis.connect()?;
    redis.call(&["FLUSHALL"])?;
    let mut peer = Peer::start(bed, side)?;
    let mut request = json!({"task": {"type": "task", "payload": {"utf8": "x".repeat(payload)}}});
    request["n"] = WARM_UP.into();
    request["callers"] = how["callers"].clone();
    peer.ask("enqueue_many", request.clone())?;
    request["n"] = tasks.into();
    if let Some(batch) = how.get("batch") {
        request["batch"] = batch.clone();
    }
    let before = Usage::read(bed, &mut redis, peer.cpu_time()?)?;
    let answer = peer.ask("enqueue_many", request)?;
    let used = Usage::read(bed, &mut redis, peer.cpu_time()?)?.since(&before);
    ensure!(answer["err"] == 0, "{} enqueues failed", answer["err"]);
    if side != Side::Apalis {
        let stored = redis.call(&["LLEN", "asynq:{default}:pending"])?.number();
        let sent = tasks + WARM_UP;
        ensure!(
            stored.unsigned_abs() == sent,
            "{stored} of {sent} tasks are pending"
        );
    }
    let seconds = answer["seconds"].as_f64().unwrap_or(f64::NAN);
    Ok(used.metrics(tasks as f64, seconds))
}
