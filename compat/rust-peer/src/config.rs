//! CONFIG: the settings of a server.

use std::collections::BTreeMap;
use std::time::Duration;

use rasynq::{LostLease, RetryDelay, Server};
use serde::Deserialize;

use crate::aggregate::AggregateForm;
use crate::duration::GoDuration;
use crate::failure::Failure;
use crate::handler::Reporter;

/// The largest batch that the library takes.
const MAX_JANITOR_BATCH_SIZE: usize = 10_000;

/// The shortest delay of a group that the library takes.
const SHORTEST_DELAY: Duration = Duration::from_secs(1);

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
    aggregate: Option<AggregateForm>,
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
    /// Applies the settings to a server. Aggregation is reported to `reporter`, if there is one.
    pub(crate) fn apply(
        self,
        mut server: Server,
        reporter: Option<Reporter>,
    ) -> Result<Server, Failure> {
        if let Some(period) = self.group_grace_period {
            // asynq: a negative period is refused as one that is too short
            server = server.group_grace_period(period.or_shortest());
        }
        if let Some(delay) = self.group_max_delay {
            // asynq: any delay is taken; the library has none below a second
            let delay = delay.or_zero();
            server = server.group_max_delay(if delay.is_zero() {
                delay
            } else {
                delay.max(SHORTEST_DELAY)
            });
        }
        if let Some(tasks) = self.group_max_size {
            // asynq: a negative number means no limit
            server = server.group_max_size(usize::try_from(tasks).unwrap_or(0));
        }
        if let Some(form) = self.aggregate {
            server = server.aggregate(form.aggregator(reporter)?);
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
