//! Looks for what is over among the global keys, and for queues that are not listed, one bounded step after the other.

use std::collections::HashSet;

use super::damage::{Damage, DamageKind};
use crate::broker::{Broker, GLOBAL_KEYS_AT_ONCE};
use crate::error::Result;
use crate::wire::{self, QueueKeys, keys};

/// The time to live that the history of an entry gets if no scheduler has the entry (s): a week.
const HISTORY_TTL_SECS: u64 = 7 * 24 * 60 * 60;
/// A scheduler of Go writes the history of a new entry before it lists the entry, which it does every 10 s. One that has
/// lost Redis for a while is not listed either. So a history is left alone until its newest event is older than this (s).
const LIVE_HISTORY_SECS: i64 = 10 * 60;
/// For how long a queue may be paused before its first task (s): a week.
const EARLY_PAUSE_SECS: i64 = 7 * 24 * 60 * 60;

pub(super) struct GlobalExaminer {
    broker: Broker,
    /// The sets that are still to be looked at. `None`: their types were not looked at yet.
    sets: Option<Vec<&'static str>>,
    /// Whether the list of queues can be read.
    has_queues: bool,
    examined: u64,
    total: u64,
    /// A key for each node that is still to be looked at. `None`: the nodes were not looked up yet.
    nodes: Option<Vec<String>>,
    next: Option<String>,
    /// Queues that were looked at: they are listed, or were reported.
    seen: HashSet<String>,
}

impl GlobalExaminer {
    pub(super) fn new(broker: Broker) -> Self {
        Self {
            broker,
            sets: None,
            has_queues: true,
            examined: 0,
            total: 0,
            nodes: None,
            next: None,
            seen: HashSet::new(),
        }
    }

    /// The next step. `None`: the examination is over.
    pub(super) async fn step(&mut self) -> Result<Option<Vec<Damage>>> {
        let Some(sets) = &mut self.sets else {
            return self.look_at_types().await.map(Some);
        };
        if let Some(set) = sets.pop() {
            let over = self.broker.over_members(set).await?;
            let damage = over.into_iter().map(|member| Damage {
                member: Some(member),
                ..stale(set, "it is over, and nobody has removed it")
            });
            return Ok(Some(damage.collect()));
        }
        let nodes = match &mut self.nodes {
            Some(nodes) => nodes,
            None => {
                let nodes = self.nodes.insert(self.broker.one_key_per_node()?);
                self.total = self.broker.number_of_keys(nodes).await?;
                nodes
            }
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
        self.examined += GLOBAL_KEYS_AT_ONCE;
        let mut damage = self.without_ttl(&found).await?;
        if !self.has_queues {
            return Ok(Some(damage));
        }
        for key in &found {
            if let Some(queue) = QueueKeys::queue_of_place(key) {
                damage.extend(self.unlisted(queue).await?);
            } else if let Some(queue) = QueueKeys::queue_of_pause(key) {
                damage.extend(self.paused(queue).await?);
            }
        }
        Ok(Some(damage))
    }

    /// How many keys were examined, and about how many there are.
    pub(super) fn progress(&self) -> (u64, u64) {
        let is_over = self.nodes.as_ref().is_some_and(Vec::is_empty);
        match is_over {
            true => (self.examined, self.examined),
            false => (self.examined, self.total.max(self.examined)),
        }
    }

    /// The types of the keys that have one name. Those of another type are not looked at any more.
    async fn look_at_types(&mut self) -> Result<Vec<Damage>> {
        let all = [keys::QUEUES, keys::SCHEDULERS, keys::WORKERS, keys::SERVERS];
        let found = self.broker.types_of(&all).await?;
        let (mut damage, mut sets) = (Vec::new(), Vec::new());
        for (key, found) in all.into_iter().zip(found) {
            let right = wire::type_of(key).unwrap_or_default();
            if found != "none" && found != right {
                self.has_queues &= key != keys::QUEUES;
                let detail = format!("the key is a {found}, not a {right}");
                damage.push(global(DamageKind::WrongType, key, &detail));
            } else if key != keys::QUEUES {
                sets.push(key);
            }
        }
        self.sets = Some(sets);
        Ok(damage)
    }

    /// Those of these keys that should have a time to live.
    async fn without_ttl(&self, found: &[String]) -> Result<Vec<Damage>> {
        let is_history = |key: &String| keys::entry_of_history(key).is_some();
        let expires = |key: &&String| keys::is_of_process(key) || is_history(key);
        let expiring: Vec<String> = found.iter().filter(expires).cloned().collect();
        let without_ttl = self.broker.without_ttl(&expiring).await?;
        let without_ttl = expiring.into_iter().zip(without_ttl);
        let mut stale_keys: Vec<String> = without_ttl
            .filter_map(|(key, is_so)| is_so.then_some(key))
            .collect();
        if stale_keys.iter().any(is_history) {
            // A Go scheduler writes the histories of its entries without a time to live.
            let (histories, mut stale): (Vec<_>, Vec<_>) =
                stale_keys.into_iter().partition(is_history);
            stale.extend(over_histories(&self.broker, histories).await?);
            stale_keys = stale;
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

    /// The pause of a queue that does not exist, if it is old.
    async fn paused(&self, queue: &str) -> Result<Option<Damage>> {
        let queue_keys = self.broker.keys(queue);
        let is_stale = is_stale_pause(&self.broker, &queue_keys).await?;
        let why = "paused more than a week ago, and the queue is not listed and has no tasks";
        Ok(is_stale.then(|| Damage {
            queue: Some(queue.to_owned()),
            ..stale(queue_keys.paused(), why)
        }))
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

/// Whether a queue is paused that does not exist, and has been for longer than an operator pauses a queue before its
/// first task.
pub(super) async fn is_stale_pause(broker: &Broker, queue: &QueueKeys) -> Result<bool> {
    let Some(since) = broker.paused_since_secs(queue).await? else {
        return Ok(false);
    };
    Ok(since < broker.clock().now().timestamp() - EARLY_PAUSE_SECS
        && !broker.queue_exists(queue.queue()).await?
        && !broker.has_tasks(queue).await?)
}

/// Which of these histories have no event of the last minutes, and belong to an entry that no scheduler has.
async fn over_histories(broker: &Broker, histories: Vec<String>) -> Result<Vec<String>> {
    let live = live_entries(broker).await?;
    let since = broker.clock().now().timestamp() - LIVE_HISTORY_SECS;
    let is_new = broker.have_events_since(&histories, since).await?;
    let over = histories.into_iter().zip(is_new).filter(|(key, is_new)| {
        let is_listed = keys::entry_of_history(key).is_some_and(|id| live.contains(id));
        !is_listed && !is_new
    });
    Ok(over.map(|(key, _)| key).collect())
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
    global(DamageKind::StaleKey, key, detail)
}

fn global(kind: DamageKind, key: &str, detail: &str) -> Damage {
    Damage {
        kind,
        queue: None,
        key: key.to_owned(),
        member: None,
        detail: detail.to_owned(),
        trace: String::new(),
    }
}

/// Repairs what [`GlobalExaminer`] finds. Returns whether the damage was there.
pub(super) async fn repair_global(broker: &Broker, damage: &Damage) -> Result<bool> {
    let mut ttl = 0;
    if keys::entry_of_history(&damage.key).is_some() {
        let history = vec![damage.key.clone()];
        if over_histories(broker, history).await?.is_empty() {
            return Ok(false);
        }
        ttl = HISTORY_TTL_SECS;
    }
    let member = damage.member.as_deref();
    broker.drop_stale(&damage.key, member, ttl).await
}
