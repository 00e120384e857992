//! Calls that enqueueing callers share. A single caller makes its own call at once. Tasks that are
//! submitted while calls are in flight accumulate and make up the next call.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::broker::{Broker, NewTask};
use crate::error::{Error, ErrorKind, Result};

/// The most tasks in one shared call.
const MAX_TASKS: usize = 100;
/// How many calls may be in flight at once.
const MAX_CALLS: usize = 2;

pub(super) struct SharedCalls {
    broker: Broker,
    /// Where shared calls run: on the runtime of the client, as its connection does. A caller's own
    /// runtime may end, or may not be polled, in the middle of a call.
    runtime: Handle,
    /// The runtime of the client runs whether or not anyone waits for it.
    is_multi_thread: bool,
    state: Mutex<CallState>,
}

#[derive(Default)]
struct CallState {
    waiting: VecDeque<Submission>,
    in_flight: usize,
}

/// A task that waits for a call, and where its result goes.
struct Submission {
    task: NewTask,
    result: oneshot::Sender<Result<()>>,
}

/// How a submitted task will be stored.
enum Submitted {
    /// The caller makes a call of its own.
    OwnCall(NewTask),
    /// A shared call takes it.
    SharedCall(oneshot::Receiver<Result<()>>),
}

impl SharedCalls {
    /// Shared calls run on the current runtime.
    pub(super) fn new(broker: Broker) -> Arc<Self> {
        let runtime = Handle::current();
        Arc::new(Self {
            broker,
            is_multi_thread: runtime.runtime_flavor() == RuntimeFlavor::MultiThread,
            runtime,
            state: Mutex::default(),
        })
    }

    /// Stores one task.
    ///
    /// Cancel safety: if the future is dropped before a shared call has started, nothing is stored. If it
    /// is dropped later, the task may be stored or not. The tasks of other callers are not affected.
    pub(super) async fn store(self: &Arc<Self>, task: NewTask) -> Result<()> {
        let (id, queue) = (task.id.clone(), task.keys.clone());
        let stored = match self.submit(task) {
            Submitted::OwnCall(task) => {
                let _permit = OwnCallPermit(self);
                let stored = self.bounded(self.broker.enqueue(vec![task])).await;
                stored.and_then(|mut results| results.pop())
            }
            Submitted::SharedCall(result) => {
                self.bounded(result).await.and_then(|result| result.ok())
            }
        };
        stored.unwrap_or_else(|| {
            let queue = queue.queue();
            Err(Error::new(
                ErrorKind::Unavailable,
                format!("enqueue task {id:?} to queue {queue:?}: no answer from Redis"),
            ))
        })
    }

    /// Bounds the time that a caller waits. The calls have timeouts of their own, which fire late only on
    /// a current-thread runtime that is not polled. On a multi-thread runtime another timer for each
    /// caller would cost too much.
    async fn bounded<T>(&self, answer: impl Future<Output = T>) -> Option<T> {
        if self.is_multi_thread {
            return Some(answer.await);
        }
        timeout(self.broker.max_enqueue_time(), answer).await.ok()
    }

    fn submit(self: &Arc<Self>, task: NewTask) -> Submitted {
        let mut state = self.lock();
        if state.in_flight == 0 {
            state.in_flight = 1;
            return Submitted::OwnCall(task);
        }
        let (sender, result) = oneshot::channel();
        state.waiting.push_back(Submission {
            task,
            result: sender,
        });
        if state.in_flight < MAX_CALLS {
            state.in_flight += 1;
            drop(state);
            self.start_shared_calls();
        }
        Submitted::SharedCall(result)
    }

    fn start_shared_calls(self: &Arc<Self>) {
        let permit = SharedCallsPermit {
            calls: Arc::clone(self),
            returned: false,
        };
        // No handle is kept: the task must outlive any single caller, and ends when no task waits. If the
        // runtime has ended, the permit is dropped at once and the callers get an error.
        self.runtime.spawn(permit.make_calls());
    }

    fn lock(&self) -> MutexGuard<'_, CallState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right of a caller to make its own call. When it is dropped, the waiting tasks are next.
struct OwnCallPermit<'c>(&'c Arc<SharedCalls>);

impl Drop for OwnCallPermit<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        if state.waiting.is_empty() {
            state.in_flight -= 1;
        } else {
            drop(state);
            self.0.start_shared_calls();
        }
    }
}

/// The right of a background task to make one call after another until no task waits. If it is dropped
/// before that, its runtime has ended. Then the waiting callers get an error, unless another permit
/// serves them.
struct SharedCallsPermit {
    calls: Arc<SharedCalls>,
    returned: bool,
}

impl SharedCallsPermit {
    async fn make_calls(mut self) {
        loop {
            // Callers that are about to submit can join.
            tokio::task::yield_now().await;
            let Some(submissions) = self.next_call() else {
                return;
            };
            let (tasks, callers): (Vec<_>, Vec<_>) = submissions
                .into_iter()
                // A task whose caller has given up must not be stored later.
                .filter(|submission| !submission.result.is_closed())
                .map(|submission| (submission.task, submission.result))
                .unzip();
            let results = self.calls.broker.enqueue(tasks).await;
            for (result, caller) in results.into_iter().zip(callers) {
                // The caller may have given up in the meantime.
                let _ = caller.send(result);
            }
        }
    }

    /// The tasks of the next call. `None`: no task waits, and the permit is returned.
    fn next_call(&mut self) -> Option<Vec<Submission>> {
        let mut state = self.calls.lock();
        if state.waiting.is_empty() {
            state.in_flight -= 1;
            self.returned = true;
            return None;
        }
        let size = state.waiting.len().min(MAX_TASKS);
        Some(state.waiting.drain(..size).collect())
    }
}

impl Drop for SharedCallsPermit {
    fn drop(&mut self) {
        if self.returned {
            return;
        }
        let mut state = self.calls.lock();
        state.in_flight -= 1;
        if state.in_flight == 0 {
            // Dropping a submission wakes its caller.
            let abandoned = std::mem::take(&mut state.waiting);
            drop(state);
            drop(abandoned);
        }
    }
}
