//! `rasynq group …`

use clap::{Args, Subcommand};

/// The verbs of groups.
#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// Lists the groups of a queue that have tasks.
    #[command(name = "ls", visible_alias = "list")]
    List(GroupListArguments),
}

/// `group ls`
#[derive(Debug, Args)]
pub(crate) struct GroupListArguments {
    /// The queue.
    #[arg(short, long)]
    pub(crate) queue: String,
}
