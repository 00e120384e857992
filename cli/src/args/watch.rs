//! `rasynq watch`

use std::time::Duration;

use clap::Args;

use super::time::interval;

/// `watch`
#[derive(Debug, Args)]
pub(crate) struct WatchArguments {
    /// The queues. Default: all.
    #[arg(value_name = "QUEUE")]
    pub(crate) queues: Vec<String>,
    /// The time between two looks. At least 100ms.
    #[arg(short, long, default_value = "2s", value_name = "DURATION", value_parser = interval)]
    pub(crate) interval: Duration,
    /// How many looks. Default: without an end.
    #[arg(short, long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
}
