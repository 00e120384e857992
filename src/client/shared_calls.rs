//! Calls to Redis that share the tasks of single enqueues.
//!
//! If no call is in flight, a caller makes its own call at once. Beside one call in flight, a second is
//! started. Beside two, tasks accumulate for the next.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::fast_reply::FastReplies;
use crate::broker::{Broker, NewTask};
use crate::error::{Error, ErrorKind, Result};

/// How many tasks one shared call takes at most.
const MAX_TASKS: usize = 100;
/// How many calls of single enqueues may be in flight at once.
const MAX_CALLS: usize = 2;

pub(super) struct SharedCalls {
    broker: Broker,
    /// Shared calls run on the runtime of the client, where its connections run too. A caller's own
    /// runtime may end, or may not be polled, in the middle of a call.
    runtime: Handle,
    /// Whether the client's runtime has several threads. Then it runs even if nobody polls it.
    is_multi_thread: bool,
    fast_replies: FastReplies,
    state: Mutex<CallState>,
}

#[derive(Default)]
struct CallState {
    waiting: VecDeque<WaitingTask>,
    in_flight: usize,
}

/// A task that waits for a shared call, and the channel for its result.
struct WaitingTask {
    task: NewTask,
    result: oneshot::Sender<Result<()>>,
}

/// The call that stores a task.
enum CallKind {
    /// The caller makes its own call with this task.
    OwnCall(NewTask),
    /// A shared call stores the task and sends its result.
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
            fast_replies: FastReplies::default(),
            state: Mutex::default(),
        })
    }

    /// Other shared calls on the same runtime.
    pub(super) fn another(&self) -> Arc<Self> {
        Arc::new(Self {
            broker: self.broker.clone(),
            runtime: self.runtime.clone(),
            is_multi_thread: self.is_multi_thread,
            fast_replies: FastReplies::default(),
            state: Mutex::default(),
        })
    }

    /// Stores one task.
    ///
    /// Cancel safety: if the future is dropped before the call with this task has started, nothing is
    /// stored. If it is dropped later, the task may be stored or not. The tasks of other callers are
    /// not affected.
    pub(super) async fn store(self: &Arc<Self>, task: NewTask) -> Result<()> {
        if task.is_large() {
            // Over a thin link it takes long. Others must not wait for it.
            return Box::pin(self.broker.enqueue_one(task)).await;
        }
        let (id, keys) = (task.id.clone(), task.keys.clone());
        let stored = match self.choose_call(task) {
            CallKind::OwnCall(task) => {
                let _token = OwnCallToken(self);
                // In a box, for the callers that share a call: their futures would have room for it.
                let mut call = Box::pin(self.broker.enqueue_one(task));
                Some(self.fast_replies.wait(call.as_mut()).await)
            }
            CallKind::SharedCall(result) => self.bounded(result).await,
        };
        stored.unwrap_or_else(|| {
            let what = format!("enqueue task {id:?} to queue {:?}", keys.queue());
            // The runtime of the client may have ended.
            self.broker.check_open(&what)?;
            let text = format!("{what}: no answer from Redis");
            Err(Error::new(ErrorKind::Unavailable, text))
        })
    }

    /// Waits for the result of a shared call.
    ///
    /// Each call has its own timeout, and waiting in line for it takes as long as it takes. But a
    /// current-thread runtime may be one that nobody polls. Only there the caller finds out now and then
    /// whether it is: on other runtimes a timer for each caller would cost too much.
    async fn bounded(&self, mut result: oneshot::Receiver<Result<()>>) -> Option<Result<()>> {
        if self.is_multi_thread {
            return result.await.ok();
        }
        let patience = self.broker.max_enqueue_time();
        loop {
            if let Ok(result) = timeout(patience, &mut result).await {
                return result.ok();
            }
            let is_polled = timeout(patience, self.runtime.spawn(async {})).await;
            is_polled.ok()?.ok()?;
        }
    }

    fn choose_call(self: &Arc<Self>, task: NewTask) -> CallKind {
        let mut state = self.state.lock();
        if state.in_flight == 0 {
            state.in_flight = 1;
            return CallKind::OwnCall(task);
        }
        let (sender, result) = oneshot::channel();
        state.waiting.push_back(WaitingTask {
            task,
            result: sender,
        });
        if state.in_flight < MAX_CALLS {
            state.in_flight += 1;
            drop(state);
            self.start_shared_calls();
        }
        CallKind::SharedCall(result)
    }

    fn start_shared_calls(self: &Arc<Self>) {
        let token = SharedCallsToken {
            calls: Arc::clone(self),
            is_over: false,
        };
        // No handle is kept: the tokio task must outlive any single caller; it ends when no enqueued
        // task waits. If the runtime has ended, the token is dropped at once and the callers get an
        // error.
        self.runtime.spawn(token.make_calls());
    }
}

/// Counts as one call in flight: a caller's own call. When the token is dropped, shared calls for the
/// waiting tasks start.
struct OwnCallToken<'c>(&'c Arc<SharedCalls>);

impl Drop for OwnCallToken<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        if state.waiting.is_empty() {
            state.in_flight -= 1;
        } else {
            drop(state);
            self.0.start_shared_calls();
        }
    }
}

/// Counts as one call in flight: a tokio task makes one shared call after another until no enqueued
/// task waits. If the token is dropped before that, its runtime has ended. Then the waiting callers
/// get an error, unless another token's calls serve them.
struct SharedCallsToken {
    calls: Arc<SharedCalls>,
    /// Whether the token no longer counts as a call in flight.
    is_over: bool,
}

impl SharedCallsToken {
    async fn make_calls(mut self) {
        loop {
            // Callers that are about to enqueue can join.
            tokio::task::yield_now().await;
            let Some(waiting) = self.next_call() else {
                return;
            };
            let (tasks, callers): (Vec<_>, Vec<_>) = waiting
                .into_iter()
                // A task whose caller has given up must not be stored later.
                .filter(|waiting| !waiting.result.is_closed())
                .map(|waiting| (waiting.task, waiting.result))
                .unzip();
            let results = self.calls.broker.enqueue(tasks).await;
            for (result, caller) in results.into_iter().zip(callers) {
                // The caller may have given up in the meantime.
                let _ = caller.send(result);
            }
        }
    }

    /// The tasks of the next call. `None`: no task waits, and the token is over.
    fn next_call(&mut self) -> Option<Vec<WaitingTask>> {
        let mut state = self.calls.state.lock();
        if state.waiting.is_empty() {
            state.in_flight -= 1;
            self.is_over = true;
            return None;
        }
        let size = state.waiting.len().min(MAX_TASKS);
        Some(state.waiting.drain(..size).collect())
    }
}

impl Drop for SharedCallsToken {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let mut state = self.calls.state.lock();
        state.in_flight -= 1;
        if state.in_flight == 0 {
            // Dropping a waiting task wakes its caller.
            let abandoned = std::mem::take(&mut state.waiting);
            drop(state);
            drop(abandoned);
        }
    }
}
