//! What a server measures of one queue.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::ON;
use super::bounded::BoundedTable;
use super::catalogue::{
    ACKNOWLEDGEMENT_BATCH, ACKNOWLEDGEMENT_FAILURES, ACKNOWLEDGEMENTS_REJECTED, FETCH_BATCH,
    FETCH_FAILURES, RUN_DURATION, RUNS, RUNS_IN_PROGRESS, TASK_WAIT,
};
use super::recovered::show_none_recovered;
use super::series::{Counter, Gauge, Histogram};

/// The label of runs of a type for which there is no handler, and of messages that do not decode. Such types come
/// from mistakes, so they get no series of their own.
const UNKNOWN: &str = "unknown";

/// Measures what happens to the tasks of one queue. Clones share the series.
#[derive(Clone)]
pub(crate) struct QueueMeter(Option<Arc<QueueSeries>>);

struct QueueSeries {
    queue: String,
    /// By the type of the task.
    types: BoundedTable<TypeSeries>,
    in_progress: Gauge,
    fetch_batch: Histogram,
    fetch_failures: Counter,
    acknowledgement_batch: Histogram,
    acknowledgement_failures: Counter,
    acknowledgements_rejected: Counter,
}

/// The series of the runs of one type.
struct TypeSeries {
    wait: Histogram,
    duration: Histogram,
    done: Counter,
    completed: Counter,
    revoked: Counter,
    retry: Counter,
    retry_uncounted: Counter,
    deferred: Counter,
    archived: Counter,
    requeued: Counter,
    lease_lost: Counter,
}

/// What is measured of one run.
pub(crate) struct RunMeter {
    /// When the task became pending, by Redis' clock, if that is known.
    pending_since: Option<DateTime<Utc>>,
    /// The series that its wait was recorded in.
    series: OnceLock<Arc<TypeSeries>>,
}

/// What a run came to, as the label of a series tells it.
#[derive(Clone, Copy)]
pub(crate) enum RunOutcome {
    Done,
    Completed,
    Revoked,
    Retry,
    /// The error is no failure.
    RetryUncounted,
    Deferred,
    Archived,
    Requeued,
    LeaseLost,
}

/// A run that has ended.
pub(crate) struct EndedRun<'a> {
    pub(crate) task_type: &'a str,
    pub(crate) outcome: RunOutcome,
    /// There was a handler for its type, as far as is known.
    pub(crate) has_handler: bool,
    /// When it started, by Redis' clock, and how long it took. `None`: it has not started.
    pub(crate) started: Option<(DateTime<Utc>, Duration)>,
}

/// A run that counts as in progress until this value is dropped.
pub(crate) struct RunInProgress<'m>(&'m QueueMeter);

impl RunMeter {
    pub(crate) fn new(pending_since: Option<DateTime<Utc>>) -> Self {
        Self {
            pending_since,
            series: OnceLock::new(),
        }
    }

    /// How long the task has waited for the start of its run.
    fn wait(&self, started_at: DateTime<Utc>) -> Option<f64> {
        let wait = started_at - self.pending_since?;
        // What is known of Redis' clock is exact to about a round trip.
        Some(wait.to_std().unwrap_or_default().as_secs_f64())
    }
}

impl QueueMeter {
    pub(crate) fn new(queue: &str) -> Self {
        Self(ON.then(|| Arc::new(QueueSeries::new(queue))))
    }

    /// A fetch has brought so many tasks.
    pub(crate) fn fetched(&self, tasks: usize) {
        if let Some(series) = &self.0 {
            series.fetch_batch.record(tasks as f64);
        }
    }

    pub(crate) fn fetch_failed(&self) {
        if let Some(series) = &self.0 {
            series.fetch_failures.add(1);
        }
    }

    /// Redis has confirmed so many acknowledgements of one call. Some were rejected, because the claim was not valid.
    pub(crate) fn acknowledged(&self, batch: usize, rejected: usize) {
        if let Some(series) = &self.0 {
            series.acknowledgement_batch.record(batch as f64);
            if rejected > 0 {
                series.acknowledgements_rejected.add(rejected as u64);
            }
        }
    }

    pub(crate) fn acknowledgement_failed(&self) {
        if let Some(series) = &self.0 {
            series.acknowledgement_failures.add(1);
        }
    }

    /// The handler of a run is called now.
    pub(crate) fn run_started(
        &self,
        run: &RunMeter,
        task_type: &str,
        at: DateTime<Utc>,
    ) -> RunInProgress<'_> {
        if let Some(series) = &self.0 {
            series.in_progress.add(1.0);
            // The first run of a type is recorded when it ends: only then it is known whether there is a handler.
            if let Some(of_type) = series.types.get(task_type) {
                of_type.record_wait(run, at);
                let _ = run.series.set(of_type);
            }
        }
        RunInProgress(self)
    }

    /// The outcome of a run is decided.
    pub(crate) fn run_ended(&self, run: &RunMeter, ended: EndedRun<'_>) {
        let Some(series) = &self.0 else { return };
        let name = match ended.has_handler {
            true => ended.task_type,
            false => UNKNOWN,
        };
        let of_type = series
            .types
            .get_or_add(name, |name| TypeSeries::new(&series.queue, name));
        if let Some((at, duration)) = ended.started {
            if run.series.get().is_none() {
                of_type.record_wait(run, at);
            }
            of_type.duration.record(duration.as_secs_f64());
        }
        of_type.ended(ended.outcome).add(1);
    }
}

impl fmt::Debug for QueueMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueMeter").finish_non_exhaustive()
    }
}

impl Drop for RunInProgress<'_> {
    fn drop(&mut self) {
        if let Some(series) = &self.0.0 {
            series.in_progress.add(-1.0);
        }
    }
}

impl QueueSeries {
    fn new(queue: &str) -> Self {
        let labels = [("queue", queue)];
        // What happens rarely shows from the beginning: an increase from nothing is none.
        let counter = |name| {
            let counter = Counter::new(name, &labels);
            counter.add(0);
            counter
        };
        show_none_recovered(queue);
        Self {
            types: BoundedTable::new(),
            in_progress: Gauge::new(RUNS_IN_PROGRESS, &labels),
            fetch_batch: Histogram::new(FETCH_BATCH, &labels),
            fetch_failures: counter(FETCH_FAILURES),
            acknowledgement_batch: Histogram::new(ACKNOWLEDGEMENT_BATCH, &labels),
            acknowledgement_failures: counter(ACKNOWLEDGEMENT_FAILURES),
            acknowledgements_rejected: counter(ACKNOWLEDGEMENTS_REJECTED),
            queue: queue.to_owned(),
        }
    }
}

impl TypeSeries {
    fn new(queue: &str, task_type: &str) -> Self {
        let labels = [("queue", queue), ("type", task_type)];
        let runs = |outcome| Counter::new(RUNS, &[labels[0], labels[1], ("outcome", outcome)]);
        let lease_lost = runs("lease_lost");
        lease_lost.add(0);
        Self {
            wait: Histogram::new(TASK_WAIT, &labels),
            duration: Histogram::new(RUN_DURATION, &labels),
            done: runs("done"),
            completed: runs("completed"),
            revoked: runs("revoked"),
            retry: runs("retry"),
            retry_uncounted: runs("retry_uncounted"),
            deferred: runs("deferred"),
            archived: runs("archived"),
            requeued: runs("requeued"),
            lease_lost,
        }
    }

    fn record_wait(&self, run: &RunMeter, started_at: DateTime<Utc>) {
        if let Some(wait) = run.wait(started_at) {
            self.wait.record(wait);
        }
    }

    /// The counter of runs with this outcome.
    fn ended(&self, outcome: RunOutcome) -> &Counter {
        match outcome {
            RunOutcome::Done => &self.done,
            RunOutcome::Completed => &self.completed,
            RunOutcome::Revoked => &self.revoked,
            RunOutcome::Retry => &self.retry,
            RunOutcome::RetryUncounted => &self.retry_uncounted,
            RunOutcome::Deferred => &self.deferred,
            RunOutcome::Archived => &self.archived,
            RunOutcome::Requeued => &self.requeued,
            RunOutcome::LeaseLost => &self.lease_lost,
        }
    }
}
