//! Recovers the tasks of servers that have disappeared: retries, archives or defers tasks whose lease
//! has expired. asynq: `recoverer`.

use std::collections::HashSet;
use std::sync::Arc;

use crate::background::Periodic;
use crate::broker::{
    Acknowledgement, Authority, Broker, Claim, ExpiredTask, Outcome, RawTask, Str,
};
use crate::error::Result;
use crate::server::policy::Policy;
use crate::server::queues::Queues;
use crate::wire::{self, QueueKeys};

/// The grace: how long a lease must have been expired. asynq waits this long because its clocks may
/// differ. Our servers all use Redis' clock, but a Go server may still believe in its lease.
const GRACE_SECS: u64 = 30;
/// The most tasks that one call lists.
const BATCH: usize = 100;
/// A pass leaves a queue to the next pass after this many tasks that it could not recover.
const MAX_SKIPPED: usize = 1_000;

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
        let expired_before = self.broker.redis_time_unix_secs().await? - GRACE_SECS as i64;
        for queue in self.queues.all() {
            // A queue that cannot be recovered does not stop the others.
            if let Err(error) = self
                .recover(&queue.keys, expired_before, &mut recovered)
                .await
            {
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
        expired_before: i64,
        recovered: &mut usize,
    ) -> Result<()> {
        let first = self.broker.first_lease_expiry_unix_secs(queue).await?;
        if first.is_none_or(|expiry| expiry > expired_before) {
            return Ok(());
        }
        // Tasks that could not be recovered may be listed again.
        let mut skipped: HashSet<Str> = HashSet::new();
        let mut result = Ok(());
        loop {
            let limit = BATCH + skipped.len();
            let expired = self.broker.expired_leases(queue, GRACE_SECS, limit).await?;
            if expired.dropped > 0 {
                tracing::warn!(
                    queue = queue.queue(),
                    ids = expired.dropped,
                    "dropped ids whose task is gone"
                );
            }
            let listed = expired.tasks.len() + expired.dropped as usize;
            for task in expired.tasks {
                if skipped.contains(&task.task.id) {
                    continue;
                }
                let id = task.task.id.clone();
                match self.recover_task(queue, task).await {
                    Ok(true) => *recovered += 1,
                    Ok(false) => drop(skipped.insert(id)),
                    Err(error) if error.is_transient() => return Err(error),
                    Err(error) => {
                        tracing::warn!(task_id = &*id, queue = queue.queue(), %error, "could not recover the task");
                        skipped.insert(id);
                        result = Err(error);
                    }
                }
            }
            if listed < limit || skipped.len() >= MAX_SKIPPED {
                return result;
            }
        }
    }

    /// Returns false if the lease of the task has changed since the task was listed.
    async fn recover_task(&self, queue: &QueueKeys, expired: ExpiredTask) -> Result<bool> {
        let ExpiredTask { task, lease } = expired;
        let now = self.broker.clock().now();
        let acknowledgement = Acknowledgement {
            outcome: self.decide(queue, &task, now),
            claim: Claim {
                id: task.id,
                proof: lease,
                message: task.message,
            },
        };
        let authority = Authority::Recoverer {
            expired_secs: GRACE_SECS,
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
                self.policy.decide_on_expired_lease(&message, now)
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
