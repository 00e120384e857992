//! How long a task waits for an idle server.

use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::lab::{BOTH, Lab, Side};
use crate::peer::{Heard, Peer};
use crate::record::{Case, Metrics};
use crate::stats::{median, percentile, range};

/// How long servers settle before the first task.
const SETTLE: Duration = Duration::from_millis(2500);
/// How long it is quiet between two tasks; with a part that differs from task to task.
const QUIET: Duration = Duration::from_millis(60);
/// How long a task may wait.
const PATIENCE: Duration = Duration::from_secs(30);

/// One, ten and fifty idle processes; the producer is Go's in any case.
pub(super) fn play(lab: &Lab) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for servers in [1_u32, 10, 50] {
        let mut samples = std::collections::BTreeMap::<Side, Vec<f64>>::new();
        let case = Case::new("pick-up", format!("servers={servers}"), "p50", "ms")
            .at(servers.into())
            .note("from the enqueue request to the Go peer until the driver reads the start event; percentiles over all rounds");
        let mut case = case.play(lab.rounds, &BOTH, |side| {
            // Go's wait for its polls
            let count = lab.tasks(if side == Side::Go { 8 } else { 60 });
            let waits = waits(lab, side, servers, count)?;
            samples.entry(side).or_default().extend(&waits);
            Ok(Metrics::from([
                ("p50", median(&waits)),
                ("p99", percentile(&waits, 0.99)),
                ("max", range(&waits).1),
            ]))
        })?;
        case.samples = samples;
        cases.push(case);
    }
    Ok(cases)
}

/// Waiting times in ms.
fn waits(lab: &Lab, side: Side, servers: u32, count: u64) -> Result<Vec<f64>> {
    let bed = lab.bed()?;
    let (sender, events) = channel();
    let mut workers = Vec::new();
    let mut ids = Vec::new();
    for _ in 0..servers {
        let mut worker = Peer::start_telling(&bed, side, Some(sender.clone()))?;
        ids.push(worker.send(
            "serve",
            json!({
                "name": "s",
                "config": {"concurrency": 10, "queues": {"default": 1}},
                "handlers": {"*": {"attempts": [[{"return": "ok"}]]}},
            }),
        )?);
        workers.push(worker);
    }
    for (worker, id) in workers.iter_mut().zip(ids) {
        worker.answer(id)?;
    }
    let mut producer = Peer::start(&bed, Side::Go)?;
    std::thread::sleep(SETTLE);
    let mut waits = Vec::new();
    for i in 0..count {
        // not in step with anybody's timer
        std::thread::sleep(QUIET + Duration::from_millis(i * 37 % 97));
        let task = json!({"task": {"type": "task", "payload": {"utf8": "x"}}});
        let begin = Instant::now();
        let id = producer.send("enqueue", task)?;
        let start = heard(&events, "start")?;
        waits.push(start.saturating_duration_since(begin).as_secs_f64() * 1e3);
        heard(&events, "end")?;
        let info = producer.answer(id)?;
        ensure!(info["id"].is_string(), "the producer has no id");
    }
    Ok(waits)
}

fn heard(events: &Receiver<Heard>, name: &str) -> Result<Instant> {
    loop {
        let heard = events
            .recv_timeout(PATIENCE)
            .with_context(|| format!("no event {name:?} came"))?;
        if heard.event["event"] == name {
            return Ok(heard.at);
        }
    }
}
