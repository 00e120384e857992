//! Takes over the tasks of servers that have disappeared: retries or archives tasks whose lease has
//! expired. asynq: `recoverer`.

use std::collections::HashSet;
use std::sync::Arc;

use crate::background::Periodic;
use crate::broker::{Acknowledgement, Authority, Broker, Claim, Outcome, RawTask, Str};
use crate::clock;
use crate::error::Result;
use crate::server::policy::Policy;
use crate::server::queues::Queues;
use crate::wire::{self, QueueKeys};

/// How long a lease must have been expired. asynq waits this long because its clocks may differ. Our
/// servers all use Redis' clock, but a Go worker may still believe in its lease.
const EXPIRED_SECS: u64 = 30;
/// The most tasks that one call lists.
const BATCH: usize = 100;
/// After this many tasks that cannot be taken, the queue is left to the next pass.
const MAX_STUCK: usize = 1_000;

pub(in crate::server) struct Recoverer {
    pub(in crate::server) broker: Broker,
    pub(in crate::server) queues: Queues,
    pub(in crate::server) policy: Arc<Policy>,
}

impl Periodic for Recoverer {
    const NAME: &'static str = "recoverer";
    /// How many tasks were recovered.
    type Done = usize;

    async fn pass(&mut self) -> Result<usize> {
        let mut recovered = 0;
        let mut first_error = None;
        let expired_at = self.broker.redis_time_unix_secs().await? - EXPIRED_SECS as i64;
        for queue in self.queues.all() {
            // A queue that cannot be recovered does not stop the others.
            if let Err(error) = self.recover(&queue.keys, expired_at, &mut recovered).await {
                tracing::debug!(queue = queue.name(), %error, "could not recover expired leases");
                first_error.get_or_insert(error);
            }
        }
        first_error.map_or(Ok(recovered), Err)
    }
}

impl Recoverer {
    async fn recover(
        &self,
        queue: &QueueKeys,
        expired_at: i64,
        recovered: &mut usize,
    ) -> Result<()> {
        let first = self.broker.first_lease_expiry_unix_secs(queue).await?;
        if first.is_none_or(|expiry| expiry > expired_at) {
            return Ok(());
        }
        // Tasks that cannot be taken are listed again each time.
        let mut stuck: HashSet<Str> = HashSet::new();
        let mut result = Ok(());
        loop {
            let limit = BATCH + stuck.len();
            let expired = self
                .broker
                .expired_leases(queue, EXPIRED_SECS, limit)
                .await?;
            if expired.dropped > 0 {
                tracing::warn!(
                    queue = queue.queue(),
                    ids = expired.dropped,
                    "dropped ids whose task is gone"
                );
            }
            let listed = expired.tasks.len() + expired.dropped as usize;
            for task in expired.tasks {
                if stuck.contains(&task.id) {
                    continue;
                }
                let id = task.id.clone();
                match self.take_over(queue, task).await {
                    Ok(true) => *recovered += 1,
                    Ok(false) => drop(stuck.insert(id)),
                    Err(error) if error.is_transient() => return Err(error),
                    Err(error) => {
                        tracing::warn!(task_id = &*id, queue = queue.queue(), %error, "could not recover the task");
                        stuck.insert(id);
                        result = Err(error);
                    }
                }
            }
            if listed < limit || stuck.len() >= MAX_STUCK {
                return result;
            }
        }
    }

    /// Returns false if another server was faster.
    async fn take_over(&self, queue: &QueueKeys, task: RawTask) -> Result<bool> {
        let now = clock::now();
        let acknowledgement = Acknowledgement {
            outcome: self.decide(queue, &task, now),
            claim: Claim {
                id: task.id,
                owner: Str::new(),
                original: Some(task.message),
            },
        };
        let authority = Authority::Recoverer {
            expired_secs: EXPIRED_SECS,
        };
        let taken = self
            .broker
            .acknowledge(queue, &[&acknowledgement], authority, now)
            .await?;
        Ok(taken == [true])
    }

    fn decide(
        &self,
        queue: &QueueKeys,
        task: &RawTask,
        now: chrono::DateTime<chrono::Utc>,
    ) -> Outcome {
        match wire::decode_task(task.message.clone()) {
            Ok(message) => {
                tracing::warn!(
                    task_id = &*task.id,
                    task_type = message.r#type,
                    queue = queue.queue(),
                    retried = message.retried,
                    "the task's lease has expired, its server has disappeared"
                );
                self.policy.decide_on_lost_lease(&message, now)
            }
            Err(error) => {
                tracing::error!(
                    task_id = &*task.id,
                    queue = queue.queue(),
                    %error,
                    "a message does not decode, archiving its task unchanged"
                );
                self.policy.undecodable()
            }
        }
    }
}
