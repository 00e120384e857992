//! Enqueueing, one by one and in batches.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::lab::{BOTH, Bed, Lab, Side};
use crate::peer::Peer;
use crate::record::{Case, Metrics};
use crate::redis::commands;

/// How many tasks go ahead of those that are measured.
const WARM_UP: u64 = 100;
/// The size of a batch.
const BATCH: u64 = 1000;

/// One, some and many callers.
pub(super) fn callers(lab: &Lab) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (callers, go, rust) in [
        (1, 20_000, 20_000),
        (16, 60_000, 120_000),
        (100, 80_000, 200_000),
    ] {
        let bed = lab.bed()?;
        let case = Case::rate("enqueue", format!("callers={callers}")).at(f64::from(callers));
        cases.push(case.play(lab.rounds, &BOTH, |side| {
            let tasks = lab.tasks(if side == Side::Go { go } else { rust });
            enqueue(&bed, side, tasks, json!({"callers": callers}), 100)
        })?);
    }
    Ok(cases)
}

/// Batches; Go has no such call and enqueues by 100 callers.
pub(super) fn batch(lab: &Lab) -> Result<Vec<Case>> {
    let bed = lab.bed()?;
    let case = Case::rate("batch", "batch=1000")
        .note("Go v0.26.0 has no batch call: 100 callers, one task at a time");
    let case = case.play(lab.rounds, &BOTH, |side| match side {
        Side::Go => enqueue(&bed, side, lab.tasks(80_000), json!({"callers": 100}), 100),
        _ => {
            let how = json!({"callers": 2, "batch": BATCH});
            enqueue(&bed, side, lab.tasks(400_000), how, 100)
        }
    })?;
    Ok(vec![case])
}

/// Empties Redis and lets a fresh peer enqueue. Its connections are made beforehand.
pub(super) fn enqueue(
    bed: &Bed<'_>,
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
    let commands_before = commands(&mut redis)?;
    let cpu_before = peer.cpu_time()?;
    let redis_cpu_before = bed.redis.cpu_time()?;
    let answer = peer.ask("enqueue_many", request)?;
    let n = tasks as f64;
    let cpu = peer.cpu_time()?.saturating_sub(cpu_before);
    let redis_cpu = bed.redis.cpu_time()?.saturating_sub(redis_cpu_before);
    let executed = commands(&mut redis)? - commands_before;
    ensure!(answer["err"] == 0, "{} enqueues failed", answer["err"]);
    if side != Side::Apalis {
        let stored = redis.call(&["LLEN", "asynq:{default}:pending"])?.number();
        let sent = tasks + WARM_UP;
        ensure!(
            stored.unsigned_abs() == sent,
            "{stored} of {sent} are pending"
        );
    }
    let seconds = answer["seconds"].as_f64().unwrap_or(f64::NAN);
    Ok(Metrics::from([
        ("rate", n / seconds),
        ("seconds", seconds),
        ("tasks", n),
        ("worker_cpu_us", cpu.as_secs_f64() * 1e6 / n),
        ("redis_cpu_us", redis_cpu.as_secs_f64() * 1e6 / n),
        ("commands", executed as f64 / n),
    ]))
}
