//! `rasynq task …`

mod bulk;
mod change;
mod enqueue;
mod inspect;
mod list;
mod wait;

pub(super) use enqueue::print_enqueued;
use rasynq::{Connection, Inspector, TaskFilter, TaskSelection, TaskState};

use crate::args::{FilterArguments, SelectionArguments, TaskCommand};
use crate::failure::Failure;
use crate::output::Output;

pub(super) async fn run(
    command: TaskCommand,
    connection: &Connection,
    inspector: &Inspector,
    output: &Output,
) -> Result<(), Failure> {
    match command {
        TaskCommand::List(arguments) => list::run(arguments, inspector, output).await,
        TaskCommand::Inspect(task) => inspect::run(&task, inspector, output).await,
        TaskCommand::Enqueue(arguments) => enqueue::run(*arguments, connection, output).await,
        TaskCommand::Cancel(tasks) => change::cancel(&tasks.ids, inspector, output).await,
        TaskCommand::Run(tasks) => {
            change::run(&tasks, change::Change::Run, inspector, output).await
        }
        TaskCommand::Archive(tasks) => {
            change::run(&tasks, change::Change::Archive, inspector, output).await
        }
        TaskCommand::Delete(tasks) => {
            change::run(&tasks, change::Change::Delete, inspector, output).await
        }
        TaskCommand::RunAll(all) => bulk::run(all, change::Change::Run, inspector, output).await,
        TaskCommand::ArchiveAll(all) => {
            bulk::run(all, change::Change::Archive, inspector, output).await
        }
        TaskCommand::DeleteAll(arguments) => bulk::delete(arguments, inspector, output).await,
        TaskCommand::Wait(arguments) => wait::run(arguments, inspector, output).await,
        TaskCommand::Copy(task) => change::copy(&task, inspector, output).await,
        TaskCommand::Reschedule(arguments) => {
            change::reschedule(arguments, inspector, output).await
        }
        TaskCommand::Update(arguments) => change::update(arguments, inspector, output).await,
    }
}

/// The tasks that the arguments select.
fn selection(
    arguments: &SelectionArguments,
    inspector: &Inspector,
) -> Result<TaskSelection, Failure> {
    let FilterArguments {
        task_type,
        payload,
        payload_json,
        error,
        older_than,
        newer_than,
        group,
        header,
        orphaned,
    } = arguments.filter.clone();
    let mut selection = inspector.tasks(&arguments.queue, arguments.state);
    let mut filter = TaskFilter::new();
    if let Some(pattern) = task_type {
        filter = filter.task_type(pattern);
    }
    if let Some(text) = payload {
        filter = filter.payload_contains(text);
    }
    for condition in payload_json {
        filter = filter.payload_json_text(&condition)?;
    }
    if let Some(text) = error {
        filter = filter.error_contains(text);
    }
    if let Some(age) = older_than {
        filter = filter.older_than(age);
    }
    if let Some(age) = newer_than {
        filter = filter.younger_than(age);
    }
    match (group, arguments.state) {
        // The others need not be read.
        (Some(group), TaskState::Aggregating) => selection = selection.group(group),
        (Some(group), _) => filter = filter.group(group),
        (None, _) => {}
    }
    for (name, value) in header {
        filter = filter.header(name, value);
    }
    if orphaned {
        filter = filter.orphaned();
    }
    Ok(selection.matching(filter))
}
