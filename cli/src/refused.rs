//! Arguments that clap does not take: faults, and the wish for help or the version, which it answers itself.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use serde::Serialize;

use crate::args::{Arguments, Switch};
use crate::failure::{Failure, FailureKind};
use crate::output::Output;
use crate::verbs;

/// What clap prints where JSON is wanted.
#[derive(Debug, Serialize)]
struct HelpView<'a> {
    help: &'a str,
}

/// Prints help and version on standard output, and faults on standard error.
pub(crate) fn answer(error: clap::Error) -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let (wants_json, others) = without_json(arguments);
    let error = match wants_json {
        // `help` knows no flags.
        true => match Arguments::try_parse_from(others) {
            Err(other) if !is_fault(&other) => other,
            _ => error,
        },
        false => error,
    };
    let output = Output::of_process(wants_json);
    let printed = match (is_fault(&error), wants_json) {
        (true, true) => Err(Failure::usage(one_line(&error.render().to_string()))),
        (true, false) => {
            // Nobody is left to be told if the stream is closed.
            let _ = error.print();
            return FailureKind::Usage.exit_code();
        }
        (false, true) if error.kind() == ErrorKind::DisplayVersion => verbs::version(&output),
        (false, true) => output.print_json(&HelpView {
            help: error.render().to_string().trim_end(),
        }),
        (false, false) => error
            .print()
            .and_then(|()| io::stdout().flush())
            .map_err(Failure::io),
    };
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(mut failure) => {
            output.print_failure(&mut failure);
            output.exit_code(&failure)
        }
    }
}

fn is_fault(error: &clap::Error) -> bool {
    !matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    )
}

/// Whether the arguments ask for JSON, and the others. They need not be right otherwise.
fn without_json(arguments: Vec<OsString>) -> (bool, Vec<OsString>) {
    let mut wants_json = false;
    let mut is_over = false;
    let others = arguments.into_iter().filter(|argument| {
        is_over |= argument == "--";
        let value = argument
            .to_str()
            .and_then(|text| text.strip_prefix("--json"))
            .filter(|_| !is_over);
        match value {
            Some("") => wants_json = true,
            Some(value) if value.starts_with('=') => {
                wants_json = value[1..].parse().is_ok_and(Switch::is_on);
            }
            _ => return true,
        }
        false
    });
    let others = others.collect();
    (wants_json, others)
}

/// What clap says of a fault, without the usage: `a value is required for '--queue <QUEUE>' but none was supplied`.
fn one_line(text: &str) -> String {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let paragraphs = text.split("\n\n").filter(|paragraph| {
        !paragraph.starts_with("Usage:") && !paragraph.starts_with("For more information")
    });
    let lines: Vec<String> = paragraphs
        .map(|paragraph| {
            let words: Vec<&str> = paragraph.split_whitespace().collect();
            words.join(" ")
        })
        .filter(|line| !line.is_empty())
        .collect();
    lines.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_wanted_by_the_last_flag_before_the_end_of_the_flags() {
        for (line, wants, others) in [
            ("rasynq stats", false, "rasynq stats"),
            ("rasynq stats --json", true, "rasynq stats"),
            ("rasynq --json=true stats", true, "rasynq stats"),
            ("rasynq --json stats --json=false", false, "rasynq stats"),
            ("rasynq stats -- --json", false, "rasynq stats -- --json"),
            ("rasynq --json-ish", false, "rasynq --json-ish"),
        ] {
            let arguments = line.split(' ').map(OsString::from).collect();
            let others: Vec<OsString> = others.split(' ').map(OsString::from).collect();
            assert_eq!(without_json(arguments), (wants, others), "{line}");
        }
    }

    #[test]
    fn a_fault_is_told_on_one_line() {
        let said = |line: &str| {
            let error = Arguments::try_parse_from(line.split(' ')).expect_err(line);
            one_line(&error.render().to_string())
        };
        assert_eq!(
            said("rasynq task ls"),
            "the following required arguments were not provided: --queue <QUEUE> --state <STATE>"
        );
        assert_eq!(
            said("rasynq task lss"),
            "unrecognized subcommand 'lss'; tip: some similar subcommands exist: 'list', 'ls'"
        );
        assert_eq!(
            said("rasynq task ls -q a -s running"),
            "invalid value 'running' for '--state <STATE>' [possible values: active, pending, scheduled, retry, \
             archived, completed, aggregating]"
        );
    }
}
