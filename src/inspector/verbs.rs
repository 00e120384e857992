//! Runs, archives and deletes one task.

use super::Inspector;
use crate::error::{Error, ErrorKind, Result};

impl Inspector {
    /// Makes a task pending: a server runs it as soon as it has a free slot. asynq: `RunTask`.
    ///
    /// Scheduled, retry, archived, completed and aggregating tasks can be run. An idle server is woken at once.
    ///
    /// # Errors
    /// - [`ErrorKind::QueueNotFound`], [`ErrorKind::TaskNotFound`].
    /// - [`ErrorKind::WrongState`] if the task is pending or active, or is being aggregated.
    /// - The errors of [`queues`](Self::queues). After [`ErrorKind::Unavailable`] the task may or may not be pending.
    ///
    /// # Cancel safety
    /// If the future is dropped, the task may or may not be pending.
    pub async fn run_task(&self, queue: &str, id: &str) -> Result<()> {
        Err(not_built(queue, id))
    }

    /// Archives a task: it does not run again, and is kept for inspection. asynq: `ArchiveTask`.
    ///
    /// Pending, scheduled, retry, completed and aggregating tasks can be archived. The archive is then trimmed to
    /// [`DEFAULT_ARCHIVE_MAX_SIZE`](crate::DEFAULT_ARCHIVE_MAX_SIZE) tasks and
    /// [`DEFAULT_ARCHIVE_MAX_AGE`](crate::DEFAULT_ARCHIVE_MAX_AGE).
    ///
    /// # Errors
    /// - [`ErrorKind::QueueNotFound`], [`ErrorKind::TaskNotFound`].
    /// - [`ErrorKind::WrongState`] if the task is archived or active, or is being aggregated.
    /// - The errors of [`queues`](Self::queues). After [`ErrorKind::Unavailable`] the task may or may not be archived.
    ///
    /// # Cancel safety
    /// If the future is dropped, the task may or may not be archived.
    pub async fn archive_task(&self, queue: &str, id: &str) -> Result<()> {
        Err(not_built(queue, id))
    }

    /// Deletes a task, and releases its unique lock if the task holds it. asynq: `DeleteTask`.
    ///
    /// Tasks of every state but active can be deleted.
    ///
    /// # Errors
    /// - [`ErrorKind::QueueNotFound`], [`ErrorKind::TaskNotFound`].
    /// - [`ErrorKind::WrongState`] if the task is active or is being aggregated.
    /// - The errors of [`queues`](Self::queues). After [`ErrorKind::Unavailable`] the task may or may not be deleted.
    ///
    /// # Cancel safety
    /// If the future is dropped, the task may or may not be deleted.
    pub async fn delete_task(&self, queue: &str, id: &str) -> Result<()> {
        Err(not_built(queue, id))
    }
}

pub(super) fn not_built(queue: &str, id: &str) -> Error {
    let text = format!("task {id:?} in queue {queue:?}: not built yet");
    Error::new(ErrorKind::Internal, text)
}
