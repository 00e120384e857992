//! `rasynq dash`: queues, tasks, servers and schedulers live, with keys to act on them.

use std::time::Duration;

use rasynq::Inspector;

use crate::failure::Failure;

/// What the dashboard shows besides Redis' data, and how.
#[derive(Clone, Debug)]
pub(crate) struct DashOptions {
    /// Where Redis is, without the password.
    pub(crate) address: String,
    /// How often the figures are read.
    pub(crate) refresh: Duration,
    /// Whether colours may be used.
    pub(crate) colours: bool,
}

/// Shows the dashboard until the user leaves it.
pub(crate) async fn run(inspector: Inspector, options: DashOptions) -> Result<(), Failure> {
    let _ = (inspector, options.address, options.refresh, options.colours);
    Err(Failure::usage("dash: not there yet"))
}
