//! Other task queues for Rust, with the work that they can do too.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;

use super::enqueue::enqueue;
use super::fill;
use crate::drain::Drain;
use crate::peer::Peer;
use crate::record::{Case, Metrics};
use crate::seed::Seed;
use crate::setup::{Setup, Side, Testbed};
use crate::usage::Usage;

const SIDES: [Side; 4] = [Side::Go, Side::Rust, Side::Asynqrs, Side::Apalis];
const CONCURRENCY: usize = 100;
/// The longest time to wait for all handlers.
const STALL_TIME: Duration = Duration::from_secs(60);

/// Enqueueing and processing. There is no case if their peer is not built.
pub(super) fn cases(setup: &Setup) -> Result<Vec<Case>> {
    if setup.third_party.is_none() {
        eprintln!("  left out: the peer of other crates is not built");
        return Ok(Vec::new());
    }
    let bed = setup.testbed()?;
    let tasks = |side| {
        setup.tasks(match side {
            Side::Rust => 200_000,
            // with more tasks its worker sometimes started none of them
            Side::Apalis => 2_500,
            _ => 25_000,
        })
    };
    let enqueueing = Case::rate("other-crates", "enqueue, callers=100").measure(
        setup.rounds,
        &SIDES,
        |side| enqueue(&bed, side, tasks(side), json!({"callers": 100}), 100),
    )?;
    let processing = Case::rate("other-crates", "process, c=100")
        .note("apalis-redis has its own data format: its handlers are counted, not its acknowledgements")
        .measure(setup.rounds, &SIDES, |side| match side {
            Side::Apalis => apalis(&bed, tasks(side)),
            side => {
                fill(&bed, &[Seed::pending(tasks(side))])?;
                Drain::no_op(CONCURRENCY, tasks(side)).run(&bed, side)
            }
        });
    let mut cases = vec![enqueueing];
    match processing {
        Ok(case) => cases.push(case),
        // the enqueueing case is kept
        Err(error) => eprintln!("  left out: {error:#}"),
    }
    Ok(cases)
}

/// One process fills the queue of apalis, and another process handles it.
fn apalis(bed: &Testbed<'_>, tasks: u64) -> Result<Metrics> {
    enqueue(bed, Side::Apalis, tasks, json!({"callers": 100}), 100)?;
    let mut workers = vec![Peer::start(bed, Side::Apalis)?];
    let mut redis = bed.redis.connect()?;
    let before = Usage::read(bed, &mut redis, workers[0].cpu_time()?)?;
    let begin = Instant::now();
    Drain::no_op(CONCURRENCY, tasks).serve(&mut workers)?;
    loop {
        let handled = workers[0].ask("handled", json!({}))?.as_u64();
        if handled >= Some(tasks) {
            break;
        }
        ensure!(
            begin.elapsed() < STALL_TIME,
            "{handled:?} of {tasks} tasks were handled"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
    let seconds = begin.elapsed().as_secs_f64();
    let used = Usage::read(bed, &mut redis, workers[0].cpu_time()?)?.since(&before);
    Ok(used.metrics(tasks as f64, seconds))
}
