//! `rasynq dash`

use std::time::Duration;

use clap::Args;

use super::time::interval;

/// `dash`
#[derive(Debug, Args)]
pub(crate) struct DashArguments {
    /// How often the figures are read. At least 100ms.
    #[arg(long, default_value = "1s", value_name = "DURATION", value_parser = interval)]
    pub(crate) refresh: Duration,
}
