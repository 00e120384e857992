//! [`StateCounts`]: how many tasks there are in each state, for JSON and for the columns of tables.

use std::ops::AddAssign;

use rasynq::QueueInfo;
use serde::Serialize;

use crate::output::Table;

/// How many tasks are in each state, and how many of the active ones are orphaned: in a queue, or in several.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct StateCounts {
    active: u64,
    pending: u64,
    aggregating: u64,
    aggregating_is_estimate: bool,
    scheduled: u64,
    retry: u64,
    archived: u64,
    completed: u64,
    orphaned: u64,
}

impl StateCounts {
    /// The names of the columns: the states, and the orphaned tasks at the end.
    pub(crate) const COLUMNS: [&str; 8] = [
        "active",
        "pending",
        "aggregating",
        "scheduled",
        "retry",
        "archived",
        "completed",
        "orphaned",
    ];

    /// The cells below [`COLUMNS`](Self::COLUMNS). An estimate begins with `~`.
    pub(crate) fn cells(&self) -> [String; 8] {
        let sign = match self.aggregating_is_estimate {
            true => "~",
            false => "",
        };
        [
            self.active.to_string(),
            self.pending.to_string(),
            format!("{sign}{}", self.aggregating),
            self.scheduled.to_string(),
            self.retry.to_string(),
            self.archived.to_string(),
            self.completed.to_string(),
            self.orphaned.to_string(),
        ]
    }

    /// A table of these columns alone.
    pub(crate) fn table(&self) -> Table {
        let mut table = Table::new(Self::COLUMNS);
        table.row(self.cells());
        table
    }
}

impl From<&QueueInfo> for StateCounts {
    fn from(info: &QueueInfo) -> Self {
        Self {
            active: info.active,
            pending: info.pending,
            aggregating: info.aggregating,
            aggregating_is_estimate: info.aggregating_is_estimate,
            scheduled: info.scheduled,
            retry: info.retry,
            archived: info.archived,
            completed: info.completed,
            orphaned: info.orphaned,
        }
    }
}

impl AddAssign for StateCounts {
    fn add_assign(&mut self, other: Self) {
        self.active += other.active;
        self.pending += other.pending;
        self.aggregating += other.aggregating;
        self.aggregating_is_estimate |= other.aggregating_is_estimate;
        self.scheduled += other.scheduled;
        self.retry += other.retry;
        self.archived += other.archived;
        self.completed += other.completed;
        self.orphaned += other.orphaned;
    }
}
