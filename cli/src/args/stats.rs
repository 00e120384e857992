//! `rasynq stats`

use clap::Args;

/// `stats`
#[derive(Debug, Args)]
pub(crate) struct StatsArguments {
    /// Estimates the memory of each queue too, which takes longer.
    #[arg(long)]
    pub(crate) memory: bool,
}
