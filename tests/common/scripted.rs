//! A handler that does what a task's payload says, and tells what it did.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::anyhow;
use rasynq::{Answer, Handler, RetryAfter, Revoke, SkipRetry, Task, TaskContext};
use tokio::sync::Semaphore;

use super::{DEADLINE, eventually};

/// Does what the payload says:
///
/// | payload | what it does |
/// |---|---|
/// | anything else | done |
/// | `fail TEXT` | an error |
/// | `skip TEXT`, `revoke TEXT` | that error |
/// | `after SECONDS` | an error that sets its delay |
/// | `snooze SECONDS` | that answer |
/// | `panic TEXT` | a panic |
/// | `result TEXT` | writes the result, done |
/// | `hold` | waits for [`Scripted::release`], done; ends when it is dropped |
/// | `late TEXT` | the same, then an error |
/// | `until cancelled TEXT` | waits for its cancellation, then an error; `done` for no error |
///
/// Clones are the same handler.
#[derive(Clone)]
pub struct Scripted(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    releases: Semaphore,
}

#[derive(Default)]
struct State {
    /// Ids in the order in which their runs began.
    begun: Vec<String>,
    running: HashMap<String, usize>,
    most: usize,
}

impl Scripted {
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            state: Mutex::default(),
            releases: Semaphore::new(0),
        }))
    }

    /// The ids of all runs, in the order in which they began.
    pub fn begun(&self) -> Vec<String> {
        self.0.state.lock().unwrap().begun.clone()
    }

    /// How many runs there were of this task.
    pub fn runs_of(&self, id: &str) -> usize {
        self.begun().iter().filter(|begun| *begun == id).count()
    }

    /// How many runs are under way.
    pub fn running(&self) -> usize {
        self.0.state.lock().unwrap().running.values().sum()
    }

    /// How many runs were under way at most.
    pub fn most_at_once(&self) -> usize {
        self.0.state.lock().unwrap().most
    }

    /// Lets this many runs go on that hold, now or later.
    pub fn release(&self, runs: usize) {
        self.0.releases.add_permits(runs);
    }

    /// Waits until there were this many runs.
    #[track_caller]
    pub fn has_begun(&self, runs: usize) -> impl Future<Output = ()> + '_ {
        eventually(
            &format!("{runs} runs begin"),
            DEADLINE,
            move || async move { self.begun().len() >= runs },
        )
    }

    /// Waits until no run is under way.
    #[track_caller]
    pub fn is_idle(&self) -> impl Future<Output = ()> + '_ {
        eventually("all runs end", DEADLINE, || async { self.running() == 0 })
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

/// A run that is under way, until dropped.
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
            "hold" => self.0.releases.acquire().await?.forget(),
            "late" => {
                self.0.releases.acquire().await?.forget();
                return Err(anyhow!("{rest}"));
            }
            "until" => {
                cx.cancellation().cancelled().await;
                let text = rest.strip_prefix("cancelled ").unwrap_or(rest);
                if text != "done" {
                    return Err(anyhow!("{text}"));
                }
            }
            _ => {}
        }
        Ok(Answer::Done)
    }
}
