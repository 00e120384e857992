//! Handlers that take a while, against the same without a queue.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;

use crate::drain::{Begin, Drain};
use crate::lab::{Bed, Lab, Side};
use crate::record::{Case, Metrics};
use crate::seed::Seed;

const HANDLERS: u64 = 100;
const SLEEP: Duration = Duration::from_millis(10);

/// A hundred that sleep 10 ms.
pub(super) fn play(lab: &Lab) -> Result<Vec<Case>> {
    let bed = lab.bed()?;
    let tasks = lab.tasks(20_000);
    let play = |case: Case, sides: &[Side], prefetch: u64| {
        case.play(lab.rounds, sides, |side| match side {
            Side::Bare => bare_loop(tasks),
            side => queued(&bed, side, tasks, prefetch),
        })
    };
    let plain = Case::rate("sleep-10ms", "c=100").note(
        "bare: the same 100 handlers in a loop in one process, on the same runtime, with no queue",
    );
    let ahead = Case::rate("sleep-10ms", "c=100, prefetch 50")
        .note("50 tasks are fetched beyond those that run");
    Ok(vec![
        play(plain, &[Side::Go, Side::Rust, Side::Bare], 0)?,
        play(ahead, &[Side::Rust, Side::Bare], 50)?,
    ])
}

fn queued(bed: &Bed<'_>, side: Side, tasks: u64, prefetch: u64) -> Result<Metrics> {
    let mut redis = bed.redis.connect()?;
    redis.call(&["FLUSHALL"])?;
    Seed::pending(tasks).sow(&mut redis)?;
    let mut drain = Drain {
        handlers: json!({"*": {"attempts": [[{"sleep": "10ms"}]]}}),
        // without the way up: the bare loop has none either
        begin: Begin::AtFirst,
        ..Drain::no_op(HANDLERS as usize, tasks)
    };
    if prefetch > 0 {
        drain.config["prefetch"] = json!(prefetch);
    }
    drain.run(bed, side)
}

fn bare_loop(tasks: u64) -> Result<Metrics> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_time()
        .build()?;
    let begin = Instant::now();
    let handlers: Vec<_> = (0..HANDLERS)
        .map(|_| {
            runtime.spawn(async move {
                for _ in 0..tasks / HANDLERS {
                    tokio::time::sleep(SLEEP).await;
                }
            })
        })
        .collect();
    for handler in handlers {
        runtime.block_on(handler)?;
    }
    let seconds = begin.elapsed().as_secs_f64();
    let tasks = (tasks / HANDLERS * HANDLERS) as f64;
    Ok(Metrics::from([
        ("rate", tasks / seconds),
        ("seconds", seconds),
        ("tasks", tasks),
    ]))
}
