//! The seven states of a task.

use std::fmt;
use std::str::FromStr;

/// The state of a task. asynq: `TaskState`.
///
/// [`Display`](fmt::Display) prints the word that the field `state` has in Redis, such as `pending`.
/// [`FromStr`] reads exactly these words, in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TaskState {
    /// A server has fetched the task to run it.
    Active,
    /// The task can be run and waits for a server.
    Pending,
    /// The task waits until the time at which it is due.
    Scheduled,
    /// The task failed and waits for its retry.
    Retry,
    /// The task will not run again: it failed and no retry was left, or it was archived for another
    /// reason. It is kept for inspection.
    Archived,
    /// The task succeeded and is kept for its retention.
    Completed,
    /// The task waits in a group for aggregation.
    Aggregating,
}

impl TaskState {
    /// All states, in asynq's order.
    pub const ALL: [TaskState; 7] = [
        TaskState::Active,
        TaskState::Pending,
        TaskState::Scheduled,
        TaskState::Retry,
        TaskState::Archived,
        TaskState::Completed,
        TaskState::Aggregating,
    ];

    /// The word for the state in Redis, such as `pending`.
    pub const fn as_str(self) -> &'static str {
        match self {
            TaskState::Active => "active",
            TaskState::Pending => "pending",
            TaskState::Scheduled => "scheduled",
            TaskState::Retry => "retry",
            TaskState::Archived => "archived",
            TaskState::Completed => "completed",
            TaskState::Aggregating => "aggregating",
        }
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for TaskState {
    type Err = ParseTaskStateError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        TaskState::ALL
            .into_iter()
            .find(|state| state.as_str() == word)
            .ok_or_else(|| ParseTaskStateError {
                word: word.to_owned(),
            })
    }
}

/// A word that is not one of the seven task states.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is not a task state")]
pub struct ParseTaskStateError {
    word: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_reads_its_own_word_back() {
        for state in TaskState::ALL {
            assert_eq!(state.to_string().parse(), Ok(state));
        }
    }

    #[test]
    fn a_word_in_another_case_or_with_blanks_is_no_state() {
        for word in ["", "Active", "PENDING", " retry", "retry ", "unknown"] {
            let error = word.parse::<TaskState>().expect_err("unreadable");
            assert_eq!(error.to_string(), format!("{word:?} is not a task state"));
        }
    }
}
