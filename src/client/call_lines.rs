//! Which callers share calls with each other.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::shared_calls::SharedCalls;
use crate::broker::{Broker, NewTask};
use crate::error::Result;

/// How many queues have shared calls of their own. If there are more, all lines are begun anew.
const MAX_QUEUES: usize = 10_000;

/// The shared calls of a client. On a cluster, each queue has its own: callers of other queues must not wait
/// for a node that does not answer.
pub(super) struct CallLines {
    all: Arc<SharedCalls>,
    of_queues: Option<Mutex<HashMap<String, Arc<SharedCalls>>>>,
}

impl CallLines {
    /// Shared calls run on the current runtime.
    pub(super) fn new(broker: Broker) -> Arc<Self> {
        Arc::new(Self {
            of_queues: broker.is_cluster().then(Mutex::default),
            all: SharedCalls::new(broker),
        })
    }

    /// Stores one task: see [`SharedCalls::store`].
    pub(super) async fn store(&self, task: NewTask) -> Result<()> {
        match self.line_of(task.keys.queue()) {
            Some(line) => line.store(task).await,
            None => self.all.store(task).await,
        }
    }

    /// The shared calls of a queue, if it has its own.
    fn line_of(&self, queue: &str) -> Option<Arc<SharedCalls>> {
        let of_queues = self.of_queues.as_ref()?;
        let mut of_queues = of_queues.lock();
        if let Some(line) = of_queues.get(queue) {
            return Some(Arc::clone(line));
        }
        if of_queues.len() >= MAX_QUEUES {
            // Callers that wait hold their line.
            of_queues.clear();
        }
        let line = self.all.another();
        of_queues.insert(queue.to_owned(), Arc::clone(&line));
        Some(line)
    }
}
