//! A handler that does what the payload of each task says, and records its runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::anyhow;
use rasynq::{Answer, Handler, RetryAfter, Revoke, SkipRetry, Task, TaskContext};
use tokio::sync::Semaphore;

use super::{DEADLINE, eventually};

/// A handler whose payloads are commands:
///
/// | payload | the handler |
/// |---|---|
/// | `fail TEXT` | returns an error with this text |
/// | `skip TEXT`, `revoke TEXT` | returns `SkipRetry`, `Revoke` with this text |
/// | `after SECONDS` | returns `RetryAfter` with this delay |
/// | `snooze SECONDS` | returns `Answer::Snooze` |
/// | `panic TEXT` | panics with this text |
/// | `result TEXT` | writes this result, then succeeds |
/// | `wait` | waits for [`Scripted::release`], then succeeds |
/// | `wait_then_fail TEXT` | waits for [`Scripted::release`], then returns an error |
/// | `until_cancelled TEXT` | waits for its cancellation, then returns an error with this text |
/// | `until_cancelled` | waits for its cancellation, then succeeds |
/// | anything else | succeeds |
///
/// Clones share their state.
#[derive(Clone)]
pub struct Scripted(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    releases: Semaphore,
}

#[derive(Default)]
struct State {
    /// Task ids in the order in which their runs began.
    begun: Vec<String>,
    running: HashMap<String, usize>,
    /// The highest number of runs at the same time.
    most: usize,
}

impl Scripted {
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            state: Mutex::default(),
            releases: Semaphore::new(0),
        }))
    }

    /// The task ids of all runs, in the order in which they began.
    pub fn begun(&self) -> Vec<String> {
        self.0.state.lock().unwrap().begun.clone()
    }

    /// How many runs of this task have begun.
    pub fn runs_of(&self, id: &str) -> usize {
        self.begun().iter().filter(|begun| *begun == id).count()
    }

    /// How many runs have begun and not ended.
    pub fn running(&self) -> usize {
        self.0.state.lock().unwrap().running.values().sum()
    }

    /// The highest number of runs at the same time.
    pub fn most_at_once(&self) -> usize {
        self.0.state.lock().unwrap().most
    }

    /// Ends the wait of this many runs: of waiting runs, oldest first, and then of runs that wait later.
    pub fn release(&self, runs: usize) {
        self.0.releases.add_permits(runs);
    }

    /// Waits until this many runs have begun.
    #[track_caller]
    pub fn has_begun(&self, runs: usize) -> impl Future<Output = ()> + '_ {
        eventually(
            &format!("{runs} runs have begun"),
            DEADLINE,
            move || async move { self.begun().len() >= runs },
        )
    }

    /// Waits until all runs have ended.
    #[track_caller]
    pub fn is_idle(&self) -> impl Future<Output = ()> + '_ {
        eventually("all runs have ended", DEADLINE, || async {
            self.running() == 0
        })
    }

    fn begin(&self, id: &str) -> Running {
        let mut state = self.0.state.lock().unwrap();
        state.begun.push(id.to_owned());
        *state.running.entry(id.to_owned()).or_default() += 1;
        state.most = state.most.max(state.running.values().sum());
        Running {
            handler: self.clone(),
            id: id.to_owned(),
        }
    }
}

/// Counts a run as running until dropped.
struct Running {
    handler: Scripted,
    id: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.handler.0.state.lock().unwrap();
        if let Some(count) = state.running.get_mut(&self.id) {
            *count -= 1;
        }
    }
}

impl Handler for Scripted {
    async fn run(&self, cx: TaskContext, task: Task) -> Result<Answer, anyhow::Error> {
        let _running = self.begin(cx.task_id());
        let payload = String::from_utf8_lossy(task.payload()).into_owned();
        let (verb, rest) = payload.split_once(' ').unwrap_or((&payload, ""));
        let seconds = || Duration::from_secs(rest.parse().unwrap());
        match verb {
            "fail" => return Err(anyhow!("{rest}")),
            "skip" => return Err(SkipRetry::new(rest).into()),
            "revoke" => return Err(Revoke::new(rest).into()),
            "after" => return Err(RetryAfter::new(seconds(), "not yet").into()),
            "snooze" => return Ok(Answer::Snooze(seconds())),
            "panic" => panic!("{rest}"),
            "result" => cx.write_result(rest.to_owned()).await?,
            "wait" => self.0.releases.acquire().await?.forget(),
            "wait_then_fail" => {
                self.0.releases.acquire().await?.forget();
                return Err(anyhow!("{rest}"));
            }
            "until_cancelled" => {
                cx.cancellation().cancelled().await;
                if !rest.is_empty() {
                    return Err(anyhow!("{rest}"));
                }
            }
            _ => {}
        }
        Ok(Answer::Done)
    }
}
