//! Looks through a queue for damage, one bounded step after the other.
//!
//! First come the lists and sets: a script looks at the ids and at the tasks' hashes together, so what it finds is true.
//! Then come all keys of the queue. Whether a list has a task is known from the first walk; a task that was enqueued
//! since then is found in a second one. What is left is checked one by one, by the script that repairs.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use futures_util::future::try_join_all;
use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::damage::{Damage, DamageKind};
use super::damaged_part::damaged_part;
use crate::broker::{Broker, Finding, PlaceKind, RepairMode, Str};
use crate::error::Result;
use crate::wire::{self, QueueKeys};

/// How many groups are walked through at once.
const SETS_AT_ONCE: usize = 16;
/// How many suspects are checked in one step, and how many of these checks are in flight. Redis runs those that are in
/// flight one after the other before it serves others.
const SUSPECTS_AT_ONCE: usize = 100;
const CHECKS_AT_ONCE: usize = 2;
/// So many checks may rely on one walk through a long list.
const CHECKS_AFTER_A_WALK: usize = 10_000;
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
    mode: RepairMode,
    phase: Phase,
    /// Where the phase goes on. `None`: at its beginning.
    next: Option<String>,
    /// What the list of pending tasks has, as hashes of the ids.
    pending: HashSet<u64>,
    pending_tasks: usize,
    /// What the list of active tasks has.
    active: HashSet<u64>,
    /// What groups and aggregation sets have, and tasks whose state is not that of their place. The hash of such a task
    /// may name another group, or none.
    placed: HashSet<u64>,
    /// Tasks that may be without a place.
    suspects: Vec<Str>,
    /// How many suspects are checked before the list of pending tasks is walked through again, if it is long.
    checks_left: usize,
    /// What was reported, as hashes. Some ids and keys are read twice.
    reported: HashSet<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Place(PlaceKind),
    AggregationSets,
    /// Aggregation sets that are aggregated, and whose tasks are being deleted.
    AggregatedSets,
    Keys,
    /// The list of pending tasks a second time.
    Again,
    Suspects,
    Over,
}

impl Examiner {
    /// `RepairMode::Check` looks for all damage. `RepairMode::Discard` deletes what a queue that was deleted has left, and finds
    /// nothing.
    pub(super) fn new(broker: Broker, keys: QueueKeys, mode: RepairMode) -> Self {
        Self {
            broker,
            keys,
            mode,
            phase: Phase::Place(PlaceKind::Pending),
            next: None,
            pending: HashSet::new(),
            pending_tasks: 0,
            active: HashSet::new(),
            placed: HashSet::new(),
            suspects: Vec::new(),
            checks_left: 0,
            reported: HashSet::new(),
        }
    }

    /// The next step. `None`: the examination is over.
    pub(super) async fn step(&mut self) -> Result<Option<Vec<Damage>>> {
        let mut found = match self.phase {
            Phase::Place(kind) => self.look_at_place(kind).await?,
            Phase::AggregationSets => self.look_at_sets(false).await?,
            Phase::AggregatedSets => self.look_at_sets(true).await?,
            Phase::Keys => self.look_at_keys().await?,
            Phase::Again => self.look_again().await?,
            Phase::Suspects => self.check_suspects().await?,
            Phase::Over => return Ok(None),
        };
        if self.mode == RepairMode::Discard {
            found.clear();
        }
        let misplaced = found
            .iter()
            .filter(|damage| damage.kind == DamageKind::WrongState);
        let misplaced = misplaced.filter_map(Damage::task_id);
        self.placed.extend(misplaced.map(hash));
        found.retain(|damage| {
            let damage = (damage.kind, &damage.key, &damage.member);
            self.reported.insert(hash(&damage))
        });
        if self.next.is_none() {
            self.phase = self.phase_after();
        }
        Ok(Some(found))
    }

    fn phase_after(&self) -> Phase {
        use PlaceKind as Kind;
        let is_long = self.pending_tasks > SHORT_LIST;
        match self.phase {
            Phase::Place(Kind::Pending) => Phase::Place(Kind::Active),
            // Only what is needed to know which tasks have a place.
            Phase::Place(Kind::Active) if self.mode == RepairMode::Discard => {
                Phase::Place(Kind::Groups)
            }
            Phase::Place(Kind::Active) => Phase::Place(Kind::Leases),
            Phase::Place(Kind::Leases) => Phase::Place(Kind::Scheduled),
            Phase::Place(Kind::Scheduled) => Phase::Place(Kind::Retry),
            Phase::Place(Kind::Retry) => Phase::Place(Kind::Archived),
            Phase::Place(Kind::Archived) => Phase::Place(Kind::Completed),
            Phase::Place(Kind::Completed) => Phase::Place(Kind::Groups),
            Phase::Place(Kind::Groups | Kind::Aggregating) => Phase::AggregationSets,
            Phase::AggregationSets => Phase::AggregatedSets,
            Phase::AggregatedSets => Phase::Keys,
            Phase::Keys | Phase::Suspects if self.suspects.is_empty() => Phase::Over,
            Phase::Keys if is_long => Phase::Again,
            Phase::Suspects if is_long && self.checks_left == 0 => Phase::Again,
            Phase::Keys | Phase::Again | Phase::Suspects => Phase::Suspects,
            Phase::Over => Phase::Over,
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
            PlaceKind::Groups => self.look_at_groups(looked.found).await,
            PlaceKind::Pending => {
                self.pending.extend(hashes(&looked.found));
                self.pending_tasks = self.pending.len();
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
        if self.mode == RepairMode::Discard {
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
            if !self.active.contains(&hash(&*name)) {
                let detail = "the task is not in the list of active tasks".to_owned();
                let kind = DamageKind::LeaseWithoutActive;
                suspects.push(self.damage(kind, self.keys.lease(), Some(&name), detail));
            }
        }
        self.confirmed(suspects).await
    }

    async fn look_at_groups(&mut self, found: Vec<Finding>) -> Result<Vec<Damage>> {
        let (mut damage, mut sets) = (Vec::new(), Vec::new());
        for Finding { word, name, .. } in found {
            if &*word == "no_task" {
                let detail = "the group has no tasks".to_owned();
                let kind = DamageKind::EmptyGroup;
                damage.push(self.damage(kind, self.keys.groups(), Some(&name), detail));
            } else {
                sets.push(self.keys.group(&name));
            }
        }
        damage.extend(self.look_at_members(&sets).await?);
        Ok(damage)
    }

    async fn look_at_sets(&mut self, are_aggregated: bool) -> Result<Vec<Damage>> {
        let list = match are_aggregated {
            true => self.keys.aggregated().to_owned(),
            false => self.keys.aggregation_sets().to_owned(),
        };
        let from = self.next.take().unwrap_or_else(|| "0".to_owned());
        let (next, sets) = self.broker.look_at_aggregation_sets(&list, &from).await?;
        self.next = next;
        let mut damage = Vec::new();
        if !are_aggregated {
            let stale = |set: &String| {
                let detail =
                    "there is no such aggregation set, and its deadline is over".to_owned();
                self.damage(DamageKind::StaleKey, &list, Some(set), detail)
            };
            damage = self.confirmed(sets.iter().map(stale).collect()).await?;
        }
        damage.extend(self.look_at_members(&sets).await?);
        Ok(damage)
    }

    /// Walks through groups and aggregation sets.
    async fn look_at_members(&mut self, sets: &[String]) -> Result<Vec<Damage>> {
        let mut all = Vec::new();
        for part in sets.chunks(SETS_AT_ONCE) {
            let walks = part.iter().map(|set| self.look_at_set(set));
            for (damage, members) in try_join_all(walks).await? {
                self.placed.extend(members);
                all.extend(damage);
            }
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
                    let id = hash(&*name);
                    if !listed.contains(&id) && !self.placed.contains(&id) {
                        self.suspects.push(name);
                    }
                    continue;
                }
                "ghost" => {
                    let key = self.keys.task(&name);
                    (
                        DamageKind::GhostTask,
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
            self.checks_left = CHECKS_AFTER_A_WALK;
            let pending = std::mem::take(&mut self.pending);
            self.suspects.retain(|id| !pending.contains(&hash(&**id)));
        }
        Ok(Vec::new())
    }

    async fn check_suspects(&mut self) -> Result<Vec<Damage>> {
        let left = self.suspects.len().saturating_sub(SUSPECTS_AT_ONCE);
        self.checks_left = self.checks_left.saturating_sub(SUSPECTS_AT_ONCE);
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
        let checks = suspects.into_iter().map(|mut damage| async {
            let part = damaged_part(&self.broker, &self.keys, &damage, self.mode).await?;
            let trace = self.broker.repair(&self.keys, &part, self.mode).await?;
            Ok(trace.map(|trace| {
                damage.trace = trace;
                damage
            }))
        });
        let checks = stream::iter(checks).buffered(CHECKS_AT_ONCE);
        let damaged = checks.try_filter_map(|damage| async { Ok(damage) });
        damaged.try_collect().await
    }

    fn damage(&self, kind: DamageKind, key: &str, member: Option<&str>, detail: String) -> Damage {
        Damage {
            kind,
            queue: Some(self.keys.queue().to_owned()),
            key: key.to_owned(),
            member: member.map(str::to_owned),
            detail,
            trace: String::new(),
        }
    }
}

fn hashes(found: &[Finding]) -> impl Iterator<Item = u64> {
    found.iter().map(|id| hash(&*id.name))
}

fn hash(id: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}
