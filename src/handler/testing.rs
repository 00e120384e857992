//! Runs of handlers without a server and without Redis, for tests.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use std::sync::{Arc, OnceLock};

use super::answer::Answer;
use super::into_handler::IntoHandler;
use crate::guard::Foreign;
use crate::run::{KeptResult, ResultSink, Run, RunEnded, RunSeed, Slot, TaskContext};
use crate::task::{DEFAULT_MAX_RETRY, DEFAULT_QUEUE, Task};
use crate::wire::TaskMessage;

/// One run of a task without a server and without Redis. It supplies the context for a handler, and
/// keeps the result that the handler writes.
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
    context: OnceLock<TaskContext>,
}

impl TestRun {
    /// Creates the first run of a task of this type, with the id `"test"`, in the queue `"default"`.
    pub fn new(task_type: impl Into<String>) -> Self {
        Self {
            message: TaskMessage {
                r#type: task_type.into(),
                id: "test".to_owned(),
                queue: DEFAULT_QUEUE.to_owned(),
                // The constant is far below i32::MAX.
                retry: DEFAULT_MAX_RETRY as i32,
                ..TaskMessage::default()
            },
            deadline: None,
            kept: Arc::default(),
            context: OnceLock::new(),
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

    /// Sets how many counted retries the task has had so far.
    #[must_use]
    pub fn retried(mut self, n: u32) -> Self {
        self.message.retried = i32::try_from(n).unwrap_or(i32::MAX);
        self
    }

    /// Sets how many times the task may be retried.
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

    /// Sets the deadline that the context returns. The run does not end at the deadline.
    #[must_use]
    pub fn deadline(mut self, at: DateTime<Utc>) -> Self {
        self.deadline = Some(at);
        self
    }

    /// The context. Every call returns a clone of the same context. Settings made after the first
    /// call have no effect on it.
    pub fn context(&self) -> TaskContext {
        self.context
            .get_or_init(|| {
                let context = TaskContext::new(RunSeed {
                    message: Arc::new(self.message.clone()),
                    results: ResultSink::Kept(Arc::clone(&self.kept)),
                    slot: Slot::new(None),
                });
                if let Some(at) = self.deadline {
                    context.set_deadline(at);
                }
                context
            })
            .clone()
    }

    /// Runs a handler as a server does: through the mux and its layers, with the payload decoded and
    /// panics caught.
    ///
    /// # Errors
    ///
    /// The handler's error, or the error of a mux that is not [valid](crate::Mux::validate).
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
        let answer = service.run(Run::new(self.context(), task)).await;
        answer.map_err(Foreign::into_inner)
    }

    /// Ends the run: cancels the context's token. After that the run can no longer write a result.
    pub fn end(&self, reason: RunEnded) {
        self.context().end(reason);
    }

    /// The last result or progress that the handler wrote.
    pub fn result(&self) -> Option<Bytes> {
        self.kept.get()
    }
}
