//! How late groups are aggregated: from the moment in which a group is due until the function is called.

use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::peer::{Peer, ReceivedEvent, wait_for};
use crate::record::Case;
use crate::resp::Connection;
use crate::setup::{Setup, Side, Testbed};

/// The size at which a group is due, where the size is measured.
const SIZE: u64 = 10;
/// The grace period, where its end is measured. Go looks for due groups as often.
const GRACE_SECS: i64 = 2;

/// Measures each group by itself, and returns how late they were, in ms.
type Measure = fn(&Testbed<'_>, Side, u64) -> Result<Vec<f64>>;

/// Groups that reach their size, and groups whose grace period ends.
pub(super) fn cases(setup: &Setup) -> Result<Vec<Case>> {
    let kinds: [(&str, Measure, [u64; 2], &str); 2] = [
        (
            "size reached",
            after_size,
            [8, 60],
            "from the answer to the enqueue of the last task until this program reads the `aggregate` event",
        ),
        (
            "grace period over",
            after_grace,
            [5, 5],
            "from the second in which the grace period ends until the `aggregate` event is written",
        ),
    ];
    let mut cases = Vec::new();
    for (name, measure, [go, rust], note) in kinds {
        let case = Case::delay("group", name).note(note);
        cases.push(case.measure_delays(setup.rounds, |side| {
            let count = setup.tasks(if side == Side::Go { go } else { rust });
            measure(&setup.testbed()?, side, count)
        })?);
    }
    Ok(cases)
}

fn after_size(bed: &Testbed<'_>, side: Side, groups: u64) -> Result<Vec<f64>> {
    let limits = json!({"group_grace_period": "2s", "group_max_size": SIZE});
    let (_server, events) = aggregator(bed, side, limits)?;
    let mut producer = Peer::start(bed, Side::Go)?;
    let mut lateness = Vec::new();
    for group in 0..groups {
        for _ in 0..SIZE {
            add(&mut producer, group)?;
        }
        let full = Instant::now();
        let aggregated = wait_for(&events, "aggregate")?;
        // The event may come before the answer.
        let late = aggregated.at.saturating_duration_since(full);
        lateness.push(late.as_secs_f64() * 1e3);
    }
    Ok(lateness)
}

fn after_grace(bed: &Testbed<'_>, side: Side, groups: u64) -> Result<Vec<f64>> {
    let limits = json!({"group_grace_period": format!("{GRACE_SECS}s")});
    let (_server, events) = aggregator(bed, side, limits)?;
    let mut producer = Peer::start(bed, Side::Go)?;
    let mut redis = bed.redis.connect()?;
    let mut lateness = Vec::new();
    for group in 0..groups {
        // Not in step with a timer of a server.
        std::thread::sleep(std::time::Duration::from_millis(group * 370 % 1_000));
        let id = add(&mut producer, group)?;
        let due_secs = added_at(&mut redis, group, &id)? + GRACE_SECS;
        let event = wait_for(&events, "aggregate")?.event;
        let at_ms = event["at"].as_f64().context("the event has no time")?;
        lateness.push(at_ms - due_secs as f64 * 1e3);
    }
    Ok(lateness)
}

/// A server that aggregates, and its events.
fn aggregator(
    bed: &Testbed<'_>,
    side: Side,
    mut config: Value,
) -> Result<(Peer, Receiver<ReceivedEvent>)> {
    let (sender, events) = channel();
    let mut server = Peer::start_with_events(bed, side, Some(sender))?;
    config["concurrency"] = 10.into();
    config["aggregate"] = json!({"type": "all", "separator": "\n"});
    let handlers = json!({"*": {"attempts": [[{"return": "ok"}]]}});
    server.ask(
        "serve",
        json!({"name": "s", "config": config, "handlers": handlers}),
    )?;
    Ok((server, events))
}

/// Adds a task to a group. Returns its id.
fn add(producer: &mut Peer, group: u64) -> Result<String> {
    let task = json!({"type": "one", "payload": {"utf8": "x"}});
    let options = json!([{"group": format!("g{group}")}]);
    let info = producer.ask("enqueue", json!({"task": task, "opts": options}))?;
    let id = info["id"].as_str().context("the task has no id")?;
    Ok(id.to_owned())
}

/// The second in which a task was added to its group.
fn added_at(redis: &mut Connection, group: u64, id: &str) -> Result<i64> {
    let key = format!("asynq:{{default}}:g:g{group}");
    let score = redis.call(&["ZSCORE", &key, id])?.text();
    score.parse().context("the task is not in its group")
}
