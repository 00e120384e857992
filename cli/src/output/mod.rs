//! What the command prints: tables or JSON on standard output, everything else on standard error.

mod json;
mod progress;
mod table;
mod text;
mod time;

use std::cell::Cell;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

pub(crate) use json::*;
pub(crate) use progress::Progress;
use serde::Serialize;
pub(crate) use table::Table;
pub(crate) use text::*;
pub(crate) use time::*;

use crate::failure::{Failure, FailureKind};

/// How the verbs print.
#[derive(Debug)]
pub(crate) struct Output {
    is_json: bool,
    has_colours: bool,
    /// Whether somebody can be asked, and sees what moves.
    is_interactive: bool,
    /// The first failure that stands on standard error.
    first_printed: Cell<Option<FailureKind>>,
}

impl Output {
    /// Colours only on a terminal, and not if `NO_COLOR` is set.
    pub(crate) fn of_process(is_json: bool) -> Self {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self {
            is_json,
            has_colours: !is_json && io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb,
            is_interactive: io::stdin().is_terminal() && io::stderr().is_terminal(),
            first_printed: Cell::new(None),
        }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.is_json
    }

    pub(crate) fn has_colours(&self) -> bool {
        self.has_colours
    }

    /// Prints text and a line feed on standard output.
    pub(crate) fn print(&self, text: &str) -> Result<(), Failure> {
        self.print_part(&format!("{text}\n"))
    }

    /// Prints text on standard output, to which more is added.
    pub(crate) fn print_part(&self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        written.map_err(Failure::io)
    }

    /// Prints a result: on a terminal as lines that are safe for it, otherwise byte for byte.
    pub(crate) fn print_data(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        if !out.is_terminal() {
            let written = out.write_all(bytes).and_then(|()| out.flush());
            return written.map_err(Failure::io);
        }
        drop(out);
        let lines: Vec<String> = bytes
            .split(|byte| *byte == b'\n')
            .map(printable_bytes)
            .collect();
        self.print(&lines.join("\n"))
    }

    /// Prints one JSON document on standard output.
    pub(crate) fn print_json(&self, document: &impl Serialize) -> Result<(), Failure> {
        self.print(&json_text(document))
    }

    /// Prints a line on standard error, for people.
    pub(crate) fn note(&self, text: &str) {
        // Nobody is left to be told if the stream is closed.
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// Prints why something failed on standard error, unless that stands there already.
    pub(crate) fn print_failure(&self, failure: &mut Failure) {
        if failure.is_printed || failure.kind == FailureKind::ClosedOutput {
            return;
        }
        failure.is_printed = true;
        let first = self.first_printed.get().unwrap_or(failure.kind);
        self.first_printed.set(Some(first));
        match self.is_json {
            true => self.note(&json_text(&FailureView::of(failure))),
            false => self.note(&format!("rasynq: {}", printable_lines(&failure.message))),
        }
    }

    /// The exit code after this failure. A reader that leaves does not undo a failure that was printed before.
    pub(crate) fn exit_code(&self, failure: &Failure) -> ExitCode {
        let kind = match failure.kind {
            FailureKind::ClosedOutput => self.first_printed.get().unwrap_or(failure.kind),
            kind => kind,
        };
        kind.exit_code()
    }

    /// A heading, bold on a terminal.
    pub(crate) fn heading(&self, text: &str) -> String {
        match self.has_colours {
            true => format!("\x1b[1m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }

    /// Whether somebody can be asked: standard input and standard error are a terminal.
    pub(crate) fn is_interactive(&self) -> bool {
        self.is_interactive
    }

    /// Asks whether to go on. Everything but `y` and `yes` is a failure.
    pub(crate) fn confirm(&self, question: &str) -> Result<(), Failure> {
        let mut err = io::stderr();
        let asked = write!(err, "{question} [y/N] ").and_then(|()| err.flush());
        asked.map_err(Failure::io)?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).map_err(Failure::io)?;
        match answer.trim().to_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(Failure::new(
                FailureKind::NotConfirmed,
                "nothing was changed",
            )),
        }
    }
}

/// Prints the log of the library on standard error: what `RUST_LOG` names, for a service warnings if it is not set.
pub(crate) fn start_log(is_service: bool) {
    use tracing_subscriber::EnvFilter;
    let filter = match std::env::var("RUST_LOG") {
        Ok(directives) if !directives.is_empty() => EnvFilter::new(directives),
        _ if is_service => EnvFilter::new("warn"),
        _ => return,
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
}
