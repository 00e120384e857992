//! Runs, archives and deletes one task.

use super::Inspector;
use crate::broker::{TaskChange, TaskChanged};
use crate::error::{Error, ErrorKind, Result};
use crate::wire::TaskState;

impl Inspector {
    /// Makes a task pending: a server runs it as soon as it has a free slot. asynq: `RunTask`.
    ///
    /// Scheduled, retry, archived, completed and aggregating tasks can be run. A task of a group runs alone, also if it
    /// fails and is retried. An idle server is woken at once.
    ///
    /// # Errors
    /// - [`ErrorKind::Invalid`] if the name of the queue is blank.
    /// - [`ErrorKind::QueueNotFound`], [`ErrorKind::TaskNotFound`].
    /// - [`ErrorKind::WrongState`] if the task is pending or active, or is being aggregated.
    /// - The errors of [`queues`](Self::queues). After [`ErrorKind::Unavailable`] the task may or may not be pending: the
    ///   call is not repeated, because the task may have run and failed meanwhile.
    ///
    /// # Cancel safety
    /// If the future is dropped, the task may or may not be pending.
    ///
    /// ```no_run
    /// # async fn example(inspector: rasynq::Inspector) -> rasynq::Result<()> {
    /// inspector.run_task("default", "b8d0b6c8-3b7c-4f0e-9a57-6a4f3c0a6a55").await?;
    /// # Ok(()) }
    /// ```
    pub async fn run_task(&self, queue: &str, id: &str) -> Result<()> {
        self.change_task(queue, id, TaskChange::Run, "run").await
    }

    /// Archives a task: it does not run again, and is kept for inspection. asynq: `ArchiveTask`.
    ///
    /// Pending, scheduled, retry, completed and aggregating tasks can be archived. If the archive then has more than
    /// [`DEFAULT_ARCHIVE_MAX_SIZE`](crate::DEFAULT_ARCHIVE_MAX_SIZE) tasks, the oldest one is deleted. An archive that is
    /// larger already, because its servers let it, keeps its size. A unique lock stays until its TTL is over.
    ///
    /// # Errors
    /// - [`ErrorKind::Invalid`] if the name of the queue is blank.
    /// - [`ErrorKind::QueueNotFound`], [`ErrorKind::TaskNotFound`].
    /// - [`ErrorKind::WrongState`] if the task is archived or active, or is being aggregated.
    /// - The errors of [`queues`](Self::queues). After [`ErrorKind::Unavailable`] the task may or may not be archived.
    ///
    /// # Cancel safety
    /// If the future is dropped, the task may or may not be archived.
    pub async fn archive_task(&self, queue: &str, id: &str) -> Result<()> {
        self.change_task(queue, id, TaskChange::Archive, "archive")
            .await
    }

    /// Deletes a task, and releases its unique lock if the task holds it. asynq: `DeleteTask`.
    ///
    /// Tasks of every state but active can be deleted. Cancel the run of an active one:
    /// [`cancel_processing`](Self::cancel_processing).
    ///
    /// # Errors
    /// - [`ErrorKind::Invalid`] if the name of the queue is blank.
    /// - [`ErrorKind::QueueNotFound`], [`ErrorKind::TaskNotFound`].
    /// - [`ErrorKind::WrongState`] if the task is active or is being aggregated.
    /// - The errors of [`queues`](Self::queues). After [`ErrorKind::Unavailable`] the task may or may not be deleted.
    ///
    /// # Cancel safety
    /// If the future is dropped, the task may or may not be deleted.
    pub async fn delete_task(&self, queue: &str, id: &str) -> Result<()> {
        self.change_task(queue, id, TaskChange::Delete, "delete")
            .await
    }

    /// `verb` names the change, for errors.
    pub(super) async fn change_task(
        &self,
        queue: &str,
        id: &str,
        change: TaskChange,
        verb: &str,
    ) -> Result<()> {
        let keys = self.queue_keys(queue)?;
        let (kind, why) = match self.broker.change_task(&keys, id, change).await? {
            TaskChanged::Yes => return Ok(()),
            TaskChanged::Missing => return Err(self.missing(queue, id).await),
            TaskChanged::Other(state) => (ErrorKind::WrongState, format!("it is {state}")),
            TaskChanged::Misplaced(state) if *state == *TaskState::Aggregating.as_str() => {
                (ErrorKind::WrongState, "it is being aggregated".to_owned())
            }
            TaskChanged::Misplaced(state) => {
                let why = format!("its hash says {state}, but it is not among the {state} tasks");
                (ErrorKind::WrongState, why)
            }
            TaskChanged::Moved | TaskChanged::Postponed => {
                let why = "its place among the pending tasks changes too fast".to_owned();
                (ErrorKind::Unavailable, why)
            }
        };
        let text = format!("cannot {verb} task {id:?} in queue {queue:?}: {why}");
        Err(Error::new(kind, text).with_task_id(id))
    }
}
