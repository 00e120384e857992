//! Runs without a server, for the tests of handlers.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

use super::{Answer, IntoHandler, Run, RunEnded};
use crate::context::{KeptResult, ResultSink, RunSeed, TaskContext};
use crate::task::Task;
use crate::wire::TaskMessage;

/// One run of a task without a server and without Redis: the context to call a handler with, and
/// a view of what the handler did to it.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use rasynq::{Task, TaskContext, TestRun};
///
/// async fn count(cx: TaskContext, task: Task) -> anyhow::Result<()> {
///     cx.write_result(task.payload().len().to_string()).await?;
///     Ok(())
/// }
///
/// let run = TestRun::new("text:count").retried(2);
/// count(run.context(), Task::new("text:count", "hello")).await?;
/// assert_eq!(run.result().as_deref(), Some(&b"5"[..]));
/// # Ok::<_, anyhow::Error>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct TestRun {
    message: TaskMessage,
    deadline: Option<DateTime<Utc>>,
    kept: Arc<KeptResult>,
    context: std::sync::OnceLock<TaskContext>,
}

impl TestRun {
    /// The first run of a task of this type, with id `"test"`, in the queue `"default"`.
    pub fn new(task_type: impl Into<String>) -> Self {
        Self {
            message: TaskMessage {
                r#type: task_type.into(),
                id: "test".to_owned(),
                queue: crate::task::DEFAULT_QUEUE.to_owned(),
                // The constant is far below i32::MAX.
                retry: crate::task::DEFAULT_MAX_RETRY as i32,
                ..TaskMessage::default()
            },
            deadline: None,
            kept: Arc::default(),
            context: std::sync::OnceLock::new(),
        }
    }

    /// Sets the id.
    #[must_use]
    pub fn task_id(mut self, id: impl Into<String>) -> Self {
        self.message.id = id.into();
        self
    }

    /// Sets the queue.
    #[must_use]
    pub fn queue(mut self, name: impl Into<String>) -> Self {
        self.message.queue = name.into();
        self
    }

    /// Sets how often the task has been retried.
    #[must_use]
    pub fn retried(mut self, n: u32) -> Self {
        self.message.retried = i32::try_from(n).unwrap_or(i32::MAX);
        self
    }

    /// Sets how often the task may be retried.
    #[must_use]
    pub fn max_retry(mut self, n: u32) -> Self {
        self.message.retry = i32::try_from(n).unwrap_or(i32::MAX);
        self
    }

    /// Sets a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.message.headers.insert(name.into(), value.into());
        self
    }

    /// Sets the deadline that the context tells. Nothing happens when it comes.
    #[must_use]
    pub fn deadline(mut self, at: DateTime<Utc>) -> Self {
        self.deadline = Some(at);
        self
    }

    /// The context. It is one and the same from the first call on.
    pub fn context(&self) -> TaskContext {
        self.context
            .get_or_init(|| {
                let context = TaskContext::new(RunSeed {
                    message: Arc::new(self.message.clone()),
                    cancellation: CancellationToken::new(),
                    results: ResultSink::Kept(Arc::clone(&self.kept)),
                    slot: Arc::new(()),
                });
                if let Some(at) = self.deadline {
                    context.set_deadline(at);
                }
                context
            })
            .clone()
    }

    /// Runs a handler as a server does: through layers and mux, the payload decoded, panics
    /// caught. An error of the mux comes out as the error.
    pub async fn call<M>(
        &self,
        handler: impl IntoHandler<M>,
        payload: impl Into<Bytes>,
    ) -> Result<Answer, anyhow::Error> {
        let service = handler.into_service()?;
        let mut task = Task::new(self.message.r#type.clone(), payload);
        for (name, value) in &self.message.headers {
            task = task.header(name, value);
        }
        service.run(Run::new(self.context(), task)).await
    }

    /// Ends the run: the context's cancellation fires, and no result can be written any more.
    pub fn end(&self, cause: RunEnded) {
        self.context().end(cause);
    }

    /// The result as it was last written.
    pub fn result(&self) -> Option<Bytes> {
        self.kept.get()
    }
}
