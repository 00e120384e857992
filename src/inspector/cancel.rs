//! Cancelling runs.

use std::time::Duration;

use super::Inspector;
use crate::clock;
use crate::error::{ErrorKind, Result};

/// How long a cancellation waits for a confirmation.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long it waits before it looks for one first. Each pause is twice the one before, up to 50 ms.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Whether a server has heard a cancellation.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cancellation {
    /// A server of rasynq that runs a task with this id, of any queue, has heard it, and has cancelled the run's context.
    Heard,
    /// No server listens for cancellations. On a cluster, this is never known.
    NobodyListens,
    /// Servers listen, but none has confirmed within 1 s. The task is not running, or a server of asynq runs it: such
    /// servers never confirm. Or the server does not reach Redis, or has more than 100 confirmations to send.
    NotKnown,
}

impl Inspector {
    /// Asks the server that runs this task to cancel the run. asynq: `CancelProcessing`.
    ///
    /// The request goes by pub/sub to all servers that are connected now. It has no queue, so it cancels the runs of all
    /// tasks with this id. The call then waits up to 1 s for a server of rasynq to confirm.
    ///
    /// ```no_run
    /// # async fn example(inspector: rasynq::Inspector) -> rasynq::Result<()> {
    /// use rasynq::Cancellation;
    /// match inspector.cancel_processing("report-7").await? {
    ///     Cancellation::Heard => println!("cancelled"),
    ///     Cancellation::NobodyListens => println!("no server is running"),
    ///     _ => println!("sent; the task is not running, or a Go server runs it"),
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The errors of [`queues`](Self::queues), and [`ErrorKind::Unavailable`] if Redis is a replica at which nobody listens:
    /// servers listen at the master. After an error, the request may have been sent.
    ///
    /// # Cancel safety
    /// If the future is dropped, the request may or may not have been sent.
    pub async fn cancel_processing(&self, id: &str) -> Result<Cancellation> {
        // A confirmation of an earlier cancellation may still be there. Each has a text of its own. A Redis user without
        // permission for the key cancels all the same, and so does a caller while the node of the key is away.
        let earlier = match self.broker.cancellation(id).await {
            Err(error) if matches!(error.kind(), ErrorKind::Redis | ErrorKind::Unavailable) => None,
            earlier => Some(earlier?),
        };
        let sent_at = clock::monotonic();
        if self.broker.publish_cancellation(id).await? == Some(false) {
            return Ok(Cancellation::NobodyListens);
        }
        let Some(earlier) = earlier else {
            return Ok(Cancellation::NotKnown);
        };
        let mut pause = FIRST_PAUSE;
        while clock::monotonic() - sent_at < PATIENCE {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            // The request is sent. If the confirmation cannot be read, it may still have been heard.
            match self.broker.cancellation(id).await {
                Ok(latest) if latest.is_some() && latest != earlier => {
                    return Ok(Cancellation::Heard);
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Unavailable => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Cancellation::NotKnown)
    }
}
