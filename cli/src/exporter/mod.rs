//! `rasynq metrics`: serves the figures of all queues to Prometheus.

use rasynq::Inspector;

use crate::args::MetricsArguments;
use crate::failure::Failure;

/// Serves until a signal ends the process.
pub(crate) async fn run(inspector: Inspector, options: MetricsArguments) -> Result<(), Failure> {
    let _ = (inspector, options.listen, options.queues);
    Err(Failure::usage("metrics: not there yet"))
}
