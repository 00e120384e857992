//! `rasynq completions`, `rasynq version`: what the shell needs. No Redis.

use clap::{Arg, Command, CommandFactory};
use serde::Serialize;

use crate::args::{Arguments, CompletionsArguments};
use crate::failure::Failure;
use crate::output::Output;

#[derive(Debug, Serialize)]
struct CompletionsView<'a> {
    shell: String,
    script: &'a str,
}

#[derive(Debug, Serialize)]
struct VersionView {
    version: &'static str,
}

pub(super) fn completions(
    arguments: &CompletionsArguments,
    output: &Output,
) -> Result<(), Failure> {
    let mut script = Vec::new();
    let mut command = visible(&Arguments::command());
    clap_complete::generate(arguments.shell, &mut command, "rasynq", &mut script);
    let script = String::from_utf8_lossy(&script);
    if output.is_json() {
        return output.print_json(&CompletionsView {
            shell: arguments.shell.to_string(),
            script: &script,
        });
    }
    output.print(script.trim_end())
}

/// The command without what is hidden: a flag that is always refused must not be offered.
fn visible(command: &Command) -> Command {
    let is_shown = |argument: &&Arg| !argument.is_hide_set();
    let verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set());
    let mut shown = Command::new(command.get_name().to_owned())
        .args(command.get_arguments().filter(is_shown))
        .subcommands(verbs.map(visible))
        .visible_aliases(command.get_visible_aliases().map(str::to_owned));
    if let Some(about) = command.get_about() {
        shown = shown.about(about.clone());
    }
    shown
}

pub(crate) fn version(output: &Output) -> Result<(), Failure> {
    let version = env!("CARGO_PKG_VERSION");
    match output.is_json() {
        true => output.print_json(&VersionView { version }),
        false => output.print(&format!("rasynq {version}")),
    }
}
