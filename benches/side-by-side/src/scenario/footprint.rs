//! Memory: of a task in Redis, and of a worker.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;

use super::enqueue::enqueue;
use crate::drain::Drain;
use crate::lab::{BOTH, Bed, Lab, Side};
use crate::peer::Peer;
use crate::record::{Case, Metrics};
use crate::redis::info_number;
use crate::seed::Seed;

/// How many handlers run at once.
const HANDLERS: u64 = 10_000;
/// How many tasks lie in the queue.
const TASKS: u64 = 20_000;

/// Bytes of a pending task of 100 bytes, and the worker's memory while all handlers run.
pub(super) fn play(lab: &Lab) -> Result<Vec<Case>> {
    let bed = lab.bed()?;
    Ok(vec![
        Case::new(
            "footprint",
            "Redis: a pending task of 100 B, bytes",
            "bytes",
            "B",
        )
        .play(lab.rounds, &BOTH, |side| stored(&bed, side))?,
        Case::new(
            "footprint",
            "worker: 10,000 handlers, MiB",
            "rss_mib",
            "MiB",
        )
        .play(lab.rounds, &BOTH, |side| running(&bed, side))?,
    ])
}

fn stored(bed: &Bed<'_>, side: Side) -> Result<Metrics> {
    let mut redis = bed.redis.connect()?;
    let mut used = Vec::new();
    for tasks in [TASKS / 2, TASKS] {
        enqueue(bed, side, tasks, json!({"callers": 1}), 100)?;
        // connections of the peer that is gone are forgotten
        std::thread::sleep(Duration::from_millis(100));
        used.push(info_number(&mut redis, "memory", "used_memory_dataset")?);
    }
    Ok(Metrics::from([(
        "bytes",
        (used[1] - used[0]) / (TASKS - TASKS / 2) as f64,
    )]))
}

fn running(bed: &Bed<'_>, side: Side) -> Result<Metrics> {
    let mut redis = bed.redis.connect()?;
    redis.call(&["FLUSHALL"])?;
    Seed::pending(HANDLERS).sow(&mut redis)?;
    let drain = Drain {
        handlers: json!({"*": {"attempts": [[{"sleep": "20m"}]]}}),
        ..Drain::no_op(HANDLERS as usize, 0)
    };
    let mut peers = vec![Peer::start(bed, side)?];
    let before = peers[0].resident_bytes()?;
    drain.serve(&mut peers)?;
    let begin = Instant::now();
    let active = ["LLEN", "asynq:{default}:active"];
    while redis.call(&active)?.number().unsigned_abs() < HANDLERS {
        ensure!(
            begin.elapsed() < Duration::from_secs(60),
            "not all handlers run"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    // a heartbeat writes them all down
    std::thread::sleep(Duration::from_secs(if bed.lab.quick { 1 } else { 6 }));
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    Ok(Metrics::from([
        ("rss_mib", mib(peers[0].resident_bytes()?)),
        ("rss_before_mib", mib(before)),
    ]))
}
