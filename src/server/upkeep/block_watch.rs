//! Warns of handlers that block their threads, and finds out whether the server's runtime is blocked.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::background::Periodic;
use crate::clock;
use crate::error::Result;
use crate::server::run::{HeldRun, HeldRuns};

/// A poll of a handler that takes this long is worth a warning.
const LONG_POLL: Duration = Duration::from_secs(2);

/// Looks at the handlers of a server from a thread that they cannot block.
pub(in crate::server) struct BlockWatch {
    held: Arc<HeldRuns>,
    runtime: Arc<RuntimeProbe>,
    /// By the number of the run: the poll in which its handler is, and since when it has been seen there.
    polls: HashMap<u64, (u64, Instant)>,
    /// The numbers of the runs that were warned of and are still held.
    warned: HashSet<u64>,
}

impl BlockWatch {
    pub(in crate::server) fn new(held: Arc<HeldRuns>, runtime: Arc<RuntimeProbe>) -> Self {
        Self {
            held,
            runtime,
            polls: HashMap::new(),
            warned: HashSet::new(),
        }
    }

    fn warn_of(&mut self, run: &HeldRun, blocked_for: Duration) {
        if self.warned.insert(run.number) {
            tracing::warn!(
                task_id = &*run.id,
                task_type = run.message.r#type,
                queue = run.queue.name(),
                seconds = blocked_for.as_secs(),
                "a handler blocks its thread: it holds up other tasks, and nothing can end it. Use `rasynq::blocking`"
            );
        }
    }
}

impl Periodic for BlockWatch {
    const NAME: &'static str = "block watch";
    type Done = ();

    async fn pass(&mut self) -> Result<()> {
        if self.held.is_empty() {
            self.polls.clear();
            self.warned.clear();
            return Ok(());
        }
        self.runtime.ask();
        let (now, in_a_poll) = (clock::monotonic(), self.held.in_a_poll());
        let mut polls = HashMap::with_capacity(in_a_poll.len());
        for (run, poll) in in_a_poll {
            let seen = self.polls.get(&run.number);
            let since = match seen {
                Some((same, since)) if *same == poll => *since,
                _ => now,
            };
            polls.insert(run.number, (poll, since));
            let blocked_for = now.saturating_duration_since(since);
            if blocked_for >= LONG_POLL {
                self.warn_of(&run, blocked_for);
            }
        }
        self.polls = polls;
        if !self.warned.is_empty() {
            let held: HashSet<u64> = self.held.all().iter().map(|run| run.number).collect();
            self.warned.retain(|number| held.contains(number));
        }
        Ok(())
    }
}

/// Asks the runtime of a server whether it still polls tokio tasks.
pub(in crate::server) struct RuntimeProbe {
    runtime: Handle,
    /// When the question was asked that is not answered yet.
    asked: Mutex<Option<Instant>>,
}

impl RuntimeProbe {
    /// A probe of the caller's runtime.
    pub(in crate::server) fn of_this_runtime() -> Arc<Self> {
        Arc::new(Self {
            runtime: Handle::current(),
            asked: Mutex::default(),
        })
    }

    fn ask(self: &Arc<Self>) {
        let mut asked = self.asked.lock();
        if asked.is_none() {
            *asked = Some(clock::monotonic());
            let probe = Arc::clone(self);
            self.runtime
                .spawn(async move { *probe.asked.lock() = None });
        }
    }

    /// Since when the runtime has not answered. `None`: it answers.
    pub(super) fn silent_since(&self) -> Option<Instant> {
        *self.asked.lock()
    }
}
