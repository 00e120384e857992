//! The seven states of a task.

use std::fmt;
use std::str::FromStr;

/// Where in its life a task is. asynq: `TaskState`.
///
/// The words that [`Display`](fmt::Display) prints are those of the field `state` in Redis;
/// [`FromStr`] reads exactly these, in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TaskState {
    /// A server is running it.
    Active,
    /// It waits for a free worker.
    Pending,
    /// It waits for its time to come.
    Scheduled,
    /// It failed and waits to be tried again.
    Retry,
    /// It failed for good, or was put aside; kept for a while to be looked at.
    Archived,
    /// It succeeded and is kept for its retention time.
    Completed,
    /// It waits in a group to be aggregated with others.
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

    /// The state's word, as it is stored in Redis.
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

/// A word that is none of the seven states.
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
