//! The command `rasynq`: reads the arguments, runs one verb, and ends with its exit code.
//!
//! It uses the public API of the library only.

mod args;
mod away;
mod config_file;
mod dash;
mod exporter;
mod failure;
mod output;
mod refused;
mod settings;
mod small_file;
mod verbs;
mod views;

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use args::{Arguments, Command};
use clap::Parser;
use failure::Failure;
use output::Output;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refused::answer(error),
    };
    let output = Output::of_process(arguments.global.json.is_on());
    match run(arguments, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(mut failure) => {
            output.print_failure(&mut failure);
            output.exit_code(&failure)
        }
    }
}

fn run(arguments: Arguments, output: &Output) -> Result<(), Failure> {
    // Lines of the log would run through the screen of the dashboard.
    let has_screen = matches!(arguments.command, Command::Dash(_)) && io::stderr().is_terminal();
    if !has_screen {
        output::start_log(matches!(arguments.command, Command::Metrics(_)));
    }
    // One thread is enough for everything that asks once and prints, and it starts faster.
    let mut builder = match arguments.command {
        Command::Dash(_) | Command::Metrics(_) => {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            builder.worker_threads(2);
            builder
        }
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    let runtime = builder.enable_all().build().map_err(Failure::io)?;
    runtime.block_on(verbs::run(arguments, output))
}
