//! `rasynq doctor`

use clap::Args;

/// `doctor`
#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// The queues. Default: all.
    #[arg(value_name = "QUEUE")]
    pub(crate) queues: Vec<String>,
    /// Repairs what it finds.
    #[arg(long)]
    pub(crate) fix: bool,
}
