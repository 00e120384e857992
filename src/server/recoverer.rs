//! Takes care of tasks whose server is gone.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::Utc;

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
/// With so many that cannot be taken, the rest waits for the next turn.
const MOST_STUCK: usize = 1_000;

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
        let lapsed_at = self.broker.redis_time_unix_secs().await? - LAPSED_SECS as i64;
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
        let first = self.broker.first_lease_end_unix_secs(queue).await?;
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
            if listed < limit || stuck.len() >= MOST_STUCK {
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
            Settlement::Done(_) | Settlement::Completed(_) | Settlement::Requeue(_) => {
                return Ok(false);
            }
        };
        Ok(taken == [true])
    }
}
