//! `rasynq server …`

use clap::Subcommand;

/// The verbs of servers.
#[derive(Debug, Subcommand)]
pub(crate) enum ServerCommand {
    /// Lists the servers and what they run.
    #[command(name = "ls", visible_alias = "list")]
    List,
}
