//! Which queues are registered in `asynq:queues`, as far as this client knows.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

/// How many queues are remembered. If there are more, all are forgotten.
const MAX_KNOWN: usize = 10_000;

/// When the queues were registered last, or when that was tried in vain.
#[derive(Default)]
pub(super) struct KnownQueues(Mutex<HashMap<String, Instant>>);

impl KnownQueues {
    pub(super) fn tried_at(&self, queue: &str) -> Option<Instant> {
        self.lock().get(queue).copied()
    }

    pub(super) fn tried(&self, queue: &str, at: Instant) {
        let mut known = self.lock();
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(queue.to_owned(), at);
    }

    pub(super) fn forget(&self, queue: &str) {
        self.lock().remove(queue);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
