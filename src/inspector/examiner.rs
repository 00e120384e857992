//! Looks through a queue for damage, one bounded step after the other.
//!
//! First come the lists and sets: a script looks at the ids and at the tasks' hashes together, so what it finds is true.
//! Then come all keys of the queue. Whether a list has a task is known from the first walk; a task that was enqueued
//! since then is found in a second one. What is left is checked one by one, by the script that repairs.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use futures_util::future::try_join_all;

use super::damage::{Damage, DamageKind};
use super::damaged_part::damaged_part;
use crate::broker::{Broker, Finding, PlaceKind, Str, Todo};
use crate::error::Result;
use crate::wire::{self, QueueKeys};

/// How many groups are walked through, and how many suspects are checked, at once.
const AT_ONCE: usize = 32;
/// Messages of one step are read up to this size in all (bytes).
const BYTES_AT_ONCE: u64 = 256 << 10;
/// A larger message is not read (bytes).
const LARGEST_READ: u64 = 1 << 20;
/// Lists that have no more tasks than this are not walked through a second time.
const SHORT_LIST: usize = 1_000;

/// Walks through one queue. Each step brings the damage that it has found.
pub(super) struct Examiner {
    broker: Broker,
    keys: QueueKeys,
    todo: Todo,
    phase: Phase,
    /// Where the phase goes on. `None`: at its beginning.
    next: Option<String>,
    /// What the list of pending tasks has, as hashes of the ids.
    pending: HashSet<u64>,
    /// What the list of active tasks has.
    active: HashSet<u64>,
    /// What groups and aggregation sets have, and tasks whose state is not that of their place. The hash of such a task
    /// may name another group, or none.
    placed: HashSet<u64>,
    /// Groups and aggregation sets to walk through.
    sets: VecDeque<String>,
    /// Tasks that may be without a place.
    suspects: Vec<Str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Place(PlaceKind),
    AggregationSets,
    Members,
    Keys,
    /// The list of pending tasks a second time.
    Again,
    Suspects,
    Over,
}

impl Examiner {
    /// `Todo::Check` looks for all damage. `Todo::Discard` deletes what a queue that was deleted has left, and finds
    /// nothing.
    pub(super) fn new(broker: Broker, keys: QueueKeys, todo: Todo) -> Self {
        Self {
            broker,
            keys,
            todo,
            phase: Phase::Place(PlaceKind::Pending),
            next: None,
            pending: HashSet::new(),
            active: HashSet::new(),
            placed: HashSet::new(),
            sets: VecDeque::new(),
            suspects: Vec::new(),
        }
    }

    /// The next step. `None`: the examination is over.
    pub(super) async fn step(&mut self) -> Result<Option<Vec<Damage>>> {
        let found = match self.phase {
            Phase::Place(kind) => self.look_at_place(kind).await?,
            Phase::AggregationSets => self.list_aggregation_sets().await?,
            Phase::Members => self.look_at_members().await?,
            Phase::Keys => self.look_at_keys().await?,
            Phase::Again => self.look_again().await?,
            Phase::Suspects => self.check_suspects().await?,
            Phase::Over => return Ok(None),
        };
        let misplaced = found
            .iter()
            .filter(|damage| damage.kind == DamageKind::WrongState);
        let misplaced = misplaced.filter_map(Damage::task_id);
        self.placed.extend(misplaced.map(hash));
        if self.next.is_none() && self.is_phase_over() {
            self.phase = self.phase_after();
        }
        Ok(Some(found))
    }

    fn is_phase_over(&self) -> bool {
        match self.phase {
            Phase::Members => self.sets.is_empty(),
            Phase::Suspects => self.suspects.is_empty(),
            _ => true,
        }
    }

    fn phase_after(&self) -> Phase {
        use PlaceKind as Kind;
        match self.phase {
            Phase::Place(Kind::Pending) => Phase::Place(Kind::Active),
            Phase::Place(Kind::Active) if self.todo == Todo::Discard => Phase::Keys,
            Phase::Place(Kind::Active) => Phase::Place(Kind::Leases),
            Phase::Place(Kind::Leases) => Phase::Place(Kind::Scheduled),
            Phase::Place(Kind::Scheduled) => Phase::Place(Kind::Retry),
            Phase::Place(Kind::Retry) => Phase::Place(Kind::Archived),
            Phase::Place(Kind::Archived) => Phase::Place(Kind::Completed),
            Phase::Place(Kind::Completed) => Phase::Place(Kind::Groups),
            Phase::Place(Kind::Groups | Kind::Aggregating) => Phase::AggregationSets,
            Phase::AggregationSets => Phase::Members,
            Phase::Members => Phase::Keys,
            Phase::Keys if self.suspects.is_empty() => Phase::Over,
            Phase::Keys if self.pending.len() > SHORT_LIST => Phase::Again,
            Phase::Keys | Phase::Again => Phase::Suspects,
            Phase::Suspects | Phase::Over => Phase::Over,
        }
    }

    async fn look_at_place(&mut self, kind: PlaceKind) -> Result<Vec<Damage>> {
        let place = match kind {
            PlaceKind::Pending => self.keys.pending(),
            PlaceKind::Active => self.keys.active(),
            PlaceKind::Leases => self.keys.lease(),
            PlaceKind::Scheduled => self.keys.scheduled(),
            PlaceKind::Retry => self.keys.retry(),
            PlaceKind::Archived => self.keys.archived(),
            PlaceKind::Completed => self.keys.completed(),
            PlaceKind::Groups | PlaceKind::Aggregating => self.keys.groups(),
        };
        let place = place.to_owned();
        let from = self.next.take().unwrap_or_else(|| "0".to_owned());
        let looked = self.broker.look_at_place(&self.keys, &place, kind, &from);
        let looked = looked.await?;
        self.next = looked.next;
        match kind {
            PlaceKind::Leases => self.compare_leases(looked.found).await,
            PlaceKind::Groups => Ok(self.note_groups(looked.found)),
            PlaceKind::Pending => {
                self.pending.extend(hashes(&looked.found));
                self.judge(&place, looked.found).await
            }
            PlaceKind::Active => {
                self.active.extend(hashes(&looked.found));
                self.judge(&place, looked.found).await
            }
            _ => self.judge(&place, looked.found).await,
        }
    }

    /// The damage among the ids of a list or a set.
    async fn judge(&self, place: &str, found: Vec<Finding>) -> Result<Vec<Damage>> {
        if self.todo == Todo::Discard {
            return Ok(Vec::new());
        }
        let mut damage = Vec::new();
        let (mut ids, mut bytes) = (Vec::new(), 0);
        for Finding { word, name, detail } in found {
            let (kind, detail) = match &*word {
                "no_task" => (
                    DamageKind::IdWithoutTask,
                    "there is no such task".to_owned(),
                ),
                "state" => (
                    DamageKind::WrongState,
                    format!("the state of the task is {detail:?}"),
                ),
                _ => {
                    let size: u64 = detail.parse().unwrap_or_default();
                    if size <= LARGEST_READ {
                        if bytes + size > BYTES_AT_ONCE {
                            self.decode(&std::mem::take(&mut ids), &mut damage).await?;
                            bytes = 0;
                        }
                        bytes += size;
                        ids.push(name.clone());
                    }
                    if &*word != "no_lease" {
                        continue;
                    }
                    (
                        DamageKind::ActiveWithoutLease,
                        "the task has no lease".to_owned(),
                    )
                }
            };
            damage.push(self.damage(kind, place, Some(&name), detail));
        }
        self.decode(&ids, &mut damage).await?;
        Ok(damage)
    }

    async fn decode(&self, ids: &[Str], damage: &mut Vec<Damage>) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let messages = self.broker.messages(&self.keys, ids).await?;
        for (id, message) in ids.iter().zip(messages) {
            let Some(Err(error)) = message.map(wire::decode_task) else {
                continue;
            };
            let key = self.keys.task(id);
            damage.push(self.damage(DamageKind::Undecodable, &key, Some(id), error.to_string()));
        }
        Ok(())
    }

    /// Leases of tasks that are not in the list of active tasks.
    async fn compare_leases(&self, found: Vec<Finding>) -> Result<Vec<Damage>> {
        let mut suspects = Vec::new();
        for Finding { name, .. } in found {
            if !self.active.contains(&hash(&name)) {
                let detail = "the task is not in the list of active tasks".to_owned();
                let kind = DamageKind::LeaseWithoutActive;
                suspects.push(self.damage(kind, self.keys.lease(), Some(&name), detail));
            }
        }
        self.confirmed(suspects).await
    }

    fn note_groups(&mut self, found: Vec<Finding>) -> Vec<Damage> {
        let mut damage = Vec::new();
        for Finding { word, name, .. } in found {
            if &*word == "no_task" {
                let detail = "the group has no tasks".to_owned();
                let kind = DamageKind::EmptyGroup;
                damage.push(self.damage(kind, self.keys.groups(), Some(&name), detail));
            } else {
                self.sets.push_back(self.keys.group(&name));
            }
        }
        damage
    }

    async fn list_aggregation_sets(&mut self) -> Result<Vec<Damage>> {
        let (sets, aggregated) = self.broker.all_aggregation_sets(&self.keys).await?;
        let stale = |set: &String| {
            let detail = "there is no such aggregation set, and its deadline is over".to_owned();
            let kind = DamageKind::StaleKey;
            self.damage(kind, self.keys.aggregation_sets(), Some(set), detail)
        };
        let mut damage = Vec::new();
        for part in sets.chunks(AT_ONCE) {
            damage.extend(self.confirmed(part.iter().map(stale).collect()).await?);
        }
        self.sets.extend(sets);
        self.sets.extend(aggregated);
        Ok(damage)
    }

    /// Walks through some groups and aggregation sets.
    async fn look_at_members(&mut self) -> Result<Vec<Damage>> {
        let part: Vec<String> = self.sets.drain(..self.sets.len().min(AT_ONCE)).collect();
        let walks = part.iter().map(|set| self.look_at_set(set));
        let mut all = Vec::new();
        for (damage, members) in try_join_all(walks).await? {
            self.placed.extend(members);
            all.extend(damage);
        }
        Ok(all)
    }

    /// The damage in a group or an aggregation set, and what it has.
    async fn look_at_set(&self, set: &str) -> Result<(Vec<Damage>, Vec<u64>)> {
        let kind = PlaceKind::Aggregating;
        let (mut damage, mut members) = (Vec::new(), Vec::new());
        let mut from = Some("0".to_owned());
        while let Some(cursor) = from {
            let looked = self.broker.look_at_place(&self.keys, set, kind, &cursor);
            let looked = looked.await?;
            members.extend(hashes(&looked.found));
            damage.extend(self.judge(set, looked.found).await?);
            from = looked.next;
        }
        Ok((damage, members))
    }

    async fn look_at_keys(&mut self) -> Result<Vec<Damage>> {
        let from = self.next.take().unwrap_or_else(|| "0".to_owned());
        let looked = self.broker.look_at_keys(&self.keys, &from).await?;
        self.next = looked.next;
        let mut suspects = Vec::new();
        for Finding { word, name, detail } in looked.found {
            let (kind, key, member, detail) = match &*word {
                "task" => {
                    let listed = match &*detail {
                        "pending" => &self.pending,
                        "active" => &self.active,
                        _ => &self.placed,
                    };
                    let id = hash(&name);
                    if !listed.contains(&id) && !self.placed.contains(&id) {
                        self.suspects.push(name);
                    }
                    continue;
                }
                "ghost" => {
                    let key = self.keys.task(&name);
                    (
                        DamageKind::StaleKey,
                        key,
                        Some(name),
                        "the hash of a task has no message",
                    )
                }
                "group" => {
                    let key = name.to_string();
                    (
                        DamageKind::UnlistedGroup,
                        key,
                        None,
                        "the group is not listed",
                    )
                }
                "lock" => {
                    let why = "the task is gone or completed, or has another lock";
                    (DamageKind::LeakedLock, name.to_string(), Some(detail), why)
                }
                _ => {
                    let why = "the counter of a day has no time to live";
                    (DamageKind::StaleKey, name.to_string(), None, why)
                }
            };
            let member = member.as_deref();
            suspects.push(self.damage(kind, &key, member, detail.to_owned()));
        }
        self.confirmed(suspects).await
    }

    /// Drops suspects that the list of pending tasks has.
    async fn look_again(&mut self) -> Result<Vec<Damage>> {
        let from = self.next.take().unwrap_or_else(|| "0".to_owned());
        let kind = PlaceKind::Pending;
        let looked = self
            .broker
            .look_at_place(&self.keys, self.keys.pending(), kind, &from);
        let looked = looked.await?;
        self.next = looked.next;
        self.pending.extend(hashes(&looked.found));
        if self.next.is_none() {
            let pending = std::mem::take(&mut self.pending);
            self.suspects.retain(|id| !pending.contains(&hash(id)));
        }
        Ok(Vec::new())
    }

    async fn check_suspects(&mut self) -> Result<Vec<Damage>> {
        let left = self.suspects.len().saturating_sub(AT_ONCE);
        let suspects = self.suspects.split_off(left);
        let damage = suspects.iter().map(|id| {
            let detail = "no list and no set has the task".to_owned();
            let key = self.keys.task(id);
            self.damage(DamageKind::TaskWithoutPlace, &key, Some(id), detail)
        });
        self.confirmed(damage.collect()).await
    }

    /// Those of the suspects that are damaged, as one script sees them. If they are to be discarded, they are, and there
    /// are none.
    async fn confirmed(&self, suspects: Vec<Damage>) -> Result<Vec<Damage>> {
        let checks = suspects.iter().map(|damage| async move {
            let part = damaged_part(&self.broker, &self.keys, damage, self.todo).await?;
            self.broker.repair(&self.keys, &part, self.todo).await
        });
        let is_damaged = try_join_all(checks).await?;
        let damaged = suspects.into_iter().zip(is_damaged);
        let damaged = damaged.filter(|(_, is_damaged)| *is_damaged && self.todo == Todo::Check);
        Ok(damaged.map(|(damage, _)| damage).collect())
    }

    fn damage(&self, kind: DamageKind, key: &str, member: Option<&str>, detail: String) -> Damage {
        Damage {
            kind,
            queue: Some(self.keys.queue().to_owned()),
            key: key.to_owned(),
            member: member.map(str::to_owned),
            detail,
        }
    }
}

fn hashes(found: &[Finding]) -> impl Iterator<Item = u64> {
    found.iter().map(|id| hash(&id.name))
}

fn hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}
