//! The shapes of `benchmark_test.go` of asynq v0.26.0: ten workers, its own counts and defaults.

use anyhow::Result;
use serde_json::{Value, json};

use super::mixed::handlers;
use crate::drain::Drain;
use crate::lab::{BOTH, Bed, Lab, Side};
use crate::record::{Case, Metrics};
use crate::seed::Seed;

/// How many tasks, of each kind.
const COUNT: u64 = 100_000;
/// How many in each of the three queues.
const QUEUE_COUNT: u64 = 20_000;

/// `BenchmarkEndToEndSimple`, `BenchmarkEndToEnd`, `BenchmarkEndToEndMultipleQueues`.
pub(super) fn play(lab: &Lab) -> Result<Vec<Case>> {
    let note = "the queues are filled before the clock starts; all tasks of a kind are of one type";
    let bed = lab.bed()?;
    Ok(vec![
        Case::rate("asynq-own", "simple")
            .note(note)
            .play(lab.rounds, &BOTH, |side| simple(&bed, side))?,
        Case::rate("asynq-own", "retries and scheduled")
            .note("scheduled for a second later; both with the default forwarding interval of 5s")
            .play(lab.rounds, &BOTH, |side| end_to_end(&bed, side))?,
        Case::rate("asynq-own", "three queues")
            .note("weights 6, 3, 1")
            .play(lab.rounds, &BOTH, |side| three_queues(&bed, side))?,
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

fn simple(bed: &Bed<'_>, side: Side) -> Result<Metrics> {
    let tasks = bed.lab.tasks(COUNT);
    sow(bed, &[task("ok", tasks, 0)])?;
    drain(json!({"default": 1}), tasks).run(bed, side)
}

fn end_to_end(bed: &Bed<'_>, side: Side) -> Result<Metrics> {
    let tasks = bed.lab.tasks(COUNT);
    let failing = tasks / 100;
    let mut seeds = Vec::new();
    for due_in in [None, Some(1)] {
        let series = if due_in.is_none() { 0 } else { 2 };
        let well = task("ok", tasks - failing, series);
        let badly = task("fail", failing, series + 1);
        seeds.push(Seed { due_in, ..well });
        seeds.push(Seed { due_in, ..badly });
    }
    sow(bed, &seeds)?;
    let mut metrics = drain(json!({"default": 1}), 2 * (tasks + failing)).run(bed, side)?;
    // tasks, not runs
    let seconds = metrics.get("seconds").copied().unwrap_or(f64::NAN);
    metrics.insert("rate", 2.0 * tasks as f64 / seconds);
    Ok(metrics)
}

fn three_queues(bed: &Bed<'_>, side: Side) -> Result<Metrics> {
    let tasks = bed.lab.tasks(QUEUE_COUNT);
    let names = ["high", "default", "low"];
    let seeds = names.map(|queue| Seed {
        queue: queue.to_owned(),
        ..task("ok", tasks, 0)
    });
    sow(bed, &seeds)?;
    Drain {
        queues: names.map(str::to_owned).to_vec(),
        ..drain(json!({"high": 6, "default": 3, "low": 1}), 3 * tasks)
    }
    .run(bed, side)
}

fn sow(bed: &Bed<'_>, seeds: &[Seed]) -> Result<()> {
    let mut redis = bed.redis.connect()?;
    redis.call(&["FLUSHALL"])?;
    for seed in seeds {
        seed.sow(&mut redis)?;
    }
    Ok(())
}

fn drain(queues: Value, until: u64) -> Drain {
    Drain {
        config: json!({"concurrency": 10, "queues": queues, "retry_delay": "1s"}),
        handlers: handlers(),
        ..Drain::no_op(10, until)
    }
}
