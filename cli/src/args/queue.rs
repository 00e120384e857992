//! `rasynq queue …`

use clap::{Args, Subcommand};

use super::Switch;

/// The verbs of queues.
#[derive(Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// Lists the queues.
    #[command(name = "ls", visible_alias = "list")]
    List,
    /// Shows one or more queues in full.
    Inspect(QueueInspectArguments),
    /// Shows how many tasks were processed and failed on each of the last days.
    History(QueueHistoryArguments),
    /// Pauses queues: servers no longer fetch their tasks.
    Pause(QueueNames),
    /// Resumes paused queues.
    #[command(name = "unpause", visible_alias = "resume")]
    Unpause(QueueNames),
    /// Removes queues and everything that belongs to them.
    #[command(name = "rm", visible_aliases = ["remove", "delete"])]
    Remove(QueueRemoveArguments),
}

/// One or more queues.
#[derive(Debug, Args)]
pub(crate) struct QueueNames {
    /// The queues.
    #[arg(required = true, value_name = "QUEUE")]
    pub(crate) queues: Vec<String>,
}

/// `queue inspect`
#[derive(Debug, Args)]
pub(crate) struct QueueInspectArguments {
    #[command(flatten)]
    pub(crate) names: QueueNames,
    /// Estimates the memory too, which takes longer.
    #[arg(long)]
    pub(crate) memory: bool,
}

/// `queue history`
#[derive(Debug, Args)]
pub(crate) struct QueueHistoryArguments {
    #[command(flatten)]
    pub(crate) names: QueueNames,
    /// How many days, from today back.
    #[arg(short = 'x', long, default_value_t = 10, value_name = "NUMBER")]
    pub(crate) days: u32,
}

/// `queue rm`
#[derive(Debug, Args)]
pub(crate) struct QueueRemoveArguments {
    #[command(flatten)]
    pub(crate) names: QueueNames,
    /// Removes the queue with all its tasks. Without it, only an empty queue is removed.
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_value = "false",
        default_missing_value = "true", hide_default_value = true, value_name = "BOOL")]
    pub(crate) force: Switch,
    /// Does not ask.
    #[arg(short, long)]
    pub(crate) yes: bool,
}
