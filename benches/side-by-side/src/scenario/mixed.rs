//! Everything at once: tasks come while others run, some fail, some are for later.

use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::drain::Drain;
use crate::lab::{BOTH, Bed, Lab, Side};
use crate::peer::Peer;
use crate::record::{Case, Metrics};

/// One in so many fails at first.
const FAILING: u64 = 100;
/// One in so many is scheduled.
const SCHEDULED: u64 = 10;

/// Until all is done, the retries and the scheduled too.
pub(super) fn play(lab: &Lab) -> Result<Vec<Case>> {
    let bed = lab.bed()?;
    let tasks = lab.tasks(60_000);
    let case = Case::rate("mixed", "c=100")
        .note("both with delayed_task_check_interval 1s and retries after 1s: no side can end before these are due");
    let case = case.play(lab.rounds, &BOTH, |side| run(&bed, side, tasks))?;
    Ok(vec![case])
}

fn run(bed: &Bed<'_>, side: Side, tasks: u64) -> Result<Metrics> {
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

/// What the types do.
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
