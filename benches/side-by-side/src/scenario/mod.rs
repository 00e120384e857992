//! The scenarios, by name.

mod active;
mod asynq_own;
mod distance;
mod durable;
mod enqueue;
mod footprint;
mod growth;
mod idle;
mod mixed;
mod no_op;
mod other_crates;
mod payload;
mod pick_up;
mod raw;
mod reference;
mod sleepers;

use anyhow::Result;

use crate::drain::Drain;
use crate::lab::{Bed, Lab, Side};
use crate::record::{Case, Metrics};
use crate::seed::Seed;

/// A scenario: its name, what it measures, and how.
pub(crate) struct Scenario {
    /// The name, for `--only` and in results.
    pub(crate) name: &'static str,
    /// What it measures.
    pub(crate) about: &'static str,
    /// Plays it.
    pub(crate) play: fn(&Lab) -> Result<Vec<Case>>,
}

/// All, in the order in which they are played.
pub(crate) const ALL: [Scenario; 17] = [
    Scenario {
        name: "enqueue",
        about: "1, 16 and 100 callers that enqueue one task after the other",
        play: enqueue::callers,
    },
    Scenario {
        name: "batch",
        about: "batches of 1,000 tasks, against Go with 100 callers",
        play: enqueue::batch,
    },
    Scenario {
        name: "process",
        about: "handlers that do nothing, 1 to 1,000 at once; the raw limit at 100",
        play: no_op::play,
    },
    Scenario {
        name: "sleep-10ms",
        about: "100 handlers that sleep 10 ms, against the same without a queue",
        play: sleepers::play,
    },
    Scenario {
        name: "mixed",
        about: "enqueueing while processing, 1 % fail once, 10 % are scheduled",
        play: mixed::play,
    },
    Scenario {
        name: "asynq-own",
        about: "the shapes of asynq's own end-to-end benchmarks",
        play: asynq_own::play,
    },
    Scenario {
        name: "payload",
        about: "processing payloads from nothing to 1 MB",
        play: payload::processing,
    },
    Scenario {
        name: "payload-enqueue",
        about: "enqueueing payloads from nothing to 1 MB, 100 callers",
        play: payload::enqueueing,
    },
    Scenario {
        name: "distance",
        about: "processing with 1, 3 and 24 ms of round trip to Redis",
        play: distance::play,
    },
    Scenario {
        name: "aof",
        about: "processing with an append-only file, fsync every second",
        play: durable::play,
    },
    Scenario {
        name: "active-list",
        about: "processing while 900 or 9,900 others are running",
        play: active::play,
    },
    Scenario {
        name: "pick-up",
        about: "from enqueueing by Go to the start of the handler, 1 to 50 idle servers",
        play: pick_up::play,
    },
    Scenario {
        name: "idle",
        about: "what servers of 1 to 100 idle queues cost",
        play: idle::play,
    },
    Scenario {
        name: "footprint",
        about: "Redis memory of a task, and of a worker with 10,000 handlers",
        play: footprint::play,
    },
    Scenario {
        name: "other-crates",
        about: "asynqrs and apalis-redis: 100 callers, 100 handlers",
        play: other_crates::play,
    },
    Scenario {
        name: "growth",
        about: "depth of the queue, number of queues, number of servers",
        play: growth::play,
    },
    Scenario {
        name: "reference",
        about: "redis-benchmark on this machine",
        play: reference::play,
    },
];

/// Sows and lets one side drain; more tasks where the side is fast, so that every run lasts.
struct Work {
    go_tasks: u64,
    rust_tasks: u64,
}

impl Work {
    /// How many tasks a side gets.
    fn tasks(&self, bed: &Bed<'_>, side: Side) -> u64 {
        bed.lab.tasks(match side {
            Side::Go => self.go_tasks,
            _ => self.rust_tasks,
        })
    }

    /// Empties Redis, sows what `seed` makes of the number of tasks, and drains it.
    fn no_op(
        &self,
        bed: &Bed<'_>,
        side: Side,
        concurrency: usize,
        seed: impl Fn(u64) -> Seed,
    ) -> Result<Metrics> {
        let tasks = self.tasks(bed, side);
        let mut redis = bed.redis.connect()?;
        redis.call(&["FLUSHALL"])?;
        seed(tasks).sow(&mut redis)?;
        match side {
            Side::Raw => raw::drain(bed, tasks),
            side => Drain::no_op(concurrency, tasks).run(bed, side),
        }
    }
}
