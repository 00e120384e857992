//! Looks for what is over among the keys that belong to no queue, and for queues that are not listed, one bounded step
//! after the other.

use std::collections::HashSet;

use super::damage::{Damage, DamageKind};
use crate::broker::Broker;
use crate::error::Result;
use crate::wire::{self, QueueKeys, keys};

/// The time to live that the history of an entry gets if no scheduler has the entry (s): a week.
const HISTORY_TTL_SECS: u64 = 7 * 24 * 60 * 60;

pub(super) struct ServerExaminer {
    broker: Broker,
    /// The sets that are still to be looked at.
    sets: Vec<&'static str>,
    /// A key for each node that is still to be looked at. `None`: the nodes were not looked up yet.
    nodes: Option<Vec<String>>,
    next: Option<String>,
    /// Queues that were looked at: they are listed, or were reported.
    seen: HashSet<String>,
}

impl ServerExaminer {
    pub(super) fn new(broker: Broker) -> Self {
        Self {
            broker,
            sets: vec![keys::SCHEDULERS, keys::WORKERS, keys::SERVERS],
            nodes: None,
            next: None,
            seen: HashSet::new(),
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
        let nodes = match &mut self.nodes {
            Some(nodes) => nodes,
            None => self.nodes.insert(self.broker.one_key_per_node()?),
        };
        let Some(node) = nodes.last() else {
            return Ok(None);
        };
        let from = self.next.take().unwrap_or_else(|| "0".to_owned());
        let (next, found) = self.broker.scan_keys(node, &from).await?;
        self.next = next;
        if self.next.is_none() {
            nodes.pop();
        }
        let mut damage = self.without_ttl(&found).await?;
        for key in &found {
            if let Some(queue) = QueueKeys::queue_of_place(key) {
                damage.extend(self.unlisted(queue).await?);
            }
        }
        Ok(Some(damage))
    }

    /// Those of these keys that should have a time to live.
    async fn without_ttl(&self, found: &[String]) -> Result<Vec<Damage>> {
        let is_history = |key: &String| keys::entry_of_history(key).is_some();
        let expires = |key: &&String| keys::is_entry(key) || is_history(key);
        let expiring: Vec<String> = found.iter().filter(expires).cloned().collect();
        let without_ttl = self.broker.without_ttl(&expiring).await?;
        let without_ttl = expiring.into_iter().zip(without_ttl);
        let mut stale_keys: Vec<String> = without_ttl
            .filter_map(|(key, is_so)| is_so.then_some(key))
            .collect();
        if stale_keys.iter().any(is_history) {
            // A Go scheduler writes the histories of its entries without a time to live.
            let live = live_entries(&self.broker).await?;
            stale_keys
                .retain(|key| !keys::entry_of_history(key).is_some_and(|id| live.contains(id)));
        }
        let damage = stale_keys.iter().map(|key| match is_history(key) {
            true => stale(
                key,
                "no scheduler has the entry of this history, which never expires",
            ),
            false => stale(key, "it never expires"),
        });
        Ok(damage.collect())
    }

    async fn unlisted(&mut self, queue: &str) -> Result<Option<Damage>> {
        if !self.seen.insert(queue.to_owned()) {
            return Ok(None);
        }
        let is_damaged = !self.broker.queue_exists(queue).await?
            && self.broker.has_tasks(&self.broker.keys(queue)).await?;
        Ok(is_damaged.then(|| Damage {
            kind: DamageKind::UnlistedQueue,
            queue: Some(queue.to_owned()),
            key: keys::QUEUES.to_owned(),
            member: Some(queue.to_owned()),
            detail: "the queue has tasks, and is not listed".to_owned(),
            trace: String::new(),
        }))
    }
}

/// The ids of the entries of live schedulers.
async fn live_entries(broker: &Broker) -> Result<HashSet<String>> {
    let mut entries = HashSet::new();
    for scheduler in broker.scheduler_ids().await? {
        for raw in broker.scheduler_entries(&scheduler).await? {
            entries.extend(wire::decode_scheduler_entry(raw).map(|entry| entry.id));
        }
    }
    Ok(entries)
}

fn stale(key: &str, detail: &str) -> Damage {
    Damage {
        kind: DamageKind::StaleKey,
        queue: None,
        key: key.to_owned(),
        member: None,
        detail: detail.to_owned(),
        trace: String::new(),
    }
}

/// Repairs what [`ServerExaminer`] finds. Returns whether the damage was there.
pub(super) async fn repair_global(broker: &Broker, damage: &Damage) -> Result<bool> {
    let ttl = match keys::entry_of_history(&damage.key) {
        Some(entry) if live_entries(broker).await?.contains(entry) => return Ok(false),
        Some(_) => HISTORY_TTL_SECS,
        None => 0,
    };
    let member = damage.member.as_deref();
    broker.drop_stale(&damage.key, member, ttl).await
}
