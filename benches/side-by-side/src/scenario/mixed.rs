//! A mixed workload: tasks are enqueued while others run, some fail, some are scheduled.

use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::drain::Drain;
use crate::peer::Peer;
use crate::record::{Case, Metrics};
use crate::setup::{BOTH, Setup, Side, Testbed};

/// One task in this number fails at its first attempt.
const FAILING: u64 = 100;
/// One task in this number is scheduled.
const SCHEDULED: u64 = 10;

/// Measures until all tasks are done, including retries and scheduled tasks.
pub(super) fn cases(setup: &Setup) -> Result<Vec<Case>> {
    let bed = setup.testbed()?;
    let tasks = setup.tasks(60_000);
    let case = Case::rate("mixed", "c=100")
        .note("both sides use delayed_task_check_interval 1s and retry after 1 s: neither can finish before these tasks are due");
    let case = case.measure(setup.rounds, &BOTH, |side| run(&bed, side, tasks))?;
    Ok(vec![case])
}

fn run(bed: &Testbed<'_>, side: Side, tasks: u64) -> Result<Metrics> {
    let mut redis = bed.redis.connect()?;
    redis.call(&["FLUSHALL"])?;
    let (failing, scheduled) = (tasks / FAILING, tasks / SCHEDULED);
    let mut config = json!({"concurrency": 100, "queues": {"default": 1}});
    config["delayed_task_check_interval"] = "1s".into();
    config["retry_delay"] = "1s".into();
    let drain = Drain {
        config,
        handlers: handlers(),
        until: tasks + failing,
        ..Drain::no_op(100, tasks)
    };
    let mut producer = Peer::start(bed, side)?;
    let mut workers = vec![Peer::start(bed, side)?];
    drain.serve(&mut workers)?;
    let begin = Instant::now();
    let requests = [
        many("ok", tasks - failing - scheduled, 14, &json!([])),
        many("fail", failing, 1, &json!([])),
        many("ok", scheduled, 1, &json!([{"process_in": "1s"}])),
    ];
    let mut ids = Vec::new();
    for request in requests {
        ids.push(producer.send("enqueue_many", request)?);
    }
    let mut metrics = drain.measure(bed, &mut redis, &workers)?;
    let seconds = begin.elapsed().as_secs_f64();
    let mut enqueueing: f64 = 0.0;
    for id in ids {
        let answer = producer.answer(id)?;
        ensure!(answer["err"] == 0, "{} enqueues failed", answer["err"]);
        enqueueing = enqueueing.max(answer["seconds"].as_f64().unwrap_or(f64::NAN));
    }
    metrics.insert("seconds", seconds);
    metrics.insert("rate", tasks as f64 / seconds);
    metrics.insert("enqueue_seconds", enqueueing);
    Ok(metrics)
}

/// The handlers of the two task types.
pub(super) fn handlers() -> Value {
    json!({
        "ok": {"attempts": [[{"return": "ok"}]]},
        "fail": {"attempts": [[{"return": {"error": ":("}}], [{"return": "ok"}]]},
    })
}

fn many(task_type: &str, n: u64, callers: u64, opts: &Value) -> Value {
    let payload = "x".repeat(100);
    json!({
        "n": n, "callers": callers, "opts": opts,
        "task": {"type": task_type, "payload": {"utf8": payload}},
    })
}
