//! Loads a message that is larger than the budget of a fetch: in parts, each within its own time.

use bytes::{Bytes, BytesMut};
use futures_util::future::join;
use tokio::time::Instant;

use super::budget::FetchBudget;
use crate::background::Backoff;
use crate::broker::{Broker, LEASE, LargeTask, Str};
use crate::clock;
use crate::error::{Error, ErrorKind, Result, warn_unless_outage};
use crate::guard::told;
use crate::server::queues::ServedQueue;

/// The most memory that is reserved before the parts arrive.
const MOST_RESERVED: usize = 64 << 20;

/// Loads the message of a task that a fetch has moved to *active*.
pub(super) struct Loading<'f> {
    pub(super) broker: &'f Broker,
    pub(super) queue: &'f ServedQueue,
    pub(super) owner: &'f Str,
    pub(super) budget: &'f FetchBudget,
}

impl Loading<'_> {
    /// Loads the message. The lease is renewed with each part: `leased_at` becomes the time from which it
    /// counts. `None`: the message could not be loaded.
    pub(super) async fn load(&self, task: &LargeTask, leased_at: &mut Instant) -> Option<Bytes> {
        let loaded = self.load_parts(task, leased_at).await;
        if let Err(error) = &loaded {
            told(|| {
                warn_unless_outage!(
                    error,
                    task_id = &*task.id,
                    queue = self.queue.name(),
                    bytes = task.length,
                    %error,
                    "could not load a large message, its task is returned to the queue"
                );
            });
        }
        loaded.ok()
    }

    /// A part that does not arrive is asked for again, in a smaller size, as long as the lease is valid.
    async fn load_parts(&self, task: &LargeTask, leased_at: &mut Instant) -> Result<Bytes> {
        let keys = &self.queue.keys;
        let mut message = BytesMut::with_capacity(task.length.min(MOST_RESERVED));
        let mut backoff = Backoff::new();
        let claim = [(task.id.clone(), self.owner.clone())];
        while message.len() < task.length {
            let size = self.budget.bytes().min(task.length - message.len());
            let sent_at = clock::monotonic();
            let (renewed, part) = join(
                self.broker.extend_leases(keys, &claim),
                self.broker
                    .message_part(keys, &task.id, self.owner, message.len(), size),
            )
            .await;
            match renewed.as_deref() {
                Ok([true]) => *leased_at = sent_at,
                Ok(_) => return Err(lease_lost()),
                // The lease may be valid for a while.
                Err(_) => {}
            }
            match part {
                Ok(Some(part)) if !part.is_empty() => {
                    message.extend_from_slice(&part);
                    self.budget.was_full();
                    backoff.reset();
                }
                Ok(_) => return Err(lease_lost()),
                Err(error) if error.is_transient() => {
                    self.budget.timed_out();
                    let next_at = clock::monotonic() + backoff.pause();
                    if next_at.saturating_duration_since(*leased_at) >= LEASE {
                        return Err(error);
                    }
                    told(
                        || tracing::debug!(task_id = &*task.id, %error, "a part of a message did not arrive"),
                    );
                    tokio::time::sleep_until(next_at).await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(message.freeze())
    }
}

fn lease_lost() -> Error {
    Error::new(ErrorKind::TaskNotFound, "its lease was lost")
}
