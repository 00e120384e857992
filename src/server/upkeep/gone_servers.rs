//! Recovers the tasks of servers whose processes have certainly ended without a shutdown, before their leases
//! expire.
//!
//! A server is suspected if it misses its heartbeats, or if nobody listens on its channel. It may be frozen, or cut
//! off from Redis: then its runs may go on, and its leases decide, as always. But its tasks are recovered at once if
//! its process has ended:
//!
//! - On the same machine, the operating system tells.
//! - On another machine, its channel tells: as long as the server is connected, it listens there. A connection
//!   that was lost is opened again within seconds. So nobody listens for a longer time, and no heartbeat comes, only
//!   if the process is gone.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use tokio::time::Instant;

use super::lost_runs::LostRuns;
use super::server_entry::TTL_SECS;
use super::suspect::{Look, Suspect};
use crate::background::Periodic;
use crate::broker::RedisProcess;
use crate::clock;
use crate::error::Result;
use crate::server::owner::{Listing, Owner};
use crate::server::process::Fate;
use crate::server::queues::Queues;
use crate::wire::{QueueKeys, keys};

/// While no suspect is watched, one look comes after this time. Otherwise each pass looks. Passes come every second,
/// a bit more: so this is every 4 s.
const LOOK_INTERVAL: Duration = Duration::from_millis(3500);
/// What was found by a look is not acted on later than this.
const LONGEST_DELAY: Duration = Duration::from_secs(4);
/// How many queues are looked at at the same time.
const QUEUES_AT_ONCE: usize = 16;

pub(in crate::server) struct GoneServers {
    queues: Queues,
    lost: LostRuns,
    listing: Arc<Listing>,
    looked_at: Option<Instant>,
    /// By name as an owner.
    suspects: HashMap<String, Suspect>,
}

impl Periodic for GoneServers {
    const NAME: &'static str = "gone servers";
    /// How many tasks were recovered.
    type Done = usize;

    async fn pass(&mut self) -> Result<usize> {
        let now = clock::monotonic();
        let is_due = |at: Instant| now.saturating_duration_since(at) >= LOOK_INTERVAL;
        let is_watched = self.suspects.values().any(Suspect::is_watched);
        if !is_watched && !self.looked_at.is_none_or(is_due) {
            return Ok(0);
        }
        self.looked_at = Some(now);
        let look = self.look(now).await?;
        self.update_suspects(&look).await;
        let mut recovered = 0;
        for (name, fate) in self.gone(&look).await {
            let ended = self.recover(&name, fate, now).await?;
            let Some(count) = ended else {
                continue;
            };
            recovered += count;
            if let Some(suspect) = self.suspects.get_mut(&name) {
                suspect.was_recovered(now);
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

    /// Looks for the last heartbeats of the other servers, then for listeners on their channels.
    async fn look(&self, began: Instant) -> Result<Look> {
        let broker = &self.lost.broker;
        let listed = broker.heartbeats(TTL_SECS, Suspect::FORGOTTEN_SECS).await?;
        let name = |key: &str| keys::server_id(key).map(keys::owner_name);
        let heartbeats: HashMap<String, i64> = listed
            .iter()
            .filter_map(|(key, at)| Some((name(key)?, *at)))
            .filter(|(name, _)| name != self.listing.name())
            .collect();
        let names: HashSet<&String> = heartbeats.keys().chain(self.suspects.keys()).collect();
        let heard = match names.is_empty() || broker.is_cluster() {
            true => None,
            false => match broker
                .with_listener(names.into_iter().cloned().collect())
                .await
            {
                Ok(heard) => Some(heard.into_iter().collect()),
                Err(error) => {
                    tracing::debug!(%error, "could not look for listeners on the channels of servers");
                    None
                }
            },
        };
        Ok(Look {
            began,
            ended: clock::monotonic(),
            unix: broker.clock().now().timestamp(),
            heartbeats,
            heard,
        })
    }

    /// Removes the suspects that have shown that they live, and adds others.
    async fn update_suspects(&mut self, look: &Look) {
        self.suspects
            .retain(|name, suspect| suspect.stays(name, look));
        let unknown = look
            .suspicious()
            .filter(|name| !self.suspects.contains_key(*name));
        let unknown: Vec<String> = unknown.cloned().collect();
        if unknown.is_empty() {
            return;
        }
        let mut owners = self.owners().await;
        for name in unknown {
            let listed = owners.remove(&name).unwrap_or_default();
            let owner = listed.into_iter().map(|(owner, _)| owner);
            // In some queue it may have been listed before it listened.
            let owner = owner.reduce(|one, other| if other.listens { other } else { one });
            let suspect = Suspect::new(owner, &name, look);
            self.suspects.insert(name, suspect);
        }
    }

    /// The suspects that are gone and whose tasks are to be recovered now, and how that is known: [`Fate::Gone`] if
    /// the operating system has told it.
    async fn gone(&mut self, look: &Look) -> Vec<(String, Fate)> {
        let mut redis: Option<Option<RedisProcess>> = None;
        let mut gone = Vec::new();
        for (name, suspect) in &mut self.suspects {
            let Some(owner) = &suspect.owner else {
                continue;
            };
            let fate = match (self.listing.process(), &owner.process) {
                (Some(ours), Some(theirs)) => ours.fate_of(theirs),
                _ => Fate::Unknown,
            };
            let is_gone = match fate {
                Fate::Lives => false,
                Fate::Gone => true,
                Fate::Unknown if suspect.is_unheard(name, look) => {
                    if redis.is_none() {
                        redis = Some(self.lost.redis_process().await);
                    }
                    suspect.was_unheard(redis.clone().flatten(), look)
                }
                Fate::Unknown => suspect.was_unheard(None, look),
            };
            if is_gone && suspect.is_due(look.began) {
                gone.push((name.clone(), fate));
            }
        }
        gone
    }

    /// The owners of all queues of this server, by name, with the queues in which they are listed.
    async fn owners(&self) -> HashMap<String, Vec<(Owner, QueueKeys)>> {
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
        let mut owners: HashMap<String, Vec<_>> = HashMap::new();
        for (queue, listed) in read {
            let listed = match listed {
                Ok(listed) => listed,
                Err(error) => {
                    tracing::debug!(queue = queue.queue(), %error, "could not read the owners of a queue");
                    continue;
                }
            };
            for owner in listed.iter().filter_map(|text| Owner::decode(text)) {
                let name = owner.name.clone();
                owners.entry(name).or_default().push((owner, queue.clone()));
            }
        }
        owners
    }

    /// Recovers the tasks of a server in all queues in which it is listed now. `None`: what the look has found is too
    /// old by now.
    async fn recover(&self, name: &str, fate: Fate, looked_at: Instant) -> Result<Option<usize>> {
        let listed = self.owners().await.remove(name).unwrap_or_default();
        if fate != Fate::Gone && clock::monotonic() - looked_at > LONGEST_DELAY {
            return Ok(None);
        }
        // A server that has lost only its channel lists itself anew.
        let may_recover = |owner: &Owner| fate == Fate::Gone || owner.listens;
        let queues = listed.iter().filter(|(owner, _)| may_recover(owner));
        let recovered = join_all(queues.map(|(_, queue)| self.lost.recover_all(queue, name)));
        let recovered: Result<usize> = recovered.await.into_iter().sum();
        recovered.map(Some)
    }
}
