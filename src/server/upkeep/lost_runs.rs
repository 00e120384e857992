//! Decides on tasks whose runs were lost with their server, and writes the outcomes.

use std::mem::discriminant;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::broker::{
    Acknowledgement, Authority, Broker, Claim, LEASE, LostTask, RawTask, RedisProcess, Str,
};
use crate::error::Result;
use crate::guard::told;
use crate::handler::Failure;
use crate::metrics::{LossCause, run_recovered};
use crate::server::announce::{Attempt, announce_failure};
use crate::server::policy::Policy;
use crate::wire::{self, QueueKeys, TaskMessage};

/// The most tasks that one call settles.
const MAX_TASKS: usize = 100;
/// The grace: how long a lease must have been expired. asynq waits this long because its clocks may
/// differ. Our servers all use Redis' clock, but a Go server may still believe in its lease.
pub(super) const GRACE_SECS: i64 = 30;
/// The most leases that one call reads.
const BATCH: usize = 500;
/// The most calls for the leases of one queue in one look.
const MAX_BATCHES: usize = 200;

/// How it is known that a run is lost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum LostBy {
    /// Its lease expired at least [`GRACE_SECS`] ago.
    ExpiredLease,
    /// The process of its server has ended. The lease need not have expired.
    EndedProcess,
}

/// Settles the tasks of lost runs.
#[derive(Clone)]
pub(in crate::server) struct LostRuns {
    pub(in crate::server) broker: Broker,
    pub(in crate::server) policy: Arc<Policy>,
}

/// What became of listed tasks.
#[derive(Default)]
pub(super) struct SettledRuns {
    /// How many were settled.
    pub(super) settled: usize,
    /// The others: their leases have changed since they were listed, or Redis refuses to settle them.
    pub(super) skipped: Vec<Str>,
}

impl LostRuns {
    /// Settles tasks of one queue, as far as their leases are still those that were listed.
    ///
    /// # Errors
    /// If Redis does not answer.
    pub(super) async fn settle(
        &self,
        queue: &QueueKeys,
        tasks: Vec<LostTask>,
        lost_by: LostBy,
    ) -> Result<SettledRuns> {
        let now = self.broker.clock().now();
        let mut calls: Vec<Vec<DecidedRun>> = Vec::new();
        for lost in tasks {
            let decided = self.decide(queue, lost, lost_by, now);
            let kind = |run: &DecidedRun| discriminant(&run.acknowledgement.outcome);
            let same = |call: &&mut Vec<DecidedRun>| {
                call.len() < MAX_TASKS && kind(&call[0]) == kind(&decided)
            };
            match calls.iter_mut().find(same) {
                Some(call) => call.push(decided),
                None => calls.push(vec![decided]),
            }
        }
        let mut settled = SettledRuns::default();
        while let Some(call) = calls.pop() {
            let acknowledgements: Vec<_> = call.iter().map(|run| &run.acknowledgement).collect();
            let written = self
                .broker
                .acknowledge(queue, &acknowledgements, lost_by.authority(), now)
                .await;
            match written {
                Ok(taken) => {
                    for (run, taken) in call.into_iter().zip(taken) {
                        if taken {
                            settled.settled += 1;
                            run_recovered(queue.queue(), lost_by.cause());
                            self.announce(queue, &run, lost_by);
                        } else {
                            settled.skipped.push(run.acknowledgement.claim.id);
                        }
                    }
                }
                Err(error) if error.is_transient() => return Err(error),
                // Each task is tried alone.
                Err(_) if call.len() > 1 => calls.extend(call.into_iter().map(|run| vec![run])),
                Err(error) => {
                    for id in call.into_iter().map(|run| run.acknowledgement.claim.id) {
                        tracing::warn!(task_id = &*id, queue = queue.queue(), %error, "could not recover the task");
                        settled.skipped.push(id);
                    }
                }
            }
        }
        Ok(settled)
    }

    /// Recovers the tasks of one queue whose leases belong to a server that is gone.
    pub(super) async fn recover_all(&self, queue: &QueueKeys, owner: &str) -> Result<usize> {
        let (mut recovered, mut offset) = (0, 0);
        for _ in 0..MAX_BATCHES {
            let leases = self.broker.leases_of(queue, owner, offset, BATCH).await?;
            let settled = self
                .settle(queue, leases.tasks, LostBy::EndedProcess)
                .await?;
            recovered += settled.settled;
            // Settled tasks have no lease any more.
            offset += leases.read - settled.settled;
            if leases.read == 0 {
                break;
            }
        }
        Ok(recovered)
    }

    /// The Redis process that answers. `None`: one cannot tell.
    pub(super) async fn redis_process(&self) -> Option<RedisProcess> {
        let process = self.broker.redis_process().await;
        process.unwrap_or_else(|error| {
            tracing::debug!(%error, "could not ask Redis for its process");
            None
        })
    }

    fn decide(
        &self,
        queue: &QueueKeys,
        lost: LostTask,
        lost_by: LostBy,
        now: DateTime<Utc>,
    ) -> DecidedRun {
        let LostTask {
            task: RawTask { id, message: raw },
            lease,
            losses,
        } = lost;
        let losses = losses.saturating_add(1);
        // Users wait for seconds, not for a retry delay: the task itself has not failed.
        let at_once = lost_by == LostBy::EndedProcess;
        let (outcome, failed) = match wire::decode_task(raw.clone()) {
            Ok(message) => {
                let (outcome, failure) = self
                    .policy
                    .decide_on_lost_run(&message, losses, at_once, now);
                (outcome, Some((message, failure)))
            }
            Err(error) => {
                told(|| {
                    tracing::error!(
                        task_id = &*id,
                        queue = queue.queue(),
                        %error,
                        "a message does not decode, archiving its task unchanged"
                    );
                });
                (self.policy.undecodable(), None)
            }
        };
        DecidedRun {
            acknowledgement: Acknowledgement {
                claim: Claim {
                    id,
                    proof: lease,
                    message: raw,
                },
                outcome,
            },
            failed,
            losses,
        }
    }

    fn announce(&self, queue: &QueueKeys, run: &DecidedRun, lost_by: LostBy) {
        let Some((message, failure)) = &run.failed else {
            return;
        };
        let (task_type, attempt, losses) = (&*message.r#type, Attempt(message), run.losses);
        let (task_id, queue) = (&*run.acknowledgement.claim.id, queue.queue());
        told(|| match lost_by {
            LostBy::ExpiredLease => tracing::warn!(
                task_id,
                task_type,
                queue,
                %attempt,
                losses,
                "the task's lease has expired, its server has disappeared"
            ),
            LostBy::EndedProcess => tracing::warn!(
                task_id,
                task_type,
                queue,
                %attempt,
                losses,
                "the process of the task's server has ended, the task is recovered"
            ),
        });
        if self.policy.is_lost_too_often(losses) {
            told(|| {
                tracing::error!(
                    task_id,
                    task_type,
                    queue,
                    %attempt,
                    losses,
                    error = &*failure.logged_text(),
                    "archived: too many runs in a row were lost with their servers"
                );
            });
        } else {
            let outcome = &run.acknowledgement.outcome;
            announce_failure(task_id, queue, message, failure, outcome);
        }
    }
}

/// A lost run whose outcome is decided and not written yet.
struct DecidedRun {
    acknowledgement: Acknowledgement,
    /// The message before this failure, and the failure. `None`: the message does not decode.
    failed: Option<(TaskMessage, Failure)>,
    losses: u32,
}

impl LostBy {
    /// The same for what is measured.
    fn cause(self) -> LossCause {
        match self {
            Self::ExpiredLease => LossCause::ExpiredLease,
            Self::EndedProcess => LossCause::EndedProcess,
        }
    }

    fn authority(self) -> Authority {
        Authority::Recoverer {
            expired_secs: match self {
                Self::ExpiredLease => GRACE_SECS,
                // Any lease may be taken.
                Self::EndedProcess => -(LEASE.as_secs() as i64),
            },
        }
    }
}
