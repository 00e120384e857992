//! What the dashboard can do to Redis, in words.

use rasynq::TaskState;

use super::filter::Filter;

/// What is done to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Run,
    Archive,
    Delete,
    Cancel,
    /// Enqueues a copy of a finished task.
    Copy,
}

impl Verb {
    /// As in "archive the task".
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Archive => "archive",
            Self::Delete => "delete",
            Self::Cancel => "cancel",
            Self::Copy => "enqueue a copy of",
        }
    }
}

/// Which tasks a bulk action takes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Selection {
    pub(crate) queue: String,
    pub(crate) state: TaskState,
    /// `None`: those of all groups.
    pub(crate) group: Option<String>,
    pub(crate) filter: Filter,
}

impl Selection {
    /// As in "3 tasks: archived in default".
    pub(crate) fn describe(&self) -> String {
        let mut text = format!("{} in {}", self.state, self.queue);
        if let Some(group) = &self.group {
            text += &format!(", group {group}");
        }
        if !self.filter.is_empty() {
            text += &format!(", matching {}", self.filter.text());
        }
        text
    }
}

/// Something to do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    Pause(String),
    Unpause(String),
    DeleteQueue(String),
    /// Estimates the memory of a queue. It changes nothing.
    Memory(String),
    Task {
        verb: Verb,
        queue: String,
        id: String,
    },
    Bulk(Verb, Selection),
}

impl Action {
    /// As in "archive task x of default".
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Pause(queue) => format!("pause queue {queue}"),
            Self::Unpause(queue) => format!("unpause queue {queue}"),
            Self::DeleteQueue(queue) => format!("delete queue {queue}"),
            Self::Memory(queue) => format!("estimate the memory of queue {queue}"),
            Self::Task { verb, queue, id } => format!("{} task {id} of {queue}", verb.name()),
            Self::Bulk(verb, selection) => {
                format!("{} all tasks {}", verb.name(), selection.describe())
            }
        }
    }
}

/// How far an action has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Advance {
    pub(crate) examined: u64,
    pub(crate) changed: u64,
    /// How many there are to examine, if it is known.
    pub(crate) total: Option<u64>,
}
