//! The time from enqueueing to the start of the handler on an idle server.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;

use crate::peer::{Peer, wait_for};
use crate::record::Case;
use crate::setup::{Setup, Side};

/// The time between the start of the servers and the first task.
const SETTLE: Duration = Duration::from_millis(2500);
/// The pause between two tasks. A part that differs from task to task is added.
const QUIET: Duration = Duration::from_millis(60);

/// 1, 10 and 50 idle processes. The Go peer enqueues for both sides.
pub(super) fn cases(setup: &Setup) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for servers in [1_u32, 10, 50] {
        let case = Case::delay("pick-up", format!("servers={servers}"))
            .at(servers.into())
            .note("from sending the enqueue request to the Go peer until this program reads the `start` event; percentiles over all rounds");
        cases.push(case.measure_delays(setup.rounds, |side| {
            // fewer for Go, because each waits for a poll
            let count = setup.tasks(if side == Side::Go { 8 } else { 60 });
            waits(setup, side, servers, count)
        })?);
    }
    Ok(cases)
}

/// The waiting times, in ms.
fn waits(setup: &Setup, side: Side, servers: u32, count: u64) -> Result<Vec<f64>> {
    let bed = setup.testbed()?;
    let (sender, events) = channel();
    let mut workers = Vec::new();
    let mut ids = Vec::new();
    for _ in 0..servers {
        let mut worker = Peer::start_with_events(&bed, side, Some(sender.clone()))?;
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
        // so that the tasks do not keep step with a timer of a server
        std::thread::sleep(QUIET + Duration::from_millis(i * 37 % 97));
        let task = json!({"task": {"type": "task", "payload": {"utf8": "x"}}});
        let begin = Instant::now();
        let id = producer.send("enqueue", task)?;
        let start = wait_for(&events, "start")?.at;
        waits.push(start.saturating_duration_since(begin).as_secs_f64() * 1e3);
        wait_for(&events, "end")?;
        let info = producer.answer(id)?;
        ensure!(
            info["id"].is_string(),
            "the answer of the producer has no id"
        );
    }
    Ok(waits)
}
