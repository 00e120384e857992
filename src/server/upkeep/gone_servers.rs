//! Recovers the tasks of servers whose processes have certainly ended without a shutdown, before their leases
//! expire.
//!
//! A server that misses its heartbeats is suspected. It may be frozen, or cut off from Redis: then its runs may go
//! on, and its leases decide, as always. But its tasks are recovered at once if its process has ended:
//!
//! - On the same machine, the operating system tells.
//! - On another machine, its channel tells: as long as the server is connected, it listens there. A connection
//!   that was lost is opened again within seconds. So nobody listens for a longer time only if the process is gone.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use tokio::time::Instant;

use super::lost_runs::{LostBy, LostRuns};
use super::server_entry::TTL_SECS;
use crate::background::Periodic;
use crate::broker::RedisProcess;
use crate::clock;
use crate::error::Result;
use crate::server::owner::{Listing, Owner};
use crate::server::process::Fate;
use crate::server::queues::Queues;
use crate::wire::{QueueKeys, keys};

/// Without suspects, one look comes after this time. With suspects, each pass looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(4);
/// A server is suspected if its last heartbeat is this many seconds ago. Heartbeats come every 5 s.
const SUSPECTED_SECS: i64 = 6;
/// After this time, leases have expired and the recoverer decides.
const FORGOTTEN_SECS: i64 = 120;
/// A suspect that is listed as an owner nowhere is looked for again after this time.
const LOOK_FOR_OWNER_AGAIN: Duration = Duration::from_secs(10);
/// For how long nobody must have listened on the channel of a server on another machine.
const NO_LISTENER_FOR: Duration = Duration::from_secs(8);
/// Looks for listeners that are further apart do not belong together.
const LONGEST_GAP: Duration = Duration::from_secs(4);
/// After its start, Redis must give all servers time to connect again.
const REDIS_UP_SECS: u64 = 20;
/// How many queues are looked at at the same time.
const QUEUES_AT_ONCE: usize = 16;
/// The most leases that one call reads.
const BATCH: usize = 500;
/// The most calls for the leases of one queue in one look.
const MAX_BATCHES: usize = 200;
/// How often the tasks of a server that is gone are recovered: Redis may receive its last fetch late.
const ROUNDS: u32 = 2;
/// The pause between two rounds.
const NEXT_ROUND: Duration = Duration::from_secs(10);

pub(in crate::server) struct GoneServers {
    queues: Queues,
    lost: LostRuns,
    listing: Arc<Listing>,
    looked_at: Option<Instant>,
    /// By name as an owner.
    suspects: HashMap<String, Suspect>,
}

/// A server that has missed a heartbeat.
struct Suspect {
    /// When it was seen last in the list of silent servers.
    seen_at: Instant,
    /// How it is listed in the queues of this server. `None`: it is not.
    owner: Option<Owner>,
    unheard: Option<Unheard>,
    /// How often its tasks were recovered, and when they will be again.
    rounds: u32,
    next_round: Option<Instant>,
}

/// Nobody listened on a channel in each look of a period.
#[derive(Clone, Debug, PartialEq)]
struct Unheard {
    redis: RedisProcess,
    since: Instant,
    last: Instant,
}

impl Periodic for GoneServers {
    const NAME: &'static str = "gone servers";
    /// How many tasks were recovered.
    type Done = usize;

    async fn pass(&mut self) -> Result<usize> {
        let now = clock::monotonic();
        let is_due = |at: Instant| now.saturating_duration_since(at) >= LOOK_INTERVAL;
        if self.suspects.is_empty() && !self.looked_at.is_none_or(is_due) {
            return Ok(0);
        }
        self.looked_at = Some(now);
        self.look_for_suspects(now).await?;
        let mut gone = Vec::new();
        for (name, suspect) in &mut self.suspects {
            let Some(owner) = &suspect.owner else {
                continue;
            };
            if suspect.rounds >= ROUNDS || suspect.next_round.is_some_and(|at| now < at) {
                continue;
            }
            let fate = match (self.listing.process(), &owner.process) {
                (Some(ours), Some(theirs)) => ours.fate_of(theirs),
                _ => Fate::Unknown,
            };
            let is_gone = match fate {
                Fate::Lives => false,
                Fate::Gone => true,
                Fate::Unknown if owner.listens => {
                    let unheard = suspect.unheard.take();
                    suspect.unheard = self.lost.still_unheard(name, unheard).await?;
                    suspect.unheard.as_ref().is_some_and(Unheard::is_long)
                }
                Fate::Unknown => false,
            };
            if is_gone {
                gone.push(name.clone());
            }
        }
        let mut recovered = 0;
        for name in gone {
            recovered += self.recover(&name).await?;
            if let Some(suspect) = self.suspects.get_mut(&name) {
                suspect.rounds += 1;
                suspect.next_round = Some(now + NEXT_ROUND);
            }
        }
        Ok(recovered)
    }
}

impl GoneServers {
    pub(in crate::server) fn new(queues: Queues, lost: LostRuns, listing: Arc<Listing>) -> Self {
        Self {
            queues,
            lost,
            listing,
            looked_at: None,
            suspects: HashMap::new(),
        }
    }

    /// Adds the servers that have missed a heartbeat to the suspects.
    async fn look_for_suspects(&mut self, now: Instant) -> Result<()> {
        let silent = self
            .lost
            .broker
            .silent_servers(SUSPECTED_SECS, FORGOTTEN_SECS, TTL_SECS)
            .await?;
        let mut unknown = HashSet::new();
        for name in silent
            .iter()
            .filter_map(|key| keys::server_id(key))
            .map(Owner::name_of)
        {
            match self.suspects.get_mut(&name) {
                Some(suspect) => suspect.seen_at = now,
                None if name != self.listing.name() => drop(unknown.insert(name)),
                None => {}
            }
        }
        let age = |suspect: &Suspect| now.saturating_duration_since(suspect.seen_at);
        self.suspects.retain(|_, suspect| match suspect.owner {
            Some(_) => age(suspect) < Duration::from_secs(FORGOTTEN_SECS.unsigned_abs()),
            None => age(suspect) < LOOK_FOR_OWNER_AGAIN,
        });
        if unknown.is_empty() {
            return Ok(());
        }
        let mut owners = self.owners().await?;
        for name in unknown {
            let owner = owners.remove(&name);
            let suspect = Suspect {
                seen_at: now,
                owner: owner.map(|(owner, _)| owner),
                unheard: None,
                rounds: 0,
                next_round: None,
            };
            self.suspects.insert(name, suspect);
        }
        Ok(())
    }

    /// The owners of all queues of this server, with the queues in which they are listed.
    async fn owners(&self) -> Result<HashMap<String, (Owner, Vec<QueueKeys>)>> {
        let broker = &self.lost.broker;
        let reads = self.queues.all().map(|queue| async {
            let listed = broker.owners(&queue.keys).await;
            (queue.keys.clone(), listed)
        });
        let reads: Vec<_> = reads.collect();
        let read: Vec<_> = stream::iter(reads)
            .buffer_unordered(QUEUES_AT_ONCE)
            .collect()
            .await;
        let mut owners: HashMap<String, (Owner, Vec<QueueKeys>)> = HashMap::new();
        for (queue, listed) in read {
            let listed = match listed {
                Ok(listed) => listed,
                Err(error) => {
                    tracing::debug!(queue = queue.queue(), %error, "could not read the owners of a queue");
                    continue;
                }
            };
            for owner in listed.iter().filter_map(|text| Owner::decode(text)) {
                let (known, queues) = owners
                    .entry(owner.name.clone())
                    .or_insert_with(|| (owner.clone(), Vec::new()));
                known.listens |= owner.listens;
                queues.push(queue.clone());
            }
        }
        Ok(owners)
    }

    /// Recovers the tasks of a server in all queues in which it is listed now.
    async fn recover(&self, name: &str) -> Result<usize> {
        let queues = self.owners().await?.remove(name);
        let queues = queues.map_or(Vec::new(), |(_, queues)| queues);
        let recovered = join_all(
            queues
                .iter()
                .map(|queue| self.lost.recover_all(queue, name)),
        );
        let mut sum = Ok(0);
        for recovered in recovered.await {
            sum = sum.and_then(|sum: usize| Ok(sum + recovered?));
        }
        sum
    }
}

impl LostRuns {
    /// Recovers the tasks of one queue whose leases belong to a server that is gone.
    async fn recover_all(&self, queue: &QueueKeys, owner: &str) -> Result<usize> {
        let (mut recovered, mut offset) = (0, 0);
        for _ in 0..MAX_BATCHES {
            let leases = self.broker.leases_of(queue, owner, offset, BATCH).await?;
            let settled = self
                .settle(queue, leases.tasks, LostBy::EndedProcess)
                .await?;
            recovered += settled.settled;
            // Settled tasks have no lease any more.
            offset += leases.read - settled.settled;
            if leases.read < BATCH {
                break;
            }
        }
        Ok(recovered)
    }

    /// Looks whether somebody listens on the channel of a server. `None`: somebody does, or one cannot tell.
    async fn still_unheard(&self, name: &str, before: Option<Unheard>) -> Result<Option<Unheard>> {
        if self.broker.is_cluster() || self.broker.has_listener(name).await? {
            return Ok(None);
        }
        let redis = self.broker.redis_process().await?;
        Ok(redis.and_then(|redis| Unheard::again(before, redis, clock::monotonic())))
    }
}

impl Unheard {
    /// In a look at `now`, nobody listened.
    fn again(before: Option<Self>, redis: RedisProcess, now: Instant) -> Option<Self> {
        if redis.uptime_secs < REDIS_UP_SECS {
            return None;
        }
        let continues = |before: &Self| {
            before.redis.run_id == redis.run_id
                && now.saturating_duration_since(before.last) <= LONGEST_GAP
        };
        let since = before.filter(continues).map_or(now, |before| before.since);
        Some(Self {
            redis,
            since,
            last: now,
        })
    }

    fn is_long(&self) -> bool {
        self.last.saturating_duration_since(self.since) >= NO_LISTENER_FOR
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redis(run_id: &str, uptime_secs: u64) -> RedisProcess {
        RedisProcess {
            run_id: run_id.to_owned(),
            uptime_secs,
        }
    }

    /// The result of looks at these seconds in which nobody listened, all on the same Redis.
    fn after(looks: &[u64]) -> Option<Unheard> {
        let start = clock::monotonic();
        looks.iter().fold(None, |before, secs| {
            Unheard::again(before, redis("a", 600), start + Duration::from_secs(*secs))
        })
    }

    fn is_long(looks: &[u64]) -> bool {
        after(looks).is_some_and(|unheard| unheard.is_long())
    }

    #[test]
    fn a_server_is_gone_only_if_nobody_has_listened_in_each_look_for_some_time() {
        assert!(!is_long(&[0]));
        assert!(!is_long(&[0, 1, 2, 3, 4, 5, 6, 7]));
        assert!(is_long(&[0, 1, 2, 3, 4, 5, 6, 7, 8]));
        assert!(
            !is_long(&[0, 9]),
            "in the meantime somebody may have listened"
        );
        assert!(!is_long(&[0, 4, 9, 12, 15]), "the first two do not count");
        assert!(is_long(&[0, 4, 9, 12, 15, 17]));
    }

    #[test]
    fn a_redis_that_has_just_started_or_is_another_one_says_nothing() {
        let now = clock::monotonic();
        assert_eq!(Unheard::again(None, redis("a", 19), now), None);
        let before = after(&[0, 4, 8]);
        assert!(before.as_ref().is_some_and(Unheard::is_long));
        let then = now + Duration::from_secs(9);
        let other = Unheard::again(before, redis("b", 600), then);
        assert!(!other.expect("it counts from now").is_long());
    }
}
