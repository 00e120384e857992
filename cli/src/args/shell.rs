//! `rasynq completions`, `rasynq man`: what the shell and the reader need.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

/// `completions`
#[derive(Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// bash, elvish, fish, powershell or zsh
    #[arg(hide_possible_values = true)]
    pub(crate) shell: Shell,
}

/// `man`
#[derive(Debug, Args)]
pub(crate) struct ManArguments {
    /// The verb whose page is printed: task ls. Default: the page of rasynq.
    #[arg(value_name = "VERB")]
    pub(crate) verb: Vec<String>,
    /// Writes the pages of all verbs into this folder instead.
    #[arg(long, value_name = "FOLDER", conflicts_with = "verb")]
    pub(crate) out: Option<PathBuf>,
}
