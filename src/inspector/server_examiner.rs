//! Looks for what is over among the keys that belong to no queue, one bounded step after the other.

use std::collections::{BTreeSet, HashSet};

use super::damage::{Damage, DamageKind};
use crate::broker::{Broker, Todo};
use crate::error::Result;
use crate::wire::{self, QueueKeys, keys};

/// The time to live that the history of an entry gets if no scheduler has the entry (s): a week.
pub(super) const HISTORY_TTL_SECS: u64 = 7 * 24 * 60 * 60;

pub(super) struct ServerExaminer {
    broker: Broker,
    /// The sets that are still to be looked at.
    sets: Vec<&'static str>,
    /// A key for each node that is still to be looked at.
    nodes: Vec<String>,
    next: Option<String>,
    known: Option<ListedNames>,
    reported: BTreeSet<String>,
}

/// What is listed.
struct ListedNames {
    queues: HashSet<String>,
    /// The ids of the entries of live schedulers.
    entries: HashSet<String>,
}

impl ServerExaminer {
    pub(super) fn new(broker: Broker) -> Self {
        Self {
            nodes: broker.one_key_per_node(),
            broker,
            sets: vec![keys::SCHEDULERS, keys::WORKERS, keys::SERVERS],
            next: None,
            known: None,
            reported: BTreeSet::new(),
        }
    }

    /// The next step. `None`: the examination is over.
    pub(super) async fn step(&mut self) -> Result<Option<Vec<Damage>>> {
        if let Some(set) = self.sets.pop() {
            let over = self.broker.over_members(set).await?;
            let damage = over.into_iter().map(|member| Damage {
                member: Some(member),
                ..stale(set, "it is over, and nobody has removed it")
            });
            return Ok(Some(damage.collect()));
        }
        let Some(node) = self.nodes.last() else {
            return Ok(None);
        };
        let from = self.next.take().unwrap_or_else(|| "0".to_owned());
        let (next, found) = self.broker.scan_keys(node, &from).await?;
        self.next = next;
        if self.next.is_none() {
            self.nodes.pop();
        }
        self.judge(found).await.map(Some)
    }

    async fn judge(&mut self, found: Vec<String>) -> Result<Vec<Damage>> {
        let mut damage = Vec::new();
        let must_expire =
            |key: &String| keys::is_entry(key) || keys::entry_of_history(key).is_some();
        let expiring: Vec<String> = found
            .iter()
            .filter(|key| must_expire(key))
            .cloned()
            .collect();
        let without_ttl = self.broker.without_ttl(&expiring).await?;
        let without_ttl = expiring
            .into_iter()
            .zip(without_ttl)
            .filter(|(_, is_so)| *is_so);
        for (key, _) in without_ttl {
            let known = self.known().await?;
            match keys::entry_of_history(&key) {
                Some(entry) if known.entries.contains(entry) => {}
                Some(_) => damage.push(stale(
                    &key,
                    "no scheduler has the entry of this history, and it has no time to live",
                )),
                None => damage.push(stale(&key, "it has no time to live")),
            }
        }
        for name in found
            .iter()
            .filter_map(|key| QueueKeys::queue_of_place(key))
        {
            if self.known().await?.queues.contains(name) || self.reported.contains(name) {
                continue;
            }
            // It may be listed since then, or deleted.
            let is_damaged = !self.broker.queue_exists(name).await?
                && self.broker.has_tasks(&self.broker.keys(name)).await?;
            if is_damaged {
                self.reported.insert(name.to_owned());
                damage.push(Damage {
                    kind: DamageKind::UnlistedQueue,
                    queue: Some(name.to_owned()),
                    key: keys::QUEUES.to_owned(),
                    member: Some(name.to_owned()),
                    detail: "the queue has tasks, and is not listed".to_owned(),
                });
            }
        }
        Ok(damage)
    }

    async fn known(&mut self) -> Result<&ListedNames> {
        let known = match self.known.take() {
            Some(known) => known,
            None => {
                let mut entries = HashSet::new();
                for scheduler in self.broker.scheduler_ids().await? {
                    for raw in self.broker.scheduler_entries(&scheduler).await? {
                        entries.extend(wire::decode_scheduler_entry(raw).map(|entry| entry.id));
                    }
                }
                ListedNames {
                    queues: self.broker.queues().await?.into_iter().collect(),
                    entries,
                }
            }
        };
        Ok(self.known.insert(known))
    }
}

fn stale(key: &str, detail: &str) -> Damage {
    Damage {
        kind: DamageKind::StaleKey,
        queue: None,
        key: key.to_owned(),
        member: None,
        detail: detail.to_owned(),
    }
}

/// Repairs what [`ServerExaminer`] finds. Returns whether the damage was there.
pub(super) async fn repair_global(broker: &Broker, damage: &Damage) -> Result<bool> {
    let ttl = match keys::entry_of_history(&damage.key) {
        Some(_) => HISTORY_TTL_SECS,
        None => 0,
    };
    let member = damage.member.as_deref();
    broker
        .drop_stale(&damage.key, member, ttl, Todo::Repair)
        .await
}
