//! Enqueues a finished task again, as a new task.

use super::Inspector;
use crate::broker::NewTask;
use crate::clock::Uuids;
use crate::error::{Error, ErrorKind, Result};
use crate::task::TaskInfo;
use crate::wire::{self, Placement, TaskMessage, TaskState};

impl Inspector {
    /// Enqueues a copy of a finished task, and returns the copy. The finished task stays. asynq has no such call.
    ///
    /// The copy is pending in the same queue, with an id of its own. It has the type, payload, headers, maximum number
    /// of retries, timeout and retention of the task, and its deadline unless that has passed. It is in no group, has no
    /// unique lock, and counts no failures.
    ///
    /// # Errors
    /// - [`ErrorKind::Invalid`] if the name of the queue is blank.
    /// - [`ErrorKind::QueueNotFound`], [`ErrorKind::TaskNotFound`].
    /// - [`ErrorKind::WrongState`] if the task is neither completed nor archived.
    /// - [`ErrorKind::Undecodable`] if the stored message does not decode.
    /// - The errors of [`queues`](Self::queues). After [`ErrorKind::Unavailable`] the copy may or may not be enqueued.
    ///
    /// # Cancel safety
    /// If the future is dropped, the copy may or may not be enqueued.
    ///
    /// ```no_run
    /// # async fn example(inspector: rasynq::Inspector) -> rasynq::Result<()> {
    /// let copy = inspector.enqueue_copy("default", "monthly-report").await?;
    /// println!("runs again as {}", copy.id);
    /// # Ok(()) }
    /// ```
    pub async fn enqueue_copy(&self, queue: &str, id: &str) -> Result<TaskInfo> {
        let keys = self.queue_keys(queue)?;
        let Some(stored) = self.broker.task(&keys, id).await? else {
            return Err(self.missing(queue, id).await);
        };
        if !matches!(stored.state, TaskState::Completed | TaskState::Archived) {
            let state = stored.state;
            let text =
                format!("cannot copy task {id:?} in queue {queue:?}: it is {state}, not finished");
            return Err(Error::new(ErrorKind::WrongState, text).with_task_id(id));
        }
        let message = wire::decode_task(stored.task.message).map_err(|error| {
            let text = format!(
                "cannot copy task {id:?} in queue {queue:?}: its message does not decode: {error}"
            );
            let undecodable = Error::new(ErrorKind::Undecodable, text).with_task_id(id);
            undecodable.with_source(error)
        })?;
        let now = self.broker.clock().now();
        let is_over = message.deadline <= now.timestamp();
        let message = TaskMessage {
            id: Uuids::new().next(),
            queue: queue.to_owned(),
            deadline: if is_over { 0 } else { message.deadline },
            retried: 0,
            error_msg: String::new(),
            last_failed_at: 0,
            completed_at: 0,
            unique_key: String::new(),
            group_key: String::new(),
            ..message
        };
        let copy = NewTask {
            keys,
            id: message.id.as_str().into(),
            id_is_random: true,
            message: wire::encode(&message),
            placement: Placement::Pending,
            group: String::new(),
            lock: None,
        };
        self.broker.enqueue_one(copy).await?;
        Ok(TaskInfo::new(message, TaskState::Pending, Some(now), None))
    }
}
