//! The inspector on a queue with a million tasks or groups, while a worker runs tasks of this queue: how
//! long Redis is blocked, and how long a call takes.

use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use rasynq::{Connection, Inspector, TaskFilter, TaskState};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::blocked::Watch;
use crate::drain::Drain;
use crate::peer::Peer;
use crate::record::{Case, Metrics};
use crate::scenario::fill;
use crate::seed::{Place, Seed};
use crate::setup::{BOTH, Setup, Side, Testbed};
use crate::stats::{median, range};

const TASKS: u64 = 1_000_000;
/// More rounds would take long: each stores a million tasks.
const MOST_ROUNDS: usize = 3;
/// The parts in which the tasks of both types follow each other.
const PARTS: u64 = 200;
const QUEUE: &str = "default";
/// The type of every second part of the tasks.
const OTHER: &str = "other";
/// How many times a call that reads is made in a round.
const CALLS: usize = 20;

/// What is done with all tasks.
#[derive(Clone, Copy)]
enum Verb {
    Run,
    Delete,
    /// The tasks of one type, which are half of them.
    DeleteOneType,
}

/// A million archived or pending tasks, and a million groups.
pub(super) fn cases(setup: &Setup) -> Result<Vec<Case>> {
    let bed = setup.testbed()?;
    bed.redis.prefer();
    let rounds = setup.rounds.min(MOST_ROUNDS);
    let longest = |name: &str| Case::new("inspect-million", name, "longest_ms", "ms");
    let archived = Place::Archived;
    Ok(vec![
        longest("run all archived")
            .note("a worker of rasynq with 10 handlers runs what becomes pending, and another client enqueues; seconds: until the call returns")
            .measure(rounds, &BOTH, |side| change(&bed, side, archived, Verb::Run))?,
        longest("delete all archived")
            .measure(rounds, &BOTH, |side| change(&bed, side, archived, Verb::Delete))?,
        longest("delete archived tasks of one type")
            .note("asynq has no filters")
            .measure(rounds, &[Side::Rust], |side| change(&bed, side, archived, Verb::DeleteOneType))?,
        longest("delete pending tasks of one type")
            .note("the queue is paused, so that the tasks stay pending")
            .measure(rounds, &[Side::Rust], |side| change(&bed, side, Place::Pending, Verb::DeleteOneType))?,
        Case::new("inspect-million", "queue info, archived", "call_ms", "ms")
            .note("call_ms: the median of 20 calls; asynq's call includes the estimate of the memory, which is a call of its own in rasynq")
            .measure(rounds, &BOTH, |side| read(&bed, side, archived))?,
        Case::new("inspect-million", "queue info, groups", "call_ms", "ms")
            .measure(rounds, &BOTH, |side| read(&bed, side, Place::Groups))?,
    ])
}

/// An inspector of a side. The Go one is in its peer.
enum Hands {
    Go(Peer),
    Rust(Runtime, Inspector),
}

impl Hands {
    fn new(bed: &Testbed<'_>, side: Side) -> Result<Self> {
        Ok(match side {
            Side::Go => Self::Go(Peer::start(bed, side)?),
            Side::Rust => {
                let runtime = tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(1)
                    .enable_all()
                    .build()?;
                let connection: Connection = bed.uri.parse()?;
                let inspector = runtime.block_on(Inspector::connect(&connection))?;
                Self::Rust(runtime, inspector)
            }
            side => bail!("{side} has no inspector"),
        })
    }

    fn change(&mut self, state: TaskState, verb: Verb) -> Result<()> {
        match self {
            Self::Go(peer) => {
                let call = match verb {
                    Verb::Run => "run_all",
                    Verb::Delete => "delete_all",
                    Verb::DeleteOneType => bail!("asynq has no filters"),
                };
                // asynq gives up after 3 s without an answer, and Redis goes on.
                let request = json!({"call": call, "queue": QUEUE, "state": state.to_string()});
                if let Err(error) = peer.ask("inspect", request) {
                    eprintln!("  {error:#}");
                }
            }
            Self::Rust(runtime, inspector) => {
                let tasks = inspector.tasks(QUEUE, state);
                runtime.block_on(async {
                    match verb {
                        Verb::Run => tasks.run().await,
                        Verb::Delete => tasks.delete().await,
                        Verb::DeleteOneType => {
                            let filter = TaskFilter::new().task_type(OTHER);
                            tasks.matching(filter).delete().await
                        }
                    }
                })?;
            }
        }
        Ok(())
    }

    fn queue_info(&mut self) -> Result<()> {
        match self {
            Self::Go(peer) => {
                let request = json!({"call": "queue_info", "queue": QUEUE});
                if let Err(error) = peer.ask("inspect", request) {
                    eprintln!("  {error:#}");
                }
            }
            Self::Rust(runtime, inspector) => {
                runtime.block_on(inspector.queue_info(QUEUE))?;
            }
        }
        Ok(())
    }
}

/// Stores the tasks, alternately of two types.
fn store(bed: &Testbed<'_>, place: Place) -> Result<()> {
    let count = bed.setup.tasks(TASKS) / PARTS;
    let seeds: Vec<Seed> = (0..PARTS)
        .map(|part| Seed {
            place,
            task_type: if part % 2 == 0 { "task" } else { OTHER },
            series: part as u32,
            ..Seed::pending(count)
        })
        .collect();
    fill(bed, &seeds)
}

/// A worker, and a client that enqueues one task after the other, until they are dropped.
fn load(bed: &Testbed<'_>) -> Result<[Peer; 2]> {
    let mut peers = [Peer::start(bed, Side::Rust)?, Peer::start(bed, Side::Rust)?];
    let [worker, producer] = &mut peers;
    Drain::no_op(10, 0).serve(std::slice::from_mut(worker))?;
    let many = json!({"n": 1_000_000_000, "callers": 1, "task": {"type": "new", "payload": {"utf8": "x"}}});
    producer.send("enqueue_many", many)?;
    Ok(peers)
}

fn change(bed: &Testbed<'_>, side: Side, place: Place, verb: Verb) -> Result<Metrics> {
    store(bed, place)?;
    let mut redis = bed.redis.connect()?;
    let key = format!("asynq:{{{QUEUE}}}:");
    let state = if place == Place::Pending {
        redis.call(&["SET", &format!("{key}paused"), "1"])?;
        TaskState::Pending
    } else {
        TaskState::Archived
    };
    let mut hands = Hands::new(bed, side)?;
    let _peers = load(bed)?;
    let watch = Watch::begin(bed)?;
    let begin = Instant::now();
    hands.change(state, verb)?;
    let seconds = begin.elapsed().as_secs_f64();
    let mut metrics = watch.end()?;
    metrics.insert("seconds", seconds);
    if place == Place::Archived {
        let expected = match verb {
            Verb::DeleteOneType => bed.setup.tasks(TASKS) / 2,
            _ => 0,
        };
        let left = redis.call(&["ZCARD", &format!("{key}archived")])?.number();
        ensure!(
            left.unsigned_abs() == expected,
            "{left} tasks are left in the archive"
        );
    }
    Ok(metrics)
}

fn read(bed: &Testbed<'_>, side: Side, place: Place) -> Result<Metrics> {
    store(bed, place)?;
    let mut hands = Hands::new(bed, side)?;
    let _peers = load(bed)?;
    // Go is slow with groups.
    let calls = if side == Side::Go && place == Place::Groups {
        2
    } else {
        CALLS
    };
    let watch = Watch::begin(bed)?;
    let mut times = Vec::new();
    for _ in 0..calls {
        let begin = Instant::now();
        hands.queue_info()?;
        times.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    let mut metrics = watch.end()?;
    metrics.insert("call_ms", median(&times));
    metrics.insert("longest_call_ms", range(&times).1);
    if let Hands::Rust(runtime, inspector) = &hands {
        let begin = Instant::now();
        runtime
            .block_on(inspector.memory_usage(QUEUE))
            .context("the memory")?;
        metrics.insert("memory_ms", begin.elapsed().as_secs_f64() * 1e3);
    }
    Ok(metrics)
}
