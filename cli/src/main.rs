//! The command `rasynq`: reads the arguments, runs one verb, and ends with its exit code.
//!
//! It uses the public API of the library only.

mod args;
mod config_file;
mod dash;
mod exporter;
mod failure;
mod output;
mod settings;
mod verbs;
mod views;

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use args::{Arguments, Command};
use clap::Parser;
use clap::error::ErrorKind;
use failure::{Failure, FailureKind};
use output::Output;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refuse_arguments(&error),
    };
    let output = Output::of_process(arguments.global.json.is_on());
    match run(arguments, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(mut failure) => {
            output.print_failure(&mut failure);
            failure.exit_code()
        }
    }
}

/// Prints what clap says: help and version on standard output, faults on standard error.
fn refuse_arguments(error: &clap::Error) -> ExitCode {
    let is_fault = !matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    );
    // Arguments that clap refuses do not say whether JSON was wanted.
    let wants_json = is_fault && std::env::args_os().any(|argument| argument == "--json");
    if wants_json {
        let text = error.render().to_string();
        let mut failure = Failure::new(FailureKind::Usage, text.trim_end());
        Output::of_process(true).print_failure(&mut failure);
    } else {
        // Nobody is left to be told if the stream is closed.
        let _ = error.print();
    }
    match is_fault {
        true => FailureKind::Usage.exit_code(),
        false => ExitCode::SUCCESS,
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
