//! Other task queues for Rust, where they can do the same.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;

use super::enqueue::enqueue;
use crate::drain::Drain;
use crate::lab::{Bed, Lab, Side};
use crate::peer::Peer;
use crate::record::{Case, Metrics};
use crate::seed::Seed;

const SIDES: [Side; 4] = [Side::Go, Side::Rust, Side::Asynqrs, Side::Apalis];
const CONCURRENCY: usize = 100;
/// How long nothing may happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// Enqueueing and processing; no case where their peer is not there.
pub(super) fn play(lab: &Lab) -> Result<Vec<Case>> {
    if lab.third_party.is_none() {
        eprintln!("  left out: their peer is not there");
        return Ok(Vec::new());
    }
    let bed = lab.bed()?;
    let tasks = |side| {
        lab.tasks(match side {
            Side::Rust => 200_000,
            // with more it has been seen to begin with none
            Side::Apalis => 2_500,
            _ => 25_000,
        })
    };
    let enqueueing =
        Case::rate("other-crates", "enqueue, callers=100").play(lab.rounds, &SIDES, |side| {
            enqueue(&bed, side, tasks(side), json!({"callers": 100}), 100)
        })?;
    let processing = Case::rate("other-crates", "process, c=100")
        .note("apalis-redis has a wire of its own: its handlers are counted, not what is acknowledged")
        .play(lab.rounds, &SIDES, |side| match side {
            Side::Apalis => apalis(&bed, tasks(side)),
            side => {
                let mut redis = bed.redis.connect()?;
                redis.call(&["FLUSHALL"])?;
                Seed::pending(tasks(side)).sow(&mut redis)?;
                Drain::no_op(CONCURRENCY, tasks(side)).run(&bed, side)
            }
        });
    let mut cases = vec![enqueueing];
    match processing {
        Ok(case) => cases.push(case),
        // what was measured before it counts all the same
        Err(error) => eprintln!("  left out: {error:#}"),
    }
    Ok(cases)
}

/// Lets it fill its own queue, and a fresh process run it.
fn apalis(bed: &Bed<'_>, tasks: u64) -> Result<Metrics> {
    enqueue(bed, Side::Apalis, tasks, json!({"callers": 100}), 100)?;
    let mut workers = vec![Peer::start(bed, Side::Apalis)?];
    let begin = Instant::now();
    let cpu_before = workers[0].cpu_time()?;
    let redis_cpu_before = bed.redis.cpu_time()?;
    Drain::no_op(CONCURRENCY, tasks).serve(&mut workers)?;
    loop {
        let handled = workers[0].ask("handled", json!({}))?.as_u64();
        if handled >= Some(tasks) {
            break;
        }
        ensure!(
            begin.elapsed() < PATIENCE,
            "{handled:?} of {tasks} were handled"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
    let seconds = begin.elapsed().as_secs_f64();
    let n = tasks as f64;
    let cpu = workers[0].cpu_time()?.saturating_sub(cpu_before);
    let redis_cpu = bed.redis.cpu_time()?.saturating_sub(redis_cpu_before);
    Ok(Metrics::from([
        ("rate", n / seconds),
        ("seconds", seconds),
        ("tasks", n),
        ("worker_cpu_us", cpu.as_secs_f64() * 1e6 / n),
        ("redis_cpu_us", redis_cpu.as_secs_f64() * 1e6 / n),
    ]))
}
