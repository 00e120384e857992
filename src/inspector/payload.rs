//! Replaces the payload of a task.

use bytes::Bytes;

use super::Inspector;
use crate::broker::{NewPayload, PayloadChanged};
use crate::error::{Error, ErrorKind, Result};
use crate::wire;

/// How often a message that changes meanwhile is read.
const MOST_READS: u32 = 5;
/// What a run may add to a message: an error text, and a few numbers.
const RESERVE: usize = 128 << 10;

impl Inspector {
    /// Replaces the payload of a scheduled task. asynq: `UpdateTaskPayload`.
    ///
    /// If the task holds a unique lock, the lock moves to the new payload in the same step, with the rest of its TTL.
    ///
    /// # Errors
    /// - [`ErrorKind::Invalid`] if the name of the queue is blank, or if Redis takes no message of this size.
    /// - [`ErrorKind::QueueNotFound`], [`ErrorKind::TaskNotFound`].
    /// - [`ErrorKind::WrongState`] if the task is not scheduled.
    /// - [`ErrorKind::DuplicateTask`] if the task holds a lock, and another task holds that of the new payload.
    ///   [`Error::task_id`] is the other task.
    /// - [`ErrorKind::Undecodable`] if the stored message does not decode.
    /// - The errors of [`queues`](Self::queues). After [`ErrorKind::Unavailable`] the task may have either payload; the
    ///   same call again does no harm.
    ///
    /// # Cancel safety
    /// If the future is dropped, the task may have either payload.
    ///
    /// ```no_run
    /// # async fn example(inspector: rasynq::Inspector) -> rasynq::Result<()> {
    /// inspector.update_task_payload("default", "monthly-report", r#"{"month":"May"}"#).await?;
    /// # Ok(()) }
    /// ```
    pub async fn update_task_payload(
        &self,
        queue: &str,
        id: &str,
        payload: impl Into<Bytes>,
    ) -> Result<()> {
        let keys = self.queue_keys(queue)?;
        let payload = payload.into();
        let fails = |kind, why: String| {
            let text =
                format!("cannot change the payload of task {id:?} in queue {queue:?}: {why}");
            Error::new(kind, text).with_task_id(id)
        };
        for _ in 0..MOST_READS {
            let Some(stored) = self.broker.task(&keys, id).await? else {
                return Err(self.missing(queue, id).await);
            };
            let mut message = wire::decode_task(stored.task.message.clone()).map_err(|error| {
                let why = "its message does not decode".to_owned();
                fails(ErrorKind::Undecodable, why).with_source(error)
            })?;
            let old_lock = message.unique_key;
            // Stored messages do not tell an empty payload from none, which is what clients have.
            let digested = Some(&*payload).filter(|payload| !payload.is_empty());
            let new_lock = keys.unique(&message.r#type, digested);
            message.payload = payload.clone();
            message.unique_key = match old_lock.is_empty() {
                true => String::new(),
                false => new_lock.clone(),
            };
            let new = NewPayload {
                read: stored.task.message,
                message: wire::encode(&message),
                old_lock,
                new_lock,
            };
            let (size, limit) = (new.message.len(), self.broker.max_argument() - RESERVE);
            if size > limit {
                let why = format!("it would have {size} bytes, Redis takes at most {limit}");
                return Err(fails(ErrorKind::Invalid, why));
            }
            return Err(match self.broker.set_payload(&keys, id, &new).await? {
                PayloadChanged::Yes => return Ok(()),
                PayloadChanged::Meanwhile => continue,
                PayloadChanged::Missing => self.missing(queue, id).await,
                PayloadChanged::Other(state) => fails(
                    ErrorKind::WrongState,
                    format!("it is {state}, not scheduled"),
                ),
                PayloadChanged::Duplicate(holder) if holder.is_empty() => {
                    let text =
                        "the lock of the new payload is not a lock: its key has a wrong type";
                    fails(ErrorKind::DuplicateTask, text.to_owned())
                }
                PayloadChanged::Duplicate(holder) => {
                    let why = format!("task {holder:?} holds the unique lock of the new payload");
                    fails(ErrorKind::DuplicateTask, why).with_task_id(holder.to_string())
                }
            });
        }
        let why = "it is changed by others again and again".to_owned();
        Err(fails(ErrorKind::Unavailable, why))
    }
}
