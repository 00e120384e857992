//! What a measurement used: CPU time of the workers and of Redis, and commands.

use std::time::Duration;

use anyhow::Result;

use crate::record::Metrics;
use crate::redis::commands;
use crate::resp::Connection;
use crate::setup::Testbed;

/// What was used up to a moment, or between two moments.
pub(crate) struct Usage {
    /// CPU time of the workers.
    pub(crate) worker_cpu: Duration,
    /// CPU time of Redis.
    pub(crate) redis_cpu: Duration,
    /// Commands that Redis executed, including those inside scripts.
    pub(crate) commands: u64,
}

impl Usage {
    /// Reads what Redis has used so far. The caller reads the CPU time of its workers.
    pub(crate) fn read(
        bed: &Testbed<'_>,
        redis: &mut Connection,
        worker_cpu: Duration,
    ) -> Result<Self> {
        Ok(Self {
            worker_cpu,
            redis_cpu: bed.redis.cpu_time()?,
            commands: commands(redis)?,
        })
    }

    /// What was used since an earlier moment.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            worker_cpu: self.worker_cpu.saturating_sub(before.worker_cpu),
            redis_cpu: self.redis_cpu.saturating_sub(before.redis_cpu),
            commands: self.commands.saturating_sub(before.commands),
        }
    }

    /// The rate, and what one task used (CPU in µs), if this is the usage of so many tasks.
    pub(crate) fn metrics(&self, tasks: f64, seconds: f64) -> Metrics {
        Metrics::from([
            ("rate", tasks / seconds),
            ("seconds", seconds),
            ("tasks", tasks),
            ("worker_cpu_us", self.worker_cpu.as_secs_f64() * 1e6 / tasks),
            ("redis_cpu_us", self.redis_cpu.as_secs_f64() * 1e6 / tasks),
            ("commands", self.commands as f64 / tasks),
        ])
    }
}
