//! All scenarios.

mod active;
mod asynq_own;
mod distance;
mod durable;
mod enqueue;
mod footprint;
mod group;
mod growth;
mod idle;
mod inspect;
mod mixed;
mod no_op;
mod other_crates;
mod payload;
mod pick_up;
mod raw;
mod reference;
mod sleepers;
mod tick;

use anyhow::Result;

use crate::drain::Drain;
use crate::record::{Case, Metrics};
use crate::seed::Seed;
use crate::setup::{Setup, Side, Testbed};

/// A scenario.
pub(crate) struct Scenario {
    /// The name, for `--only` and in results.
    pub(crate) name: &'static str,
    /// What it measures.
    pub(crate) about: &'static str,
    /// Measures all its cases.
    pub(crate) cases: fn(&Setup) -> Result<Vec<Case>>,
}

/// All scenarios, in the order in which they run.
pub(crate) const ALL: [Scenario; 20] = [
    Scenario {
        name: "enqueue",
        about: "enqueueing by 1, 16 and 100 callers, each one task after the other",
        cases: enqueue::callers,
    },
    Scenario {
        name: "batch",
        about: "enqueueing in batches of 1,000 tasks; Go with 100 callers",
        cases: enqueue::batch,
    },
    Scenario {
        name: "process",
        about: "processing with 1 to 1,000 handlers that do nothing; the raw limit with 100",
        cases: no_op::cases,
    },
    Scenario {
        name: "sleep-10ms",
        about: "processing with 100 handlers that sleep 10 ms; the same handlers without a queue",
        cases: sleepers::cases,
    },
    Scenario {
        name: "mixed",
        about: "enqueueing while processing; 1 % of the tasks fail once, 10 % are scheduled",
        cases: mixed::cases,
    },
    Scenario {
        name: "asynq-own",
        about: "the workloads of asynq's own end-to-end benchmarks",
        cases: asynq_own::cases,
    },
    Scenario {
        name: "payload",
        about: "processing payloads of 0 B to 1 MB",
        cases: payload::processing,
    },
    Scenario {
        name: "payload-enqueue",
        about: "enqueueing payloads of 0 B to 1 MB by 100 callers",
        cases: payload::enqueueing,
    },
    Scenario {
        name: "distance",
        about: "processing with a round trip of 1, 3 and 24 ms to Redis",
        cases: distance::cases,
    },
    Scenario {
        name: "aof",
        about: "processing with an append-only file and an fsync every second",
        cases: durable::cases,
    },
    Scenario {
        name: "active-list",
        about: "processing while 900 or 9,900 other handlers run",
        cases: active::cases,
    },
    Scenario {
        name: "pick-up",
        about: "time from enqueueing by Go to the start of the handler, with 1 to 50 idle servers",
        cases: pick_up::cases,
    },
    Scenario {
        name: "tick",
        about: "lateness of the tasks of a scheduler with 1 and 100 entries that fire each second",
        cases: tick::cases,
    },
    Scenario {
        name: "group",
        about: "time until a group is aggregated that has reached its size, or whose grace period has ended",
        cases: group::cases,
    },
    Scenario {
        name: "idle",
        about: "commands and CPU of servers with 1 to 100 empty queues",
        cases: idle::cases,
    },
    Scenario {
        name: "footprint",
        about: "memory of a task in Redis, and of a worker with 10,000 handlers",
        cases: footprint::cases,
    },
    Scenario {
        name: "inspect-million",
        about: "running and deleting 1,000,000 archived tasks; queue info with them, and with 1,000,000 groups",
        cases: inspect::cases,
    },
    Scenario {
        name: "other-crates",
        about: "asynqrs and apalis-redis with 100 callers and 100 handlers",
        cases: other_crates::cases,
    },
    Scenario {
        name: "growth",
        about: "processing with growing queue length, number of queues and number of servers",
        cases: growth::cases,
    },
    Scenario {
        name: "reference",
        about: "redis-benchmark on this machine",
        cases: reference::cases,
    },
];

/// The number of tasks for each side. The faster side gets more, so that no measurement is too short.
struct Work {
    go_tasks: u64,
    rust_tasks: u64,
}

impl Work {
    /// The number of tasks of a side.
    fn tasks(&self, bed: &Testbed<'_>, side: Side) -> u64 {
        bed.setup.tasks(match side {
            Side::Go => self.go_tasks,
            _ => self.rust_tasks,
        })
    }

    /// Stores the tasks that `seed` makes of their number, and measures handlers that do nothing.
    fn no_op(
        &self,
        bed: &Testbed<'_>,
        side: Side,
        concurrency: usize,
        seed: impl Fn(u64) -> Seed,
    ) -> Result<Metrics> {
        let tasks = self.tasks(bed, side);
        fill(bed, &[seed(tasks)])?;
        match side {
            Side::Raw => raw::drain(bed, tasks),
            side => Drain::no_op(concurrency, tasks).run(bed, side),
        }
    }
}

/// Empties Redis and stores these tasks.
fn fill(bed: &Testbed<'_>, seeds: &[Seed]) -> Result<()> {
    let mut redis = bed.redis.connect()?;
    redis.call(&["FLUSHALL"])?;
    for seed in seeds {
        seed.store(&mut redis)?;
    }
    Ok(())
}
