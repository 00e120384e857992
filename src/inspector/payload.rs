//! Replaces the payload of a task.

use bytes::Bytes;

use super::Inspector;
use super::verbs::not_built;
use crate::error::Result;

impl Inspector {
    /// Replaces the payload of a scheduled task. asynq: `UpdateTaskPayload`.
    ///
    /// If the task holds a unique lock, the lock moves to the new payload in the same step, with its TTL.
    ///
    /// # Errors
    /// - [`ErrorKind::QueueNotFound`](crate::ErrorKind::QueueNotFound),
    ///   [`ErrorKind::TaskNotFound`](crate::ErrorKind::TaskNotFound).
    /// - [`ErrorKind::WrongState`](crate::ErrorKind::WrongState) if the task is not scheduled.
    /// - [`ErrorKind::DuplicateTask`](crate::ErrorKind::DuplicateTask) if another task holds the lock of the new payload.
    /// - [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if Redis takes no message of this size.
    /// - [`ErrorKind::Undecodable`](crate::ErrorKind::Undecodable) if the stored message does not decode.
    /// - The errors of [`queues`](Self::queues). After [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) the
    ///   task may have either payload.
    ///
    /// # Cancel safety
    /// If the future is dropped, the task may have either payload.
    pub async fn update_task_payload(
        &self,
        queue: &str,
        id: &str,
        payload: impl Into<Bytes>,
    ) -> Result<()> {
        let _payload: Bytes = payload.into();
        Err(not_built(queue, id))
    }
}
