//! CONFIG: the settings of a server.

use std::collections::BTreeMap;

use rasynq::{LostLease, RetryDelay, Server};
use serde::Deserialize;
use serde_json::Value;

use crate::duration::GoDuration;
use crate::failure::Failure;

/// The largest batch that the library takes.
const MAX_JANITOR_BATCH_SIZE: usize = 10_000;

/// CONFIG, with asynq's meanings and defaults.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfigForm {
    concurrency: Option<i64>,
    queues: Option<BTreeMap<String, i64>>,
    strict: Option<bool>,
    shutdown_timeout: Option<GoDuration>,
    task_check_interval: Option<GoDuration>,
    delayed_task_check_interval: Option<GoDuration>,
    janitor_interval: Option<GoDuration>,
    janitor_batch_size: Option<i64>,
    /// A setting that asynq does not have, for the benchmarks.
    prefetch: Option<usize>,
    health_check_interval: Option<GoDuration>,
    group_grace_period: Option<GoDuration>,
    group_max_delay: Option<GoDuration>,
    group_max_size: Option<i64>,
    aggregate: Option<Value>,
    retry_delay: Option<GoDuration>,
    not_failure: Option<String>,
    /// Settings that asynq does not have.
    lost_lease: Option<LostLeaseForm>,
    max_lost_runs: Option<u32>,
}

/// What happens to a task whose server has disappeared.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LostLeaseForm {
    Fail,
    Defer,
}

impl ConfigForm {
    /// Applies the settings to a server.
    pub(crate) fn apply(self, mut server: Server) -> Result<Server, Failure> {
        if self.group_grace_period.is_some()
            || self.group_max_delay.is_some()
            || self.group_max_size.is_some()
            || self.aggregate.is_some()
        {
            return Err(Failure::unsupported("aggregation"));
        }
        if let Some(workers) = self.concurrency {
            // asynq: a number below 1 means the number of CPUs; in the library 0 does
            server = server.concurrency(usize::try_from(workers).unwrap_or(0));
        }
        for (name, weight) in self.queues.into_iter().flatten() {
            // asynq: queues without a weight are left out
            let weight = u32::try_from(weight.max(0))
                .map_err(|_| Failure::invalid(format!("the weight of {name:?} is too large")))?;
            server = server.queue(name, weight);
        }
        if let Some(strict) = self.strict {
            server = server.strict_priority(strict);
        }
        if let Some(timeout) = self.shutdown_timeout {
            server = server.shutdown_timeout(timeout.or_shortest());
        }
        if let Some(interval) = self.task_check_interval {
            // asynq: a negative interval means the default; in the library zero does
            server = server.task_check_interval(interval.or_zero());
        }
        if let Some(interval) = self.delayed_task_check_interval {
            server = server.delayed_task_check_interval(interval.or_shortest());
        }
        if let Some(interval) = self.janitor_interval {
            server = server.janitor_interval(interval.or_shortest());
        }
        if let Some(policy) = self.lost_lease {
            server = server.lost_lease(match policy {
                LostLeaseForm::Fail => LostLease::Fail,
                LostLeaseForm::Defer => LostLease::Defer,
            });
        }
        if let Some(runs) = self.max_lost_runs {
            server = server.max_lost_runs(runs);
        }
        if let Some(tasks) = self.prefetch {
            server = server.prefetch(tasks);
        }
        if let Some(tasks) = self.janitor_batch_size {
            // asynq: a negative number means no bound; the library has one
            let tasks = usize::try_from(tasks).unwrap_or(MAX_JANITOR_BATCH_SIZE);
            server = server.janitor_batch_size(tasks.min(MAX_JANITOR_BATCH_SIZE));
        }
        if let Some(interval) = self.health_check_interval {
            server = server.health_check_interval(interval.or_shortest());
        }
        if let Some(delay) = self.retry_delay {
            server = server.retry_delay(RetryDelay::constant(delay.or_zero()));
        }
        if let Some(text) = self.not_failure {
            server = server.is_failure(move |error| !format!("{error:#}").contains(&text));
        }
        Ok(server)
    }
}
