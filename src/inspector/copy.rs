//! Enqueues a finished task again, as a new task.

use super::Inspector;
use super::verbs::not_built;
use crate::error::Result;
use crate::task::TaskInfo;

impl Inspector {
    /// Enqueues a copy of a finished task, and returns the copy. The finished task stays. Not in asynq.
    ///
    /// The copy is pending in the same queue, with an id of its own. It has the type, payload, headers, maximum number
    /// of retries, timeout and retention of the task, and its deadline unless that has passed. It has no unique lock, and
    /// no failed runs.
    ///
    /// # Errors
    /// - [`ErrorKind::QueueNotFound`](crate::ErrorKind::QueueNotFound),
    ///   [`ErrorKind::TaskNotFound`](crate::ErrorKind::TaskNotFound).
    /// - [`ErrorKind::WrongState`](crate::ErrorKind::WrongState) if the task is neither completed nor archived.
    /// - [`ErrorKind::Undecodable`](crate::ErrorKind::Undecodable) if the stored message does not decode.
    /// - The errors of [`queues`](Self::queues). After [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) the
    ///   copy may or may not be enqueued.
    ///
    /// # Cancel safety
    /// If the future is dropped, the copy may or may not be enqueued.
    pub async fn enqueue_copy(&self, queue: &str, id: &str) -> Result<TaskInfo> {
        Err(not_built(queue, id))
    }
}
