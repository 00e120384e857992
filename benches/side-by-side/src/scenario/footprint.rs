//! The memory of a task in Redis, and of a worker.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;

use super::enqueue::enqueue;
use super::fill;
use crate::drain::Drain;
use crate::peer::Peer;
use crate::record::{Case, Metrics};
use crate::redis::info_number;
use crate::seed::Seed;
use crate::setup::{BOTH, Setup, Side, Testbed};

/// The number of handlers that run at the same time.
const HANDLERS: u64 = 10_000;
/// The number of pending tasks.
const TASKS: u64 = 20_000;

/// The bytes of a pending task with a payload of 100 bytes, and the memory of a worker whose handlers all run.
pub(super) fn cases(setup: &Setup) -> Result<Vec<Case>> {
    let bed = setup.testbed()?;
    Ok(vec![
        Case::new(
            "footprint",
            "Redis: a pending task of 100 B, bytes",
            "bytes",
            "B",
        )
        .measure(setup.rounds, &BOTH, |side| stored(&bed, side))?,
        Case::new(
            "footprint",
            "worker: 10,000 handlers, MiB",
            "rss_mib",
            "MiB",
        )
        .measure(setup.rounds, &BOTH, |side| running(&bed, side))?,
    ])
}

fn stored(bed: &Testbed<'_>, side: Side) -> Result<Metrics> {
    let mut redis = bed.redis.connect()?;
    let mut used = Vec::new();
    for tasks in [TASKS / 2, TASKS] {
        enqueue(bed, side, tasks, json!({"callers": 1}), 100)?;
        // until Redis has closed the connections of the killed peer
        std::thread::sleep(Duration::from_millis(100));
        used.push(info_number(&mut redis, "memory", "used_memory_dataset")?);
    }
    Ok(Metrics::from([(
        "bytes",
        (used[1] - used[0]) / (TASKS - TASKS / 2) as f64,
    )]))
}

fn running(bed: &Testbed<'_>, side: Side) -> Result<Metrics> {
    let mut redis = bed.redis.connect()?;
    fill(bed, &[Seed::pending(HANDLERS)])?;
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
            "not all handlers have started"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    // until a heartbeat has written all running tasks
    std::thread::sleep(Duration::from_secs(if bed.setup.quick { 1 } else { 6 }));
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    Ok(Metrics::from([
        ("rss_mib", mib(peers[0].resident_bytes()?)),
        ("rss_before_mib", mib(before)),
    ]))
}
