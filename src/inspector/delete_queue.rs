//! Deleting a queue with all that belongs to it.

use std::future::{Future, IntoFuture};
use std::pin::Pin;

use super::{BulkProgress, Inspector};
use crate::error::{Error, ErrorKind, Result};

impl Inspector {
    /// Deletes a queue and all that belongs to it. asynq: `DeleteQueue`.
    ///
    /// # Errors
    /// - [`ErrorKind::QueueNotFound`]: there is no such queue.
    /// - [`ErrorKind::WrongState`]: a task of the queue is active.
    /// - [`ErrorKind::QueueNotEmpty`]: the queue has tasks, and [`force`](DeleteQueue::force) was not given.
    /// - The errors of [`queues`](Self::queues).
    pub fn delete_queue(&self, queue: impl Into<String>) -> DeleteQueue {
        DeleteQueue {
            inspector: self.clone(),
            queue: queue.into(),
            force: false,
            on_progress: None,
        }
    }
}

/// A prepared deletion of a queue. Await it: only then the queue is deleted.
#[must_use = "nothing is deleted until this is awaited"]
pub struct DeleteQueue {
    inspector: Inspector,
    queue: String,
    force: bool,
    on_progress: Option<ProgressHook>,
}

type ProgressHook = Box<dyn Fn(BulkProgress) + Send + Sync>;

impl DeleteQueue {
    /// Deletes the queue even if it has tasks.
    pub fn force(mut self) -> Self {
        self.force = true;
        self
    }

    /// Calls this function after each step.
    pub fn on_progress(mut self, hook: impl Fn(BulkProgress) + Send + Sync + 'static) -> Self {
        self.on_progress = Some(Box::new(hook));
        self
    }

    async fn delete(self) -> Result<()> {
        let keys = self.inspector.queue_keys(&self.queue)?;
        Err(Error::new(
            ErrorKind::Internal,
            format!(
                "{keys:?}: not built yet ({}, {})",
                self.force,
                self.on_progress.is_some()
            ),
        ))
    }
}

impl IntoFuture for DeleteQueue {
    type Output = Result<()>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.delete())
    }
}
