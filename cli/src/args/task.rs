//! `rasynq task …`

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use rasynq::TaskState;

use super::FilterArguments;
use super::time::{go_duration, rfc3339};

/// The verbs of tasks.
#[derive(Debug, Subcommand)]
pub(crate) enum TaskCommand {
    /// Lists the tasks of a state.
    #[command(name = "ls", visible_alias = "list")]
    List(TaskListArguments),
    /// Shows everything about a task.
    Inspect(TaskIdArguments),
    /// Enqueues a task.
    Enqueue(Box<TaskEnqueueArguments>),
    /// Asks the servers to cancel the runs of active tasks.
    Cancel(TaskCancelArguments),
    /// Makes tasks pending now.
    Run(TaskIdsArguments),
    /// Archives tasks. The archive keeps the newest 10,000.
    Archive(TaskIdsArguments),
    /// Deletes tasks.
    #[command(visible_aliases = ["remove", "rm"])]
    Delete(TaskIdsArguments),
    /// Makes all tasks of a state pending, or those that match.
    #[command(name = "runall", alias = "run-all")]
    RunAll(TaskAllArguments),
    /// Archives all tasks of a state, or those that match. The archive keeps the newest 10,000.
    #[command(name = "archiveall", alias = "archive-all")]
    ArchiveAll(TaskAllArguments),
    /// Deletes all tasks of a state, or those that match.
    #[command(name = "deleteall", alias = "delete-all")]
    DeleteAll(TaskDeleteAllArguments),
    /// Waits until a task has ended, and prints its result.
    Wait(TaskWaitArguments),
    /// Enqueues a copy of a completed or archived task.
    Copy(TaskIdArguments),
    /// Changes when a task is due.
    Reschedule(TaskRescheduleArguments),
    /// Replaces the payload of a scheduled task.
    Update(TaskUpdateArguments),
}

/// One task.
#[derive(Debug, Args)]
pub(crate) struct TaskIdArguments {
    /// The queue.
    #[arg(short, long)]
    pub(crate) queue: String,
    /// The id of the task.
    #[arg(short, long)]
    pub(crate) id: String,
}

/// One or more tasks of a queue.
#[derive(Debug, Args)]
pub(crate) struct TaskIdsArguments {
    /// The queue.
    #[arg(short, long)]
    pub(crate) queue: String,
    /// The id of the task. It may be given several times.
    #[arg(short, long = "id", required = true, value_name = "ID")]
    pub(crate) ids: Vec<String>,
}

/// The tasks of a state.
#[derive(Clone, Debug, Args)]
pub(crate) struct SelectionArguments {
    /// The queue.
    #[arg(short, long)]
    pub(crate) queue: String,
    /// active, pending, aggregating, scheduled, retry, archived or completed
    #[arg(short, long, value_parser = state(), hide_possible_values = true)]
    pub(crate) state: TaskState,
    #[command(flatten)]
    pub(crate) filter: FilterArguments,
}

/// `task ls`
#[derive(Debug, Args)]
pub(crate) struct TaskListArguments {
    /// Which page, from 1.
    #[arg(long, default_value_t = 1, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) page: u64,
    /// How many tasks a page has.
    #[arg(long, default_value_t = 30, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) size: u64,
    /// All tasks, without pages.
    #[arg(long, conflicts_with_all = ["page", "size"])]
    pub(crate) all: bool,
    // Its help has a heading of its own, so it comes last.
    #[command(flatten)]
    pub(crate) selection: SelectionArguments,
}

/// `task runall`, `task archiveall`
#[derive(Debug, Args)]
pub(crate) struct TaskAllArguments {
    /// Only counts the tasks.
    #[arg(long, alias = "dry_run")]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) selection: SelectionArguments,
}

/// `task deleteall`
#[derive(Debug, Args)]
pub(crate) struct TaskDeleteAllArguments {
    /// Does not ask.
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) all: TaskAllArguments,
}

/// `task cancel`
#[derive(Debug, Args)]
pub(crate) struct TaskCancelArguments {
    /// The ids of the tasks.
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<String>,
}

/// A payload: an argument, a file, or standard input.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct PayloadArguments {
    /// The payload.
    #[arg(short = 'l', long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) payload: Option<String>,
    /// A file with the payload; - is standard input.
    #[arg(long, alias = "payload_file", value_name = "FILE")]
    pub(crate) payload_file: Option<PathBuf>,
}

/// `task enqueue`
#[derive(Debug, Args)]
pub(crate) struct TaskEnqueueArguments {
    /// The type of the task.
    #[arg(
        short = 't',
        long = "type_name",
        aliases = ["type-name", "type"],
        value_name = "TYPE"
    )]
    pub(crate) task_type: String,
    #[command(flatten)]
    pub(crate) payload: PayloadArguments,
    /// The queue. Default: default.
    #[arg(short, long)]
    pub(crate) queue: Option<String>,
    /// The id. Default: a new UUID.
    #[arg(short, long)]
    pub(crate) id: Option<String>,
    /// How often the task is retried. Default: 25.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) retry: Option<u32>,
    /// How long a run may take: 90s
    #[arg(long, value_name = "DURATION", value_parser = go_duration)]
    pub(crate) timeout: Option<Duration>,
    /// Until when every run must be finished: 2026-12-14T01:23:45Z
    #[arg(long, value_name = "TIME", value_parser = rfc3339)]
    pub(crate) deadline: Option<DateTime<Utc>>,
    /// For how long no equal task may be enqueued: 1h
    #[arg(long, value_name = "DURATION", value_parser = go_duration)]
    pub(crate) unique: Option<Duration>,
    /// When the task is due.
    #[arg(long = "process_at", alias = "process-at", value_name = "TIME", value_parser = rfc3339,
        conflicts_with = "process_in")]
    pub(crate) process_at: Option<DateTime<Utc>>,
    /// In how much time the task is due: 10m
    #[arg(long = "process_in", alias = "process-in", value_name = "DURATION", value_parser = go_duration)]
    pub(crate) process_in: Option<Duration>,
    /// How long the task is kept after its completion: 24h
    #[arg(long, value_name = "DURATION", value_parser = go_duration)]
    pub(crate) retention: Option<Duration>,
    /// The group in which the task waits for aggregation.
    #[arg(short, long)]
    pub(crate) group: Option<String>,
    /// A header. It may be given several times.
    #[arg(long, value_name = "NAME=VALUE", value_parser = header)]
    pub(crate) header: Vec<(String, String)>,
}

/// `task wait`
#[derive(Debug, Args)]
pub(crate) struct TaskWaitArguments {
    #[command(flatten)]
    pub(crate) task: TaskIdArguments,
    /// How long to wait. Default: without an end.
    #[arg(long, value_name = "DURATION", value_parser = go_duration)]
    pub(crate) timeout: Option<Duration>,
}

/// `task reschedule`
#[derive(Debug, Args)]
pub(crate) struct TaskRescheduleArguments {
    #[command(flatten)]
    pub(crate) task: TaskIdArguments,
    #[command(flatten)]
    pub(crate) due: DueArguments,
}

/// When a task is due.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct DueArguments {
    /// When the task is due: 2026-12-14T01:23:45Z
    #[arg(long = "process_at", alias = "process-at", value_name = "TIME", value_parser = rfc3339)]
    pub(crate) process_at: Option<DateTime<Utc>>,
    /// In how much time the task is due: 10m
    #[arg(long = "process_in", alias = "process-in", value_name = "DURATION", value_parser = go_duration)]
    pub(crate) process_in: Option<Duration>,
}

/// `task update`
#[derive(Debug, Args)]
pub(crate) struct TaskUpdateArguments {
    #[command(flatten)]
    pub(crate) task: TaskIdArguments,
    #[command(flatten)]
    pub(crate) payload: PayloadArguments,
}

/// A state by its name. Shells complete the names.
fn state() -> impl TypedValueParser<Value = TaskState> {
    PossibleValuesParser::new(TaskState::ALL.map(TaskState::as_str))
        .try_map(|word| word.parse::<TaskState>())
}

/// `NAME=VALUE`
pub(super) fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("must be NAME=VALUE".to_owned()),
    }
}
