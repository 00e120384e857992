//! The context of a run: what a handler can read and do while it runs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use super::ended::{RunEnded, RunPhase};
use super::progress::Progress;
use super::result::ResultSink;
use super::shared_state::States;
use super::slot::{BorrowedSlot, Slot};
use crate::error::{Error, ErrorKind, Result};
use crate::wire::{TaskMessage, to_json};

/// What a server or a test supplies for a run.
pub(crate) struct RunSeed {
    pub(crate) message: Arc<TaskMessage>,
    pub(crate) results: ResultSink,
    pub(crate) slot: Arc<Slot>,
}

/// What a handler can read and do while it runs: the task's id, queue and retries, the deadline, the
/// cancellation, the result and the progress, and the state that the [`Mux`](crate::Mux) shares.
///
/// Clones are cheap and belong to the same run. A clone may outlive the run; then its writes fail.
/// asynq: the functions `GetTaskID`, `GetRetryCount`, …, and `ResultWriter`.
#[derive(Clone)]
pub struct TaskContext {
    run: Arc<RunData>,
    states: States,
}

struct RunData {
    message: Arc<TaskMessage>,
    /// Set when the run begins.
    deadline: OnceLock<DateTime<Utc>>,
    /// [`TaskContext::end`] cancels this token.
    ends: CancellationToken,
    /// A child of `ends`, which the handler may cancel. Most handlers never ask for it.
    cancellation: OnceLock<CancellationToken>,
    results: ResultSink,
    slot: Arc<Slot>,
    phase: RunPhase,
    /// A result is stored or being stored. Progress must not replace it.
    has_result: AtomicBool,
}

impl TaskContext {
    pub(crate) fn new(seed: RunSeed) -> Self {
        Self {
            run: Arc::new(RunData {
                message: seed.message,
                deadline: OnceLock::new(),
                ends: CancellationToken::new(),
                cancellation: OnceLock::new(),
                results: seed.results,
                slot: seed.slot,
                phase: RunPhase::running(),
                has_result: AtomicBool::new(false),
            }),
            states: States::default(),
        }
    }

    /// The task's id, unique within its queue. asynq: `GetTaskID`.
    pub fn task_id(&self) -> &str {
        &self.run.message.id
    }

    /// The queue of the task. asynq: `GetQueueName`.
    pub fn queue(&self) -> &str {
        &self.run.message.queue
    }

    /// The type of the task.
    pub fn task_type(&self) -> &str {
        &self.run.message.r#type
    }

    /// The headers that were stored with the task.
    pub fn headers(&self) -> &BTreeMap<String, String> {
        &self.run.message.headers
    }

    /// The number of counted retries so far: 0 in the first run. Snoozes do not count, nor do errors
    /// for which [`is_failure`](crate::Server::is_failure) returns false. asynq: `GetRetryCount`.
    pub fn retried(&self) -> u32 {
        u32::try_from(self.run.message.retried).unwrap_or(0)
    }

    /// The maximum number of counted retries. asynq: `GetMaxRetry`.
    pub fn max_retry(&self) -> u32 {
        u32::try_from(self.run.message.retry).unwrap_or(0)
    }

    /// Whether no retry is left: if this run fails, the task is archived.
    pub fn is_last_try(&self) -> bool {
        self.retried() >= self.max_retry()
    }

    /// When the server ends this run, by this machine's clock: the earlier of the task's deadline, and the
    /// start of the run plus the task's timeout.
    ///
    /// The task's deadline is a time by the clock of Redis. If that clock differs from this machine's by
    /// 0.1 s or more, the returned time is corrected by the difference.
    ///
    /// In a handler that a server calls this is always `Some`. A hook sees `None` if the server ended
    /// the run before it called the handler.
    pub fn deadline(&self) -> Option<DateTime<Utc>> {
        self.run.deadline.get().copied()
    }

    /// Sets the deadline. Only the first call has an effect.
    pub(crate) fn set_deadline(&self, at: DateTime<Utc>) {
        let _ = self.run.deadline.set(at);
    }

    /// A token that is cancelled when the server ends the run: the task was cancelled, the run's
    /// deadline has passed, its lease was lost, or a shutdown no longer waits for handlers.
    /// [`ended`](Self::ended) returns the reason.
    ///
    /// Then the server drops the handler's future at once. Only after a cancellation it first waits for
    /// the [grace period](crate::Server::cancel_grace). Use the token in work that the handler started
    /// elsewhere, and in [`blocking`](crate::blocking()) handlers.
    ///
    /// The token is the handler's own: a child of the one by which the server ends the run. Every call
    /// returns the same token. If the handler cancels it, or drops a guard that cancels it, this reaches
    /// all who wait for the token, and has no effect on the run.
    pub fn cancellation(&self) -> &CancellationToken {
        let child = || self.run.ends.child_token();
        self.run.cancellation.get_or_init(child)
    }

    /// Waits until the server ends the run.
    pub(crate) fn has_ended(&self) -> WaitForCancellationFuture<'_> {
        self.run.ends.cancelled()
    }

    /// Why the server ended the run. `None` while the run goes on, and if the handler returned before
    /// the server ended the run. After a cancellation it stays `Some`, even if the handler answers
    /// within the grace period.
    pub fn ended(&self) -> Option<RunEnded> {
        self.run.phase.ended()
    }

    /// Writes the task's result. It replaces an earlier result and the progress. asynq:
    /// `ResultWriter.Write`.
    ///
    /// Redis stores the result at once, so it can be read while the task runs. After the task is
    /// completed, the result is kept for the task's [retention](crate::Task::retention); by default it
    /// is deleted with the task.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::Invalid`]: the result has more than [`MAX_RESULT_SIZE`](crate::MAX_RESULT_SIZE) bytes, or
    ///   more than Redis takes. Nothing is sent.
    /// - [`ErrorKind::Closed`]: the handler has returned, or the server has ended the run (then also
    ///   during the grace period of a cancellation). Nothing is written.
    /// - [`ErrorKind::TaskNotFound`]: the task was deleted, or another server runs it now. Nothing is
    ///   written.
    /// - [`ErrorKind::Unavailable`]: Redis does not answer. The result may be written all the same.
    /// - [`ErrorKind::Redis`]: Redis answers with an error.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the result may or may not have been written.
    pub async fn write_result(&self, result: impl Into<Bytes>) -> Result<()> {
        let earlier = self.run.has_result.swap(true, Ordering::AcqRel);
        let written = self.write(result.into()).await;
        if written.is_err() && !earlier {
            self.run.has_result.store(false, Ordering::Release);
        }
        written
    }

    /// Writes the task's result as JSON; see [`write_result`](Self::write_result).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if the value does not encode, and the errors of
    /// [`write_result`](Self::write_result).
    ///
    /// # Cancel safety
    ///
    /// The same as [`write_result`](Self::write_result).
    pub async fn write_json(&self, result: &(impl Serialize + ?Sized + Sync)) -> Result<()> {
        let json = to_json(result).map_err(|error| {
            let text = format!("result of {self} does not encode as JSON: {error}");
            Error::invalid(text).with_source(error)
        })?;
        self.write_result(json).await
    }

    /// Reports how far the run has come.
    ///
    /// Redis stores the progress as JSON in the field `result` of the task, until the result replaces
    /// the progress. So asynqmon shows the progress too while the task runs:
    /// `{"progress":{"done":3,"total":10,"percent":30,"message":"…"}}`
    ///
    /// Each call is a round trip to Redis. Report now and then, not after every item.
    ///
    /// # Errors
    ///
    /// The errors of [`write_result`](Self::write_result), and [`ErrorKind::WrongState`] if a result
    /// was written before: progress does not replace a result.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the progress may or may not have been written.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// # let run = rasynq::TestRun::new("video:cut");
    /// # let cx = run.context();
    /// use rasynq::Progress;
    /// cx.progress(Progress::new(3, 10).message("cutting")).await?;
    /// # assert_eq!(
    /// #     run.result().unwrap(),
    /// #     r#"{"progress":{"done":3,"total":10,"percent":30,"message":"cutting"}}"#
    /// # );
    /// # Ok::<_, rasynq::Error>(()) }).unwrap();
    /// ```
    pub async fn progress(&self, progress: Progress) -> Result<()> {
        if self.run.has_result.load(Ordering::Acquire) {
            return Err(self.error(
                ErrorKind::WrongState,
                format!("{self} has its result already, progress would replace it"),
            ));
        }
        self.write(progress.to_json()).await
    }

    /// The value of this type that the mux shares with its handlers; see
    /// [`Mux::state`](crate::Mux::state).
    pub fn state<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.states.get()
    }

    /// The same context with one more shared value. For a layer that adds state.
    #[must_use]
    pub fn with_state<T: Send + Sync + 'static>(mut self, state: Arc<T>) -> Self {
        self.states.insert(state);
        self
    }

    pub(crate) fn states_mut(&mut self) -> &mut States {
        &mut self.states
    }

    /// Borrows the run's slot: it stays taken until the returned value is dropped. `None`: the run is
    /// over.
    pub(crate) fn borrow_slot(&self) -> Option<BorrowedSlot> {
        self.run.slot.borrow()
    }

    /// Ends the run and cancels its token. If the run has already ended, the earlier reason stays.
    pub(crate) fn end(&self, reason: RunEnded) {
        if self.run.phase.end(reason) {
            self.run.ends.cancel();
        }
    }

    /// Records that the handler has returned.
    pub(crate) fn answered(&self) {
        self.run.phase.answer();
    }

    async fn write(&self, result: Bytes) -> Result<()> {
        let (size, limit) = (result.len(), self.run.results.max_size());
        if size > limit {
            return Err(self.error(
                ErrorKind::Invalid,
                format!("the result of {self} has {size} bytes, it must have at most {limit}"),
            ));
        }
        if !self.run.phase.is_running() {
            let why = match self.ended() {
                Some(reason) => reason.to_string(),
                None => "the handler has returned".to_owned(),
            };
            return Err(self.error(
                ErrorKind::Closed,
                format!("nothing is written for {self}, the run is over: {why}"),
            ));
        }
        let written = self.run.results.write(result).await?;
        if written {
            Ok(())
        } else {
            Err(self.error(
                ErrorKind::TaskNotFound,
                format!("nothing is written for {self}, the task is gone or has another owner"),
            ))
        }
    }

    fn error(&self, kind: ErrorKind, message: String) -> Error {
        Error::new(kind, message).with_task_id(self.task_id())
    }
}

/// The task in error texts: `task "<id>" of queue "<queue>"`.
impl fmt::Display for TaskContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {:?} of queue {:?}", self.task_id(), self.queue())
    }
}

impl fmt::Debug for TaskContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskContext")
            .field("task_id", &self.task_id())
            .field("task_type", &self.task_type())
            .field("queue", &self.queue())
            .field("retried", &self.retried())
            .field("max_retry", &self.max_retry())
            .field("deadline", &self.deadline())
            .field("ended", &self.ended())
            .finish_non_exhaustive()
    }
}
