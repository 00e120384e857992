//! The names of all series, what they mean, and the buckets of the histograms.

#[cfg(feature = "metrics")]
use super::series::guarded_recorder;

pub(super) const TASKS_ENQUEUED: &str = "rasynq_tasks_enqueued_total";
pub(super) const TASK_WAIT: &str = "rasynq_task_wait_seconds";
pub(super) const RUN_DURATION: &str = "rasynq_run_duration_seconds";
pub(super) const RUNS: &str = "rasynq_runs_total";
pub(super) const RUNS_IN_PROGRESS: &str = "rasynq_runs_in_progress";
pub(super) const RECOVERED_RUNS: &str = "rasynq_recovered_runs_total";
pub(super) const FETCH_BATCH: &str = "rasynq_fetch_batch_size";
pub(super) const FETCH_FAILURES: &str = "rasynq_fetch_failures_total";
pub(super) const ACKNOWLEDGEMENT_BATCH: &str = "rasynq_acknowledgement_batch_size";
pub(super) const ACKNOWLEDGEMENT_FAILURES: &str = "rasynq_acknowledgement_failures_total";
pub(super) const ACKNOWLEDGEMENTS_REJECTED: &str = "rasynq_acknowledgements_rejected_total";
pub(super) const CONNECTIONS_LOST: &str = "rasynq_connections_lost_total";
pub(super) const RECONNECTIONS: &str = "rasynq_reconnections_total";

/// Tells the recorder what the series mean, as far as it wants to know. A recorder that is installed later is not
/// told.
pub(crate) fn describe() {
    #[cfg(feature = "metrics")]
    guarded_recorder(|to| descriptions::tell(to));
}

#[cfg(feature = "metrics")]
pub use descriptions::METRIC_BUCKETS;

#[cfg(feature = "metrics")]
mod descriptions {
    use metrics::{KeyName, Recorder, Unit};

    use super::*;

    /// From one millisecond to a day.
    const SECONDS: &[f64] = &[
        0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0, 3_600.0,
        21_600.0, 86_400.0,
    ];
    /// As many tasks as one call may have.
    const TASKS: &[f64] = &[
        0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1_000.0,
    ];

    /// The histograms of rasynq, each with its buckets (upper bounds), for exporters that must be told them. Without
    /// buckets, most exporters make a summary out of a histogram, which no dashboard can add up over several servers.
    ///
    /// ```
    /// use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
    ///
    /// let mut builder = PrometheusBuilder::new();
    /// for (name, buckets) in rasynq::METRIC_BUCKETS {
    ///     builder = builder.set_buckets_for_metric(Matcher::Full((*name).to_owned()), buckets)?;
    /// }
    /// let handle = builder.install_recorder()?;
    /// # assert_eq!(handle.render(), "");
    /// # Ok::<_, metrics_exporter_prometheus::BuildError>(())
    /// ```
    pub const METRIC_BUCKETS: &[(&str, &[f64])] = &[
        (TASK_WAIT, SECONDS),
        (RUN_DURATION, SECONDS),
        (FETCH_BATCH, TASKS),
        (ACKNOWLEDGEMENT_BATCH, TASKS),
    ];

    const HISTOGRAMS: &[(&str, Option<Unit>, &str)] = &[
        (
            TASK_WAIT,
            Some(Unit::Seconds),
            "Time from the moment a task became pending to the start of its run, by Redis' clock",
        ),
        (
            RUN_DURATION,
            Some(Unit::Seconds),
            "Time from the start of a run to its end",
        ),
        (FETCH_BATCH, None, "Tasks that one fetch has brought"),
        (
            ACKNOWLEDGEMENT_BATCH,
            None,
            "Outcomes that one call has written",
        ),
    ];

    const COUNTERS: &[(&str, &str)] = &[
        (
            TASKS_ENQUEUED,
            "Tasks that this process has given to Redis, by the outcome of the call",
        ),
        (RUNS, "Runs that have ended, by their outcome"),
        (
            RECOVERED_RUNS,
            "Runs of servers that have disappeared, which this server has settled",
        ),
        (FETCH_FAILURES, "Fetches that have failed"),
        (
            ACKNOWLEDGEMENT_FAILURES,
            "Calls with outcomes that have failed and are repeated",
        ),
        (
            ACKNOWLEDGEMENTS_REJECTED,
            "Outcomes without effect, because the task belonged to another server by then or was gone",
        ),
        (
            CONNECTIONS_LOST,
            "Outages: Redis was reached no more at this address",
        ),
        (
            RECONNECTIONS,
            "Outages that are over: Redis was reached again",
        ),
    ];

    pub(super) fn tell(to: &dyn Recorder) {
        for (name, unit, text) in HISTOGRAMS {
            to.describe_histogram(KeyName::from_const_str(name), *unit, (*text).into());
        }
        for &(name, text) in COUNTERS {
            to.describe_counter(KeyName::from_const_str(name), None, text.into());
        }
        to.describe_gauge(
            KeyName::from_const_str(RUNS_IN_PROGRESS),
            None,
            "Runs that have started and have not ended".into(),
        );
    }
}
