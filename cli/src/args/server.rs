//! `rasynq server …`

use clap::{Args, Subcommand};

/// The verbs of servers.
#[derive(Debug, Subcommand)]
pub(crate) enum ServerCommand {
    /// Lists the servers.
    #[command(name = "ls", visible_alias = "list")]
    List(ServerListArguments),
}

/// `server ls`
#[derive(Debug, Args)]
pub(crate) struct ServerListArguments {
    /// Lists what they run too. JSON always has it.
    #[arg(short, long)]
    pub(crate) workers: bool,
}
