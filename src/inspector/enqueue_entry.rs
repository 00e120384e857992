//! Enqueues the task of a scheduler's entry now.

use chrono::{DateTime, Utc};

use super::{Inspector, SchedulerEntryInfo};
use crate::clock::Uuids;
use crate::error::{Error, ErrorKind, Result};
use crate::prepare::prepare;
use crate::task::{Task, TaskInfo, TaskOption};
use crate::wire::PrintedOption;

impl Inspector {
    /// Enqueues the task of a scheduler's entry now, with the options of the entry. asynq's inspector cannot do this.
    ///
    /// It is not a tick: the entry's history and its last tick stay as they are, and so does its next tick. A unique
    /// lock of the entry counts. The list of entries has no headers of the task, so the task gets only those that are
    /// options of the entry.
    ///
    /// ```no_run
    /// # async fn example(inspector: rasynq::Inspector) -> rasynq::Result<()> {
    /// for entry in inspector.scheduler_entries().await? {
    ///     if entry.task_type == "report:daily" {
    ///         let task = inspector.enqueue_entry(&entry).await?;
    ///         println!("{} is {}", task.id, task.state);
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// - [`ErrorKind::Undecodable`]: the list has an option that rasynq does not know, or a time that the scheduler has
    ///   printed in another zone than UTC. Nothing is enqueued.
    /// - Those of [`Client::enqueue`](crate::Client::enqueue).
    ///
    /// # Cancel safety
    /// If the future is dropped, the task may be stored or not.
    pub async fn enqueue_entry(&self, entry: &SchedulerEntryInfo) -> Result<TaskInfo> {
        let options: Result<Vec<TaskOption>> = entry
            .options
            .iter()
            .map(|text| {
                read_option(text).map_err(|why| {
                    let text = format!("option of the scheduler's entry {:?}: {why}", entry.id);
                    Error::new(ErrorKind::Undecodable, text)
                })
            })
            .collect();
        let task = Task::new(&entry.task_type, entry.payload.clone());
        let now = self.broker.clock().now();
        let (task, info) = prepare(&self.broker, task, options?, now, &Uuids::new())?;
        match self.broker.enqueue(vec![task]).await.pop() {
            Some(result) => result.map(|()| info),
            None => Err(Error::new(ErrorKind::Internal, "enqueue: no result")),
        }
    }
}

/// Reads an option as a Go process in UTC prints it.
fn read_option(text: &str) -> Result<TaskOption, String> {
    let option = PrintedOption::parse_in(text, &Utc).map_err(|error| error.to_string())?;
    let duration = |duration| {
        std::time::Duration::try_from(duration).map_err(|_| format!("{text:?} is negative"))
    };
    Ok(match option {
        PrintedOption::Queue(name) => TaskOption::Queue(name),
        PrintedOption::MaxRetry(n) => TaskOption::MaxRetry(u32::try_from(n).unwrap_or(u32::MAX)),
        PrintedOption::TaskId(id) => TaskOption::TaskId(id),
        PrintedOption::Timeout(limit) => TaskOption::Timeout(duration(limit)?),
        PrintedOption::Deadline(at) => TaskOption::Deadline(in_utc(text, at)?),
        PrintedOption::Unique(ttl) => TaskOption::Unique(duration(ttl)?),
        PrintedOption::ProcessAt(at) => TaskOption::ProcessAt(in_utc(text, at)?),
        PrintedOption::ProcessIn(delay) => TaskOption::ProcessIn(duration(delay)?),
        PrintedOption::Retention(keep) => TaskOption::Retention(duration(keep)?),
        PrintedOption::Group(name) => TaskOption::Group(name),
        PrintedOption::Header(name, value) => TaskOption::Header(name, value),
    })
}

/// Refuses a time that was printed in another zone: the abbreviation of a zone does not tell its offset.
fn in_utc(text: &str, at: DateTime<Utc>) -> Result<DateTime<Utc>, String> {
    match text.contains(" UTC ") {
        true => Ok(at),
        false => Err(format!("{text:?} is not in UTC")),
    }
}

#[cfg(test)]
#[path = "enqueue_entry_tests.rs"]
mod tests;
