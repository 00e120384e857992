//! How the rate depends on the number of tasks, queues and servers.

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::fill;
use crate::drain::Drain;
use crate::record::{Case, Metrics};
use crate::seed::Seed;
use crate::setup::{BOTH, Setup, Side, Testbed};

/// Series over the number of pending tasks, of queues, and of servers.
pub(super) fn cases(setup: &Setup) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    let depths = [1_000_u32, 10_000, 100_000, 1_000_000, 5_000_000];
    for depth in depths {
        if setup.quick && depth > 1_000_000 {
            break;
        }
        let bed = setup.testbed()?;
        let case = Case::rate("growth", format!("depth={depth}"))
            .at(depth.into())
            .note("at most 20,000 (Go) or 150,000 (Rust) of the tasks are processed");
        cases.push(case.measure(setup.rounds, &BOTH, |side| {
            at_depth(&bed, side, depth.into())
        })?);
    }
    for queues in [1_u16, 10, 100, 1000] {
        let bed = setup.testbed()?;
        let case = Case::rate("growth", format!("queues={queues}")).at(queues.into());
        cases.push(case.measure(setup.rounds, &BOTH, |side| {
            over_queues(&bed, side, queues.into())
        })?);
    }
    for servers in [1_u16, 2, 4, 8, 16, 32] {
        let bed = setup.testbed()?;
        let case = Case::rate("growth", format!("servers={servers}"))
            .at(servers.into())
            .note("c=10 each");
        cases.push(case.measure(setup.rounds, &BOTH, |side| {
            let tasks = tasks(setup, side);
            fill(&bed, &[Seed::pending(tasks)])?;
            Drain {
                servers: servers.into(),
                ..Drain::no_op(10, tasks)
            }
            .run(&bed, side)
        })?);
    }
    Ok(cases)
}

fn tasks(setup: &Setup, side: Side) -> u64 {
    setup.tasks(if side == Side::Go { 20_000 } else { 150_000 })
}

fn at_depth(bed: &Testbed<'_>, side: Side, depth: u64) -> Result<Metrics> {
    fill(bed, &[Seed::pending(depth)])?;
    Drain::no_op(100, depth.min(tasks(bed.setup, side))).run(bed, side)
}

fn over_queues(bed: &Testbed<'_>, side: Side, queues: u64) -> Result<Metrics> {
    let each = tasks(bed.setup, side) / queues;
    let names: Vec<String> = (0..queues).map(|i| format!("q{i}")).collect();
    let seeds: Vec<Seed> = names
        .iter()
        .map(|queue| Seed {
            queue: queue.clone(),
            ..Seed::pending(each)
        })
        .collect();
    fill(bed, &seeds)?;
    let weights: Map<String, Value> = names.iter().map(|name| (name.clone(), 1.into())).collect();
    Drain {
        config: json!({"concurrency": 100, "queues": weights}),
        queues: names,
        ..Drain::no_op(100, each * queues)
    }
    .run(bed, side)
}
