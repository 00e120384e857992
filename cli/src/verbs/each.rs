//! [`Each`]: a verb that does the same to several things, and goes on after a failure as asynq's command does.

use serde::Serialize;

use crate::failure::Failure;
use crate::output::Output;

/// Prints a line for each thing, or all of them as one JSON list at the end. The first failure is the one that counts.
pub(super) struct Each<'o, V> {
    output: &'o Output,
    views: Vec<V>,
    first_failure: Option<Failure>,
}

impl<'o, V: Serialize> Each<'o, V> {
    pub(super) fn new(output: &'o Output) -> Self {
        Self {
            output,
            views: Vec::new(),
            first_failure: None,
        }
    }

    /// Fails only if nothing can be printed.
    pub(super) fn done(&mut self, result: Result<(V, String), Failure>) -> Result<(), Failure> {
        match result {
            Ok((view, _)) if self.output.is_json() => self.views.push(view),
            Ok((_, line)) => self.output.print(&line)?,
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
