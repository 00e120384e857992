//! Takes care of tasks whose server is gone, and of fetches whose reply was lost.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::policy::{Policy, Settlement, as_it_is};
use super::queues::Queues;
use super::service::Part;
use crate::broker::{Broker, Claim, Right, Str};
use crate::error::Result;
use crate::wire::{self, QueueKeys};

/// For how long a lease must have ended. asynq waits this long for clocks that disagree; ours all
/// ask Redis, but a Go server's worker may still believe in its lease.
const LAPSED_SECS: u64 = 30;
/// The most tasks listed by one call.
const BATCH: usize = 100;

/// asynq: `recoverer`.
pub(super) struct Recoverer {
    pub(super) broker: Broker,
    pub(super) queues: Queues,
    pub(super) policy: Arc<Policy>,
}

impl Part for Recoverer {
    const NAME: &'static str = "recoverer";

    async fn run_once(&mut self) -> Result<()> {
        let mut first_error = Ok(());
        let lapsed_at = self.broker.redis_time().await? - LAPSED_SECS as i64;
        for queue in self.queues.all() {
            // one queue that cannot be recovered does not stop the others
            if let Err(error) = self.recover(queue, lapsed_at).await {
                tracing::debug!(queue = queue.queue(), %error, "could not recover expired leases");
                first_error = first_error.and(Err(error));
            }
        }
        first_error
    }
}

impl Recoverer {
    async fn recover(&self, queue: &QueueKeys, lapsed_at: i64) -> Result<()> {
        let first = self.broker.first_lease_end(queue).await?;
        if first.is_none_or(|end| end > lapsed_at) {
            return Ok(());
        }
        // what is in the way and could not be taken is listed again each time
        let mut stuck: HashSet<Str> = HashSet::new();
        let mut first_error = Ok(());
        loop {
            let limit = BATCH + stuck.len();
            let expired = self
                .broker
                .expired_leases(queue, LAPSED_SECS, limit)
                .await?;
            if expired.dropped > 0 {
                tracing::warn!(
                    queue = queue.queue(),
                    ids = expired.dropped,
                    "dropped ids whose task is gone"
                );
            }
            let listed = expired.tasks.len() + expired.dropped as usize;
            for (id, raw) in expired.tasks {
                if stuck.contains(&id) {
                    continue;
                }
                match self.take(queue, id.clone(), raw).await {
                    Ok(true) => {}
                    Ok(false) => drop(stuck.insert(id)),
                    Err(error) if error.is_transient() => return Err(error),
                    Err(error) => {
                        tracing::warn!(task_id = &*id, queue = queue.queue(), %error, "could not recover the task");
                        stuck.insert(id);
                        first_error = Err(error);
                    }
                }
            }
            if listed < limit {
                return first_error;
            }
        }
    }

    /// Returns whether the task is out of the way.
    async fn take(&self, queue: &QueueKeys, id: Str, raw: bytes::Bytes) -> Result<bool> {
        let now = Utc::now();
        let right = Right::Lapsed { secs: LAPSED_SECS };
        let message = wire::decode_task(raw.clone());
        let claim = Claim {
            id: id.clone(),
            owner: Str::new(),
            original: Some(raw),
        };
        let settlement = match message {
            Ok(message) => {
                tracing::warn!(
                    task_id = &*id,
                    task_type = message.r#type,
                    queue = queue.queue(),
                    retried = message.retried,
                    "the task's lease has expired, its server is gone"
                );
                self.policy.recover(claim, &message, now)
            }
            Err(error) => {
                tracing::error!(
                    task_id = &*id,
                    queue = queue.queue(),
                    %error,
                    "a message that does not decode is archived as it is"
                );
                Settlement::Archive(as_it_is(claim))
            }
        };
        let taken = match settlement {
            Settlement::Later(state, end) => {
                self.broker.retry(queue, state, &[&end], right, now).await?
            }
            Settlement::Archive(end) => {
                let limits = self.policy.archive;
                self.broker
                    .archive(queue, &[&end], right, limits, now)
                    .await?
            }
            // a recoverer decides on nothing else
            Settlement::Done(_) | Settlement::Requeue(_) => return Ok(false),
        };
        Ok(taken == [true])
    }
}

/// A fetch that got no reply: whatever it took is in active, and nobody runs it.
pub(super) struct LostFetch {
    pub(super) queue: QueueKeys,
    pub(super) owner: Str,
}

/// After how long it is looked again for what a lost fetch took: the call may still be on its way
/// to Redis when the first look finds nothing.
const LOOKS: [Duration; 6] = [
    Duration::ZERO,
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(40),
];
/// The pause before a look that failed is made again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Gives back what lost fetches took, until `stop`; then once more for those that are left.
pub(super) async fn give_back_lost_fetches(
    broker: Broker,
    mut lost: mpsc::UnboundedReceiver<LostFetch>,
    stop: CancellationToken,
) {
    // by the time of the next look
    let mut waiting: VecDeque<(Instant, usize, LostFetch)> = VecDeque::new();
    loop {
        let next = waiting.iter().map(|(at, ..)| *at).min();
        tokio::select! {
            () = stop.cancelled() => break,
            Some(fetch) = lost.recv() => waiting.push_back((Instant::now(), 0, fetch)),
            () = tokio::time::sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                let now = Instant::now();
                for _ in 0..waiting.len() {
                    let Some((at, look, fetch)) = waiting.pop_front() else { break };
                    if at > now {
                        waiting.push_back((at, look, fetch));
                    } else if !look_for(&broker, &fetch).await {
                        waiting.push_back((now + LOOK_AGAIN, look, fetch));
                    } else if let Some(later) = LOOKS.get(look + 1) {
                        waiting.push_back((now + *later, look + 1, fetch));
                    }
                }
            }
        }
    }
    while let Ok(fetch) = lost.try_recv() {
        waiting.push_back((Instant::now(), 0, fetch));
    }
    for (_, _, fetch) in &waiting {
        look_for(&broker, fetch).await;
    }
}

/// Returns whether Redis could be asked.
async fn look_for(broker: &Broker, fetch: &LostFetch) -> bool {
    match broker.reclaim(&fetch.queue, &fetch.owner).await {
        Ok(0) => true,
        Ok(tasks) => {
            tracing::info!(
                queue = fetch.queue.queue(),
                tasks,
                "gave back tasks of a fetch whose reply was lost"
            );
            true
        }
        Err(error) => {
            tracing::debug!(queue = fetch.queue.queue(), %error, "could not look for lost tasks");
            false
        }
    }
}
