//! Cancelling runs.

use super::Inspector;
use crate::error::Result;

/// Whether a server has heard a cancellation.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cancellation {
    /// A server of rasynq that holds a run of the task has heard it, and has ended the run's context.
    Heard,
    /// No server listens for cancellations.
    NobodyListens,
    /// Servers listen, but none has confirmed. The task is not running, or a server of asynq runs it: such servers
    /// never confirm.
    NotKnown,
}

impl Inspector {
    /// Asks the server that runs this task to cancel the run. asynq: `CancelProcessing`.
    ///
    /// The request goes by pub/sub to all servers that are connected now, so it takes no queue: it cancels the runs
    /// of all tasks with this id. The call waits up to 1 s for a confirmation.
    ///
    /// # Errors
    /// The errors of [`queues`](Self::queues).
    ///
    /// # Cancel safety
    /// If the future is dropped, the request may or may not have been sent.
    pub async fn cancel_processing(&self, id: &str) -> Result<Cancellation> {
        self.broker.publish_cancellation(id).await?;
        Ok(Cancellation::NotKnown)
    }
}
