//! What a handler can ask and do while it runs.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::broker::{Broker, Str};
use crate::error::{Error, ErrorKind, Result};
use crate::handler::RunEnded;
use crate::wire::TaskMessage;

/// Keeps one place among a server's workers taken. The server gives each run one, and holds on
/// to it for as long as the run's future lives; a blocking handler holds it for longer.
pub(crate) type SlotGuard = Arc<dyn Any + Send + Sync>;

/// What the server supplies for a run.
pub(crate) struct RunSeed {
    pub(crate) message: Arc<TaskMessage>,
    /// Fired by [`TaskContext::end`].
    pub(crate) cancellation: CancellationToken,
    pub(crate) results: ResultSink,
    /// The context does not hold it, so a clone that outlives the run keeps no slot.
    pub(crate) slot: SlotGuard,
}

/// Where results go.
pub(crate) enum ResultSink {
    /// To the task in Redis, if `owner` still owns it.
    Broker { broker: Broker, owner: Str },
    /// Into memory, for tests of handlers.
    Kept(Arc<KeptResult>),
}

/// A result in memory.
#[derive(Debug, Default)]
pub(crate) struct KeptResult(Mutex<Option<Bytes>>);

impl KeptResult {
    pub(crate) fn get(&self) -> Option<Bytes> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, result: Bytes) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
    }
}

/// What a handler can ask and do: the task's id, queue and counts, the deadline, the
/// cancellation, its result and its progress, and the state that the [`Mux`](crate::Mux) shares.
///
/// Clones are cheap and see the same run. A clone may outlive the run; it then writes nothing.
/// asynq: the functions `GetTaskID`, `GetRetryCount`, …, and `ResultWriter`.
#[derive(Clone)]
pub struct TaskContext {
    inner: Arc<Inner>,
    states: States,
}

struct Inner {
    message: Arc<TaskMessage>,
    /// Known once the run begins.
    deadline: OnceLock<DateTime<Utc>>,
    cancellation: CancellationToken,
    results: ResultSink,
    slot: Weak<dyn Any + Send + Sync>,
    phase: AtomicU8,
    has_result: AtomicBool,
}

// The phases of a run.
const RUNNING: u8 = 0;
const ANSWERED: u8 = 1;
const CANCELED: u8 = 2;
const DEADLINE_EXCEEDED: u8 = 3;
const LEASE_EXPIRED: u8 = 4;

impl TaskContext {
    pub(crate) fn new(seed: RunSeed) -> Self {
        Self {
            inner: Arc::new(Inner {
                message: seed.message,
                deadline: OnceLock::new(),
                cancellation: seed.cancellation,
                results: seed.results,
                slot: Arc::downgrade(&seed.slot),
                phase: AtomicU8::new(RUNNING),
                has_result: AtomicBool::new(false),
            }),
            states: States::default(),
        }
    }

    /// The task's id, unique within its queue. asynq: `GetTaskID`.
    pub fn task_id(&self) -> &str {
        &self.inner.message.id
    }

    /// The queue that the task came from. asynq: `GetQueueName`.
    pub fn queue(&self) -> &str {
        &self.inner.message.queue
    }

    /// The type of the task.
    pub fn task_type(&self) -> &str {
        &self.inner.message.r#type
    }

    /// The headers that came with the task.
    pub fn headers(&self) -> &BTreeMap<String, String> {
        &self.inner.message.headers
    }

    /// How often the task has been retried so far; 0 in its first run. asynq: `GetRetryCount`.
    pub fn retried(&self) -> u32 {
        u32::try_from(self.inner.message.retried).unwrap_or(0)
    }

    /// How often the task may be retried. asynq: `GetMaxRetry`.
    pub fn max_retry(&self) -> u32 {
        u32::try_from(self.inner.message.retry).unwrap_or(0)
    }

    /// Whether a failure of this run is the last: no retry is left.
    pub fn is_last_try(&self) -> bool {
        self.retried() >= self.max_retry()
    }

    /// When this run is ended: the earlier of the task's deadline, and its start plus the task's
    /// timeout. A handler of a server always has one; a hook has none for a run that was ended before it
    /// began.
    pub fn deadline(&self) -> Option<DateTime<Utc>> {
        self.inner.deadline.get().copied()
    }

    /// Sets the deadline, once.
    pub(crate) fn set_deadline(&self, at: DateTime<Utc>) {
        let _ = self.inner.deadline.set(at);
    }

    /// Fires when the run is ended from outside: cancelled, out of time, its lease lost, or the
    /// server shut down. [`ended`](Self::ended) says which.
    ///
    /// The handler's future is dropped soon after; this is for what it started elsewhere, and
    /// for [`blocking`](crate::blocking) handlers. To cancel it oneself has no effect on the run.
    pub fn cancellation(&self) -> &CancellationToken {
        &self.inner.cancellation
    }

    /// Why the run was ended from outside; `None` while it goes on, and after an answer.
    pub fn ended(&self) -> Option<RunEnded> {
        match self.inner.phase.load(Ordering::Acquire) {
            CANCELED => Some(RunEnded::Canceled),
            DEADLINE_EXCEEDED => Some(RunEnded::DeadlineExceeded),
            LEASE_EXPIRED => Some(RunEnded::LeaseExpired),
            _ => None,
        }
    }

    /// Writes the task's result, in place of an earlier one and of any progress. asynq:
    /// `ResultWriter.Write`.
    ///
    /// It is stored at once, and can be read while the task runs; once the task is completed it
    /// is kept for the task's [retention](crate::Task::retention), by default not at all.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`] when the run is over; [`ErrorKind::TaskNotFound`] when the task was
    /// deleted or belongs to another worker by now: nothing is written then. Otherwise Redis'.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the result may be written or not.
    pub async fn write_result(&self, result: impl Into<Bytes>) -> Result<()> {
        let earlier = self.inner.has_result.swap(true, Ordering::AcqRel);
        let written = self.write(result.into()).await;
        if written.is_err() && !earlier {
            self.inner.has_result.store(false, Ordering::Release);
        }
        written
    }

    /// Writes the task's result as JSON; see [`write_result`](Self::write_result).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] where it does not encode, and those of
    /// [`write_result`](Self::write_result).
    pub async fn write_json(&self, result: &(impl Serialize + ?Sized + Sync)) -> Result<()> {
        let json = serde_json::to_vec(result).map_err(|error| {
            Error::invalid(format!("result of {self} does not encode as JSON")).with_source(error)
        })?;
        self.write_result(json).await
    }

    /// Reports how far the run has come. It stands where the result will be, as JSON, so that it
    /// can be seen while the task runs, in asynqmon too:
    /// `{"progress":{"done":3,"total":10,"percent":30,"message":"…"}}`
    ///
    /// Every call is a round trip to Redis: report now and then, not for every item.
    ///
    /// # Errors
    ///
    /// As [`write_result`](Self::write_result); and [`ErrorKind::WrongState`] once a result is
    /// written, which is not overwritten.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the progress may be written or not.
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
        if self.inner.has_result.load(Ordering::Acquire) {
            return Err(Error::new(
                ErrorKind::WrongState,
                format!("{self} has its result already, progress would replace it"),
            )
            .with_task_id(self.task_id()));
        }
        self.write(progress.to_json()).await
    }

    /// The state of this type that the mux shares with its handlers; see
    /// [`Mux::state`](crate::Mux::state).
    pub fn state<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.states.get()
    }

    /// The same context with this state besides, for a layer to hand on.
    #[must_use]
    pub fn with_state<T: Send + Sync + 'static>(mut self, state: Arc<T>) -> Self {
        self.states.insert(state);
        self
    }

    pub(crate) fn states_mut(&mut self) -> &mut States {
        &mut self.states
    }

    /// The place that this run takes among the server's workers. `None`: the run is over.
    pub(crate) fn hold_slot(&self) -> Option<SlotGuard> {
        self.inner.slot.upgrade()
    }

    /// Ends the run from outside. The first cause counts; false: it was over already.
    pub(crate) fn end(&self, cause: RunEnded) -> bool {
        let ended = self.leave_running(match cause {
            RunEnded::Canceled => CANCELED,
            RunEnded::DeadlineExceeded => DEADLINE_EXCEEDED,
            RunEnded::LeaseExpired => LEASE_EXPIRED,
        });
        if ended {
            self.inner.cancellation.cancel();
        }
        ended
    }

    /// Ends the run because the handler has answered. False: it was ended from outside before.
    pub(crate) fn answered(&self) -> bool {
        self.leave_running(ANSWERED)
    }

    fn leave_running(&self, phase: u8) -> bool {
        self.inner
            .phase
            .compare_exchange(RUNNING, phase, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    async fn write(&self, result: Bytes) -> Result<()> {
        if self.inner.phase.load(Ordering::Acquire) != RUNNING {
            let why = match self.ended() {
                Some(cause) => cause.to_string(),
                None => "the handler has answered".to_owned(),
            };
            return Err(Error::new(
                ErrorKind::Closed,
                format!("result of {self} comes after the end of the run: {why}"),
            )
            .with_task_id(self.task_id()));
        }
        let written = match &self.inner.results {
            ResultSink::Broker { broker, owner } => {
                broker
                    .write_result(self.queue(), self.task_id(), owner, result)
                    .await?
            }
            ResultSink::Kept(kept) => {
                kept.set(result);
                true
            }
        };
        if written {
            Ok(())
        } else {
            Err(Error::new(
                ErrorKind::TaskNotFound,
                format!("{self} is gone or another worker's, its result is not written"),
            )
            .with_task_id(self.task_id()))
        }
    }
}

/// Names the task, for texts: `task "<id>" of queue "<queue>"`.
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

/// How far a run has come; see [`TaskContext::progress`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    done: u64,
    total: u64,
    message: Option<String>,
}

impl Progress {
    /// So much is done of so much in all. A total of 0 means that it is not known.
    pub fn new(done: u64, total: u64) -> Self {
        Self {
            done,
            total,
            message: None,
        }
    }

    /// Says what is going on.
    #[must_use]
    pub fn message(mut self, text: impl Into<String>) -> Self {
        self.message = Some(text.into());
        self
    }

    fn to_json(&self) -> Bytes {
        #[derive(Serialize)]
        struct Report<'a> {
            progress: Fields<'a>,
        }
        #[derive(Serialize)]
        struct Fields<'a> {
            done: u64,
            total: u64,
            #[serde(skip_serializing_if = "Option::is_none")]
            percent: Option<u64>,
            #[serde(skip_serializing_if = "Option::is_none")]
            message: Option<&'a str>,
        }
        let percent = (self.total > 0).then(|| {
            let percent = u128::from(self.done) * 100 / u128::from(self.total);
            // At most 100, which any integer holds.
            percent.min(100) as u64
        });
        let report = Report {
            progress: Fields {
                done: self.done,
                total: self.total,
                percent,
                message: self.message.as_deref(),
            },
        };
        // Numbers and text under text keys: nothing there that JSON cannot hold.
        serde_json::to_vec(&report).unwrap_or_default().into()
    }
}

/// Values by their type, one of each. A clone costs at most one count.
#[derive(Clone, Default)]
pub(crate) struct States(Option<Arc<StateNode>>);

struct StateNode {
    type_id: TypeId,
    value: Arc<dyn Any + Send + Sync>,
    older: States,
}

impl States {
    /// Adds a value, before which an earlier one of its type disappears.
    pub(crate) fn insert<T: Send + Sync + 'static>(&mut self, value: Arc<T>) {
        self.push(TypeId::of::<T>(), value);
    }

    pub(crate) fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let value = self
            .nodes()
            .find(|node| node.type_id == TypeId::of::<T>())
            .map(|node| Arc::clone(&node.value))?;
        value.downcast().ok()
    }

    /// Adds `others`, which cover what is there. Free where one of the two is empty.
    pub(crate) fn extend(&mut self, others: &Self) {
        if self.0.is_none() {
            *self = others.clone();
        } else {
            let mut newest_first: Vec<_> = others.nodes().collect();
            while let Some(node) = newest_first.pop() {
                self.push(node.type_id, Arc::clone(&node.value));
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    fn push(&mut self, type_id: TypeId, value: Arc<dyn Any + Send + Sync>) {
        let older = std::mem::take(self);
        self.0 = Some(Arc::new(StateNode {
            type_id,
            value,
            older,
        }));
    }

    fn nodes(&self) -> impl Iterator<Item = &StateNode> {
        std::iter::successors(self.0.as_deref(), |node| node.older.0.as_deref())
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("States")
            .field(&self.nodes().count())
            .finish()
    }
}
