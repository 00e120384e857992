//! The workloads of `benchmark_test.go` of asynq v0.26.0, with its ten workers, task counts and defaults.

use anyhow::Result;
use serde_json::{Value, json};

use super::fill;
use super::mixed::handlers;
use crate::drain::Drain;
use crate::record::{Case, Metrics};
use crate::seed::{Place, Seed};
use crate::setup::{BOTH, Setup, Side, Testbed};

/// The number of tasks of each kind.
const COUNT: u64 = 100_000;
/// The number of tasks in each of the three queues.
const QUEUE_COUNT: u64 = 20_000;

/// `BenchmarkEndToEndSimple`, `BenchmarkEndToEnd`, `BenchmarkEndToEndMultipleQueues`.
pub(super) fn cases(setup: &Setup) -> Result<Vec<Case>> {
    let note = "the queues are filled before the clock starts; all tasks of a kind have one type";
    let bed = setup.testbed()?;
    Ok(vec![
        Case::rate("asynq-own", "simple")
            .note(note)
            .measure(setup.rounds, &BOTH, |side| simple(&bed, side))?,
        Case::rate("asynq-own", "retries and scheduled")
            .note("the scheduled tasks are due after 1 s; both sides use the default forwarding interval of 5 s")
            .measure(setup.rounds, &BOTH, |side| end_to_end(&bed, side))?,
        Case::rate("asynq-own", "three queues")
            .note("weights 6, 3, 1")
            .measure(setup.rounds, &BOTH, |side| three_queues(&bed, side))?,
    ])
}

fn task(task_type: &'static str, count: u64, series: u32) -> Seed {
    Seed {
        task_type,
        payload: r#"{"data":12345}"#.len(),
        series,
        ..Seed::pending(count)
    }
}

fn simple(bed: &Testbed<'_>, side: Side) -> Result<Metrics> {
    let tasks = bed.setup.tasks(COUNT);
    fill(bed, &[task("ok", tasks, 0)])?;
    drain(json!({"default": 1}), tasks).run(bed, side)
}

fn end_to_end(bed: &Testbed<'_>, side: Side) -> Result<Metrics> {
    let tasks = bed.setup.tasks(COUNT);
    let failing = tasks / 100;
    let mut seeds = Vec::new();
    for (place, series) in [(Place::Pending, 0), (Place::Scheduled(1), 2)] {
        let succeeding = task("ok", tasks - failing, series);
        let failing = task("fail", failing, series + 1);
        seeds.push(Seed {
            place,
            ..succeeding
        });
        seeds.push(Seed { place, ..failing });
    }
    fill(bed, &seeds)?;
    let mut metrics = drain(json!({"default": 1}), 2 * (tasks + failing)).run(bed, side)?;
    // the rate counts tasks, not runs
    let seconds = metrics.get("seconds").copied().unwrap_or(f64::NAN);
    metrics.insert("rate", 2.0 * tasks as f64 / seconds);
    Ok(metrics)
}

fn three_queues(bed: &Testbed<'_>, side: Side) -> Result<Metrics> {
    let tasks = bed.setup.tasks(QUEUE_COUNT);
    let names = ["high", "default", "low"];
    let seeds = names.map(|queue| Seed {
        queue: queue.to_owned(),
        ..task("ok", tasks, 0)
    });
    fill(bed, &seeds)?;
    Drain {
        queues: names.map(str::to_owned).to_vec(),
        ..drain(json!({"high": 6, "default": 3, "low": 1}), 3 * tasks)
    }
    .run(bed, side)
}

fn drain(queues: Value, until: u64) -> Drain {
    Drain {
        config: json!({"concurrency": 10, "queues": queues, "retry_delay": "1s"}),
        handlers: handlers(),
        ..Drain::no_op(10, until)
    }
}
