//! [`AwayNodes`]: a node of a cluster that is away hides no queue of the other nodes.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rasynq::{ErrorKind, Inspector};

use crate::failure::{Failure, FailureKind};

/// A read that failed after this time has waited for its node.
const LONG: Duration = Duration::from_secs(1);

/// Finds out whether Redis is away or only a node of a cluster. No read waits for a node that was silent before.
pub(crate) struct AwayNodes {
    inspector: Inspector,
    /// The addresses of the nodes that did not answer a read in time.
    silent: Mutex<BTreeSet<String>>,
}

impl AwayNodes {
    pub(crate) fn new(inspector: &Inspector) -> Self {
        Self {
            inspector: inspector.clone(),
            silent: Mutex::default(),
        }
    }

    /// Reads something of a queue. The inner failure is that of this queue, and names it. The outer failure is that of
    /// Redis as a whole: there is nothing to be read.
    pub(crate) async fn read<T>(
        &self,
        queue: &str,
        read: impl Future<Output = Result<T, Failure>>,
    ) -> Result<Result<T, Failure>, Failure> {
        if let Some(failure) = self.silence_of(queue).await {
            return Ok(Err(failure));
        }
        let began = Instant::now();
        let read = read.await.map_err(|mut failure| {
            failure.name_queue(queue);
            failure
        });
        if read.as_ref().is_err_and(Failure::is_unavailable)
            && began.elapsed() >= LONG
            && let Some(node) = self.master_of(queue).await
        {
            self.silent().insert(node);
        }
        self.unless_all_is_away(read).await
    }

    /// The result of reading something; the outer failure as above.
    pub(crate) async fn unless_all_is_away<T>(
        &self,
        read: Result<T, Failure>,
    ) -> Result<Result<T, Failure>, Failure> {
        match read {
            // Each node of a cluster answers this. A single Redis refuses it.
            Err(failure)
                if failure.is_unavailable()
                    && self.inspector.cluster_key_slot("default").await.is_err() =>
            {
                Err(failure)
            }
            read => Ok(read),
        }
    }

    /// The failure for a queue whose node is silent.
    async fn silence_of(&self, queue: &str) -> Option<Failure> {
        if self.silent().is_empty() {
            return None;
        }
        let node = self.master_of(queue).await?;
        let text = format!("queue {queue:?}: the node {node} of the cluster does not answer");
        let kind = FailureKind::Library(ErrorKind::Unavailable);
        let is_silent = self.silent().contains(&node);
        is_silent.then(|| Failure::new(kind, text))
    }

    async fn master_of(&self, queue: &str) -> Option<String> {
        let nodes = self.inspector.cluster_nodes(queue).await.ok()?;
        nodes.into_iter().next().map(|node| node.address)
    }

    fn silent(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
