//! Handlers that sleep, compared with the same handlers without a queue.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;

use super::fill;
use crate::drain::{Begin, Drain};
use crate::record::{Case, Metrics};
use crate::seed::Seed;
use crate::setup::{Setup, Side, Testbed};

const HANDLERS: u64 = 100;
const SLEEP: Duration = Duration::from_millis(10);

/// 100 handlers that sleep 10 ms.
pub(super) fn cases(setup: &Setup) -> Result<Vec<Case>> {
    let bed = setup.testbed()?;
    let tasks = setup.tasks(20_000);
    let measure = |case: Case, sides: &[Side], prefetch: u64| {
        case.measure(setup.rounds, sides, |side| match side {
            Side::Bare => bare_loop(tasks),
            side => queued(&bed, side, tasks, prefetch),
        })
    };
    let plain = Case::rate("sleep-10ms", "c=100").note(
        "bare: the same 100 handlers, each in a loop, in one process on the same runtime, without a queue",
    );
    let ahead = Case::rate("sleep-10ms", "c=100, prefetch 50")
        .note("50 tasks are fetched in addition to those that run");
    Ok(vec![
        measure(plain, &[Side::Go, Side::Rust, Side::Bare], 0)?,
        measure(ahead, &[Side::Rust, Side::Bare], 50)?,
    ])
}

fn queued(bed: &Testbed<'_>, side: Side, tasks: u64, prefetch: u64) -> Result<Metrics> {
    fill(bed, &[Seed::pending(tasks)])?;
    let mut drain = Drain {
        handlers: json!({"*": {"attempts": [[{"sleep": "10ms"}]]}}),
        // without the start of the server, which the bare loop does not have
        begin: Begin::FirstDone,
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
