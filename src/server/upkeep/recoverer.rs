//! Recovers the tasks of servers that have disappeared: retries, archives or defers tasks whose lease
//! has expired, and puts aggregation sets whose deadline is over back into their groups. Also repairs tasks
//! that are active without a lease. asynq: `recoverer`.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use tokio::time::Instant;

use super::lost_runs::{GRACE_SECS, LostBy, LostRuns};
use crate::background::Periodic;
use crate::broker::{ReclaimedSets, Str};
use crate::clock;
use crate::error::Result;
use crate::server::queues::{Queues, ServedQueue};
use crate::wire::QueueKeys;

/// The most tasks that one call lists.
const BATCH: usize = 100;
/// A pass leaves a queue to the next pass after this many tasks that it could not recover.
const MAX_SKIPPED: usize = 1_000;
/// How many queues are looked at at the same time, so that a queue without an answer delays no other queue.
const QUEUES_AT_ONCE: usize = 16;
/// The most active tasks that one call looks at for tasks without a lease.
const MAX_LOOKED_AT: usize = 1_000;
/// The most tasks without a lease of one queue that are repaired at a time.
const MAX_UNLEASED: usize = 10_000;
/// A task must have been without a lease for this long.
const UNLEASED_FOR: Duration = Duration::from_secs(30);

pub(in crate::server) struct Recoverer {
    pub(in crate::server) queues: Queues,
    pub(in crate::server) lost: LostRuns,
    /// By queue: the tasks that were active without a lease, and since when they were seen so.
    pub(in crate::server) unleased: HashMap<usize, HashMap<Str, Instant>>,
    /// By queue: the groups that had aggregation sets. A Go server may put such a set back.
    pub(in crate::server) groups_with_sets: HashMap<usize, BTreeSet<Str>>,
}

impl Periodic for Recoverer {
    const NAME: &'static str = "recoverer";
    /// How many tasks were recovered.
    type Done = usize;

    async fn pass(&mut self) -> Result<usize> {
        let now = self.lost.broker.clock().now().timestamp();
        let mut unleased = std::mem::take(&mut self.unleased);
        let mut groups = std::mem::take(&mut self.groups_with_sets);
        let passes = self.queues.all().map(|queue| {
            let seen = unleased.remove(&queue.index).unwrap_or_default();
            let groups = groups.remove(&queue.index).unwrap_or_default();
            self.recover(queue, now, seen, groups)
        });
        let passes: Vec<_> = passes.collect();
        let done: Vec<_> = stream::iter(passes)
            .buffer_unordered(QUEUES_AT_ONCE)
            .collect()
            .await;
        let mut result = Ok(0);
        for recovered in done {
            let RecoveredQueue {
                queue,
                leases,
                sets,
                groups,
            } = recovered;
            if !groups.is_empty() {
                self.groups_with_sets.insert(queue.index, groups);
            }
            // A queue that cannot be recovered does not stop the others.
            match leases {
                Ok((recovered, seen)) => {
                    if !seen.is_empty() {
                        self.unleased.insert(queue.index, seen);
                    }
                    result = result.map(|before| before + recovered);
                }
                Err(error) => {
                    tracing::debug!(queue = queue.name(), %error, "could not recover expired leases");
                    result = result.and(Err(error));
                }
            }
            if let Err(error) = sets {
                tracing::debug!(queue = queue.name(), %error, "could not reclaim aggregation sets");
                result = result.and(Err(error));
            }
        }
        result
    }
}

/// What became of one queue.
struct RecoveredQueue<'q> {
    queue: &'q ServedQueue,
    /// How many tasks were recovered, and the tasks that are active without a lease.
    leases: Result<(usize, HashMap<Str, Instant>)>,
    sets: Result<()>,
    /// The groups that have aggregation sets.
    groups: BTreeSet<Str>,
}

impl Recoverer {
    async fn recover<'q>(
        &self,
        queue: &'q ServedQueue,
        now: i64,
        seen: HashMap<Str, Instant>,
        mut groups: BTreeSet<Str>,
    ) -> RecoveredQueue<'q> {
        let found = self.lost.broker.check_queue(&queue.keys).await;
        // Leases that cannot be recovered do not stop sets, and the other way round.
        let is_due = |at: Option<i64>| at.is_some_and(|at| at <= now);
        let (deadline, deletion, has_sets) = match &found {
            Ok(found) => (
                is_due(found.first_deadline),
                is_due(found.first_deletion),
                Some(found.first_deadline.is_some()),
            ),
            Err(error) => (!error.is_transient(), false, None),
        };
        let sets = async {
            let mut result = Ok(());
            if deadline {
                result = self.reclaim_sets(&queue.keys).await;
            }
            if let Some(has_sets) = has_sets {
                let relist = self.relist_groups(&queue.keys, &mut groups, has_sets);
                result = result.and(relist.await);
            }
            if deletion {
                let delete = self.lost.broker.delete_aggregated_sets(&queue.keys);
                result = result.and(delete.await);
            }
            result
        };
        let leases = async {
            let found = found?;
            let mut recovered = 0;
            let expired_before = now - GRACE_SECS;
            if found.first_expiry.is_some_and(|at| at <= expired_before) {
                recovered = self.recover_expired(&queue.keys).await?;
            }
            let unleased = match found.active == found.leases {
                true => HashMap::new(),
                false => self.repair_unleased(&queue.keys, seen).await?,
            };
            Ok((recovered, unleased))
        };
        RecoveredQueue {
            queue,
            leases: leases.await,
            sets: sets.await,
            groups,
        }
    }

    async fn reclaim_sets(&self, queue: &QueueKeys) -> Result<()> {
        let (reclaimed, result) = self.lost.broker.reclaim_sets(queue).await;
        if reclaimed != ReclaimedSets::default() {
            tracing::warn!(
                queue = queue.queue(),
                sets = reclaimed.sets,
                tasks = reclaimed.tasks,
                "aggregation sets were not aggregated in time, their tasks are back in their groups"
            );
        }
        result
    }

    /// Lists groups again whose sets a Go server has put back: it does not list the group. `groups` had sets when the last
    /// pass looked, and those that have sets now take their place.
    async fn relist_groups(
        &self,
        queue: &QueueKeys,
        groups: &mut BTreeSet<Str>,
        has_sets: bool,
    ) -> Result<()> {
        let broker = &self.lost.broker;
        if !groups.is_empty() {
            let relisted = broker.relist_groups(queue, groups).await?;
            if relisted > 0 {
                tracing::warn!(
                    queue = queue.queue(),
                    groups = relisted,
                    "groups with tasks were not listed, they are listed again"
                );
            }
        }
        *groups = match has_sets {
            true => broker.groups_with_sets(queue).await?,
            false => BTreeSet::new(),
        };
        Ok(())
    }

    async fn recover_expired(&self, queue: &QueueKeys) -> Result<usize> {
        // Tasks that could not be recovered may be listed again.
        let mut skipped: HashSet<Str> = HashSet::new();
        let mut recovered = 0;
        loop {
            let limit = BATCH + skipped.len();
            let expired = self
                .lost
                .broker
                .expired_leases(queue, GRACE_SECS, limit)
                .await?;
            if expired.dropped > 0 {
                tracing::warn!(
                    queue = queue.queue(),
                    ids = expired.dropped,
                    "dropped ids whose task is gone"
                );
            }
            if expired.inactive > 0 {
                tracing::warn!(
                    queue = queue.queue(),
                    ids = expired.inactive,
                    "removed leases of tasks that are not active"
                );
            }
            let listed = expired.tasks.len() + (expired.dropped + expired.inactive) as usize;
            let has_more = expired.has_more || listed == limit;
            let mut tasks = expired.tasks;
            tasks.retain(|lost| !skipped.contains(&lost.task.id));
            if tasks.is_empty() && expired.has_more {
                // Tasks that could not be recovered use up the budget of the list.
                return Ok(recovered);
            }
            let lost_by = LostBy::ExpiredLease;
            let settled = self.lost.settle(queue, tasks, lost_by).await?;
            recovered += settled.settled;
            skipped.extend(settled.skipped);
            if !has_more || skipped.len() >= MAX_SKIPPED {
                return Ok(recovered);
            }
        }
    }

    /// Gives leases that have just expired to tasks that have been active without a lease for some time. So they are
    /// recovered as any others. Returns those that must be looked at again.
    ///
    /// Fetches and acknowledgements write *active* and the lease in one script, Go's too: such a task is damaged, for
    /// example by a failover. asynq before v0.24 had no leases at all, so this looks twice.
    async fn repair_unleased(
        &self,
        queue: &QueueKeys,
        mut seen: HashMap<Str, Instant>,
    ) -> Result<HashMap<Str, Instant>> {
        let now = clock::monotonic();
        let (mut found, mut damaged) = (HashMap::new(), Vec::new());
        let mut looked_at = 0;
        while found.len() < MAX_UNLEASED {
            let part = self
                .lost
                .broker
                .active_without_lease(queue, looked_at, MAX_LOOKED_AT)
                .await?;
            looked_at += part.read;
            for id in part.ids {
                let since = seen.remove(&id).unwrap_or(now);
                if now.saturating_duration_since(since) >= UNLEASED_FOR {
                    damaged.push(id);
                } else {
                    found.insert(id, since);
                }
            }
            if part.read < MAX_LOOKED_AT || damaged.len() >= MAX_UNLEASED {
                break;
            }
        }
        for ids in damaged.chunks(MAX_LOOKED_AT) {
            let leased = self.lost.broker.lease_unleased(queue, ids).await?;
            tracing::warn!(
                queue = queue.queue(),
                tasks = leased,
                "found active tasks without a lease, they will be recovered"
            );
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fred::interfaces::{
        HashesInterface, KeysInterface, ListInterface, SetsInterface, SortedSetsInterface,
    };

    use super::*;
    use crate::broker::Broker;
    use crate::connection::Connection;
    use crate::server::config::Config;
    use crate::server::policy::Policy;
    use crate::test_support::RedisServer;
    use crate::wire::{self, TaskMessage};

    fn recoverer(broker: &Broker) -> Recoverer {
        let config = Config::default().checked().expect("valid");
        Recoverer {
            queues: Queues::new(broker, &config.queues, false),
            lost: LostRuns {
                policy: Arc::new(Policy::new(&config)),
                broker: broker.clone(),
            },
            unleased: HashMap::new(),
            groups_with_sets: HashMap::new(),
        }
    }

    // row 3 of docs/asynq-defects.md
    #[tokio::test]
    async fn a_group_whose_set_a_go_server_has_put_back_is_listed_again_by_the_next_pass() {
        let redis = RedisServer::start().await;
        let raw = redis.client().await;
        let connection = Connection::from_uri(&redis.uri()).expect("a URI");
        let broker = Broker::connect(&connection).await.expect("a connection");
        let keys = broker.keys("default");
        let live = broker.clock().now().timestamp() as f64 + 60.0;
        for group in ["reclaimed", "aggregated", "live"] {
            let set = keys.aggregation_set(group, "7f5c");
            for (key, score, member) in
                [(keys.aggregation_sets(), live, &*set), (&set, 1.0, "task")]
            {
                let added = raw.zadd(key, None, None, false, false, (score, member));
                let _: () = added.await.expect("ZADD");
            }
        }
        let mut recoverer = recoverer(&broker);
        recoverer.pass().await.expect("Redis answers");
        let is_listed: bool = raw.exists(keys.groups()).await.expect("EXISTS");
        assert!(!is_listed);

        let sets = ["reclaimed", "aggregated"].map(|group| keys.aggregation_set(group, "7f5c"));
        let _: () = raw
            .zrem(keys.aggregation_sets(), sets.to_vec())
            .await
            .expect("ZREM");
        let _: () = raw
            .rename(&sets[0], keys.group("reclaimed"))
            .await
            .expect("RENAME");
        let _: () = raw.del(&sets[1]).await.expect("DEL");
        recoverer.pass().await.expect("Redis answers");
        let listed: Vec<String> = raw.smembers(keys.groups()).await.expect("SMEMBERS");
        assert_eq!(listed, ["reclaimed"]);
        let remembered = &recoverer.groups_with_sets[&0];
        assert!(
            remembered.iter().map(|group| &**group).eq(["live"]),
            "{remembered:?}"
        );
        broker.close().await;
    }

    #[tokio::test]
    async fn an_active_task_without_a_lease_gets_one_that_has_expired_and_is_recovered() {
        let redis = RedisServer::start().await;
        let raw = redis.client().await;
        let connection = Connection::from_uri(&redis.uri()).expect("a URI");
        let broker = Broker::connect(&connection).await.expect("a connection");
        let keys = broker.keys("default");
        for id in ["damaged", "healthy"] {
            let message = TaskMessage {
                id: id.to_owned(),
                queue: "default".to_owned(),
                retry: 3,
                ..TaskMessage::default()
            };
            let message = wire::encode(&message);
            let fields = vec![("msg", message), ("state", "active".into())];
            let _: () = raw.hset(keys.task(id), fields).await.expect("HSET");
            let _: () = raw.lpush(keys.active(), id).await.expect("LPUSH");
        }
        let now = broker.clock().now().timestamp() as f64;
        let lease = |id: &'static str, at: f64| {
            raw.zadd::<(), _, _>(keys.lease(), None, None, false, false, (at, id))
        };
        lease("healthy", now + 25.0).await.expect("ZADD");

        let mut recoverer = recoverer(&broker);
        let leases = || raw.zcard::<i64, _>(keys.lease());
        // The first look may find a task of a server that knows no leases.
        assert_eq!(recoverer.pass().await.expect("Redis answers"), 0);
        assert_eq!(recoverer.pass().await.expect("Redis answers"), 0);
        assert_eq!(leases().await.expect("ZCARD"), 1);
        let seen = recoverer.unleased.get_mut(&0).expect("it was seen");
        for since in seen.values_mut() {
            *since -= UNLEASED_FOR;
        }
        assert_eq!(recoverer.pass().await.expect("Redis answers"), 0);
        assert_eq!(leases().await.expect("ZCARD"), 2);
        assert_eq!(recoverer.unleased.len(), 0);
        // As if the grace were over.
        lease("damaged", now - 31.0).await.expect("ZADD");
        assert_eq!(recoverer.pass().await.expect("Redis answers"), 1);
        let state: String = raw.hget(keys.task("damaged"), "state").await.expect("HGET");
        assert_eq!(state, "retry");
        let state: String = raw.hget(keys.task("healthy"), "state").await.expect("HGET");
        assert_eq!(state, "active");
        broker.close().await;
    }
}
