//! Which queues are registered in `asynq:queues`, as far as this client knows.

use std::collections::HashMap;

use parking_lot::Mutex;
use tokio::time::Instant;

/// How many queues are remembered. If there are more, all are forgotten.
const MAX_KNOWN: usize = 10_000;

/// When the queues were registered last, or when that was tried in vain.
#[derive(Default)]
pub(super) struct KnownQueues(Mutex<HashMap<String, Instant>>);

impl KnownQueues {
    pub(super) fn tried_at(&self, queue: &str) -> Option<Instant> {
        self.0.lock().get(queue).copied()
    }

    pub(super) fn tried(&self, queue: &str, at: Instant) {
        let mut known = self.0.lock();
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(queue.to_owned(), at);
    }

    pub(super) fn forget(&self, queue: &str) {
        self.0.lock().remove(queue);
    }
}
