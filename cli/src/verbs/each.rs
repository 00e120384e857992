//! [`Each`]: a verb that does the same to several things, and goes on after a failure as asynq's command does.

use serde::Serialize;

use crate::failure::Failure;
use crate::output::Output;

/// The line between two sections, as long as asynq's.
const SEPARATOR: &str = "\n=================================================\n\n";

/// Prints a text for each thing, or all of them as one JSON list at the end. The first failure is the one that counts.
pub(super) struct Each<'o, V> {
    output: &'o Output,
    /// What stands before each text but that of the first thing.
    separator: &'static str,
    is_first: bool,
    views: Vec<V>,
    first_failure: Option<Failure>,
}

impl<'o, V: Serialize> Each<'o, V> {
    /// Each thing has a line.
    pub(super) fn new(output: &'o Output) -> Self {
        Self {
            output,
            separator: "",
            is_first: true,
            views: Vec::new(),
            first_failure: None,
        }
    }

    /// Each thing has a section.
    pub(super) fn in_sections(output: &'o Output) -> Self {
        Self {
            separator: SEPARATOR,
            ..Self::new(output)
        }
    }

    /// Fails only if nothing can be printed.
    pub(super) fn done(&mut self, result: Result<(V, String), Failure>) -> Result<(), Failure> {
        let separator = match std::mem::take(&mut self.is_first) {
            true => "",
            false => self.separator,
        };
        match result {
            Ok((view, _)) if self.output.is_json() => self.views.push(view),
            Ok((_, text)) => self.output.print(&format!("{separator}{text}"))?,
            Err(mut failure) => {
                self.output.print_failure(&mut failure);
                self.first_failure.get_or_insert(failure);
            }
        }
        Ok(())
    }

    pub(super) fn end(self) -> Result<(), Failure> {
        if self.output.is_json() {
            self.output.print_json(&self.views)?;
        }
        self.first_failure.map_or(Ok(()), Err)
    }
}
