//! Calls that enqueueing callers share: a single one goes at once and by itself, what many submit
//! while calls are under way makes up the next one.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::broker::{Broker, NewTask};
use crate::error::{Error, ErrorKind, Result};

/// The most tasks in one call.
const MOST_TASKS: usize = 100;
/// How many calls are under way at once.
const CALLS_IN_FLIGHT: usize = 2;

pub(super) struct SharedCalls {
    broker: Broker,
    /// Where shared calls run: as the connection does, on the runtime that the client was made on. A
    /// caller's own may end, or rest, with the call half made.
    runtime: Handle,
    /// That runtime goes on by itself, whoever waits for it or not.
    never_rests: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Submission>,
    under_way: usize,
}

/// A task that waits for a call, and where its result goes.
struct Submission {
    task: NewTask,
    result: oneshot::Sender<Result<()>>,
}

/// What a caller has to do.
enum Part {
    Call(NewTask),
    Wait(oneshot::Receiver<Result<()>>),
}

impl SharedCalls {
    /// For calls on the current runtime.
    pub(super) fn new(broker: Broker) -> Arc<Self> {
        let runtime = Handle::current();
        Arc::new(Self {
            broker,
            never_rests: runtime.runtime_flavor() == RuntimeFlavor::MultiThread,
            runtime,
            state: Mutex::default(),
        })
    }

    /// Stores one task.
    ///
    /// Cancel safety: dropped while it waits for a shared call to begin, nothing is stored; dropped
    /// later, the task may be stored or not. Other callers' tasks are not affected.
    pub(super) async fn store(self: &Arc<Self>, task: NewTask) -> Result<()> {
        let (id, queue) = (task.id.clone(), task.keys.clone());
        let stored = match self.part_of(task) {
            Part::Call(task) => {
                let _turn = OwnTurn(self);
                let stored = self.patiently(self.broker.enqueue(vec![task])).await;
                stored.and_then(|mut results| results.pop())
            }
            Part::Wait(result) => self.patiently(result).await.and_then(|result| result.ok()),
        };
        stored.unwrap_or_else(|| {
            let queue = queue.queue();
            Err(Error::new(
                ErrorKind::Unavailable,
                format!("enqueue task {id:?} to queue {queue:?}: no answer from Redis"),
            ))
        })
    }

    /// Waits for what a call brings, which comes in time unless the runtime rests. Many callers at once
    /// would feel a timer for each.
    async fn patiently<T>(&self, answer: impl Future<Output = T>) -> Option<T> {
        if self.never_rests {
            return Some(answer.await);
        }
        timeout(self.broker.patience(), answer).await.ok()
    }

    fn part_of(self: &Arc<Self>, task: NewTask) -> Part {
        let mut state = self.lock();
        if state.under_way == 0 {
            state.under_way = 1;
            return Part::Call(task);
        }
        let (sender, result) = oneshot::channel();
        state.waiting.push_back(Submission {
            task,
            result: sender,
        });
        if state.under_way < CALLS_IN_FLIGHT {
            state.under_way += 1;
            drop(state);
            self.begin_shared_turn();
        }
        Part::Wait(result)
    }

    fn begin_shared_turn(self: &Arc<Self>) {
        let turn = SharedTurn {
            calls: Arc::clone(self),
            is_over: false,
        };
        // Not owned: it ends by itself once nobody waits, and has to outlive any one caller. On a runtime
        // that has ended it is dropped at once, which tells those who wait.
        self.runtime.spawn(turn.run());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The turn of a caller that makes its own call. When it ends, or is dropped, those who wait are next.
struct OwnTurn<'c>(&'c Arc<SharedCalls>);

impl Drop for OwnTurn<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        if state.waiting.is_empty() {
            state.under_way -= 1;
        } else {
            drop(state);
            self.0.begin_shared_turn();
        }
    }
}

/// A turn on a task of its own, which makes calls until nobody waits. Broken off (its runtime has
/// ended), it gives up those who wait, unless another turn is there for them.
struct SharedTurn {
    calls: Arc<SharedCalls>,
    is_over: bool,
}

impl SharedTurn {
    async fn run(mut self) {
        loop {
            // callers that are about to submit join in
            tokio::task::yield_now().await;
            let Some(submissions) = self.next_call() else {
                return;
            };
            let (tasks, callers): (Vec<_>, Vec<_>) = submissions
                .into_iter()
                // whoever has given up is not surprised by a task later
                .filter(|submission| !submission.result.is_closed())
                .map(|submission| (submission.task, submission.result))
                .unzip();
            let results = self.calls.broker.enqueue(tasks).await;
            for (result, caller) in results.into_iter().zip(callers) {
                // a caller that has gone does not want to know
                let _ = caller.send(result);
            }
        }
    }

    /// What makes up the next call; where nobody waits the turn is over.
    fn next_call(&mut self) -> Option<Vec<Submission>> {
        let mut state = self.calls.lock();
        if state.waiting.is_empty() {
            state.under_way -= 1;
            self.is_over = true;
            return None;
        }
        let most = state.waiting.len().min(MOST_TASKS);
        Some(state.waiting.drain(..most).collect())
    }
}

impl Drop for SharedTurn {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let mut state = self.calls.lock();
        state.under_way -= 1;
        if state.under_way == 0 {
            let given_up = std::mem::take(&mut state.waiting);
            drop(state);
            drop(given_up);
        }
    }
}
