//! Changes the time at which a task is due.

use chrono::{DateTime, Utc};

use super::Inspector;
use crate::broker::TaskChange;
use crate::error::Result;

impl Inspector {
    /// Changes when a task is due, to the whole second. asynq has no such call.
    ///
    /// Scheduled and retry tasks keep their state. Pending and archived tasks become scheduled. A time that has
    /// passed is allowed: the task is then due at once. If the task holds a unique lock and is due later than
    /// before, the TTL of the lock grows by the difference.
    ///
    /// # Errors
    /// - [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the name of the queue is blank.
    /// - [`ErrorKind::QueueNotFound`](crate::ErrorKind::QueueNotFound),
    ///   [`ErrorKind::TaskNotFound`](crate::ErrorKind::TaskNotFound).
    /// - [`ErrorKind::WrongState`](crate::ErrorKind::WrongState) if the task is in another state.
    /// - The errors of [`queues`](Self::queues). After [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) the
    ///   task may or may not be rescheduled.
    ///
    /// # Cancel safety
    /// If the future is dropped, the task may or may not be rescheduled.
    ///
    /// ```no_run
    /// # async fn example(inspector: rasynq::Inspector) -> rasynq::Result<()> {
    /// use std::time::Duration;
    ///
    /// use rasynq::chrono::Utc;
    ///
    /// let in_an_hour = Utc::now() + Duration::from_secs(3600);
    /// inspector.reschedule_task("default", "monthly-report", in_an_hour).await?;
    /// # Ok(()) }
    /// ```
    pub async fn reschedule_task(&self, queue: &str, id: &str, at: DateTime<Utc>) -> Result<()> {
        let change = TaskChange::Reschedule(at.timestamp().max(0));
        self.change_task(queue, id, change, "reschedule").await
    }
}
