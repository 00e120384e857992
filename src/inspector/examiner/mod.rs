//! Looks through a queue for damage, one bounded step after the other.
//!
//! First come the types of the keys. Then come the lists and sets: a script looks at the ids and at the tasks' hashes
//! together, so what it finds is true. Then come all keys of the queue. Whether a list has a task is known from the first
//! walk; a task that was enqueued since then is found in a second one. What is left is checked one by one, by the script
//! that repairs. A task that has moved since it was found among the keys is not judged: the walks may not have seen it. The
//! next examination does.

mod keys;
mod places;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::damage::{Damage, DamageKind};
use super::damaged_part::damaged_part;
use crate::broker::{Broker, Finding, PlaceKind, RepairMode, Str};
use crate::error::Result;
use crate::wire::QueueKeys;

/// How many tasks that may be without a place are checked in one step, and how many of these checks are in flight. Redis
/// runs those that are in flight one after the other before it serves others.
const UNPLACED_AT_ONCE: usize = 100;
const CHECKS_AT_ONCE: usize = 2;
/// So many checks may rely on one walk through a long list.
const CHECKS_AFTER_A_WALK: usize = 10_000;
/// How often a second walk through the list of pending tasks begins again in one examination.
const MOST_DISTURBED_WALKS: usize = 5;

/// Walks through one queue. Each step brings the damage that it has found.
pub(super) struct Examiner {
    broker: Broker,
    keys: QueueKeys,
    mode: RepairMode,
    phase: Phase,
    /// How many ids and keys were examined, and about how many there are.
    examined: u64,
    total: u64,
    /// Keys that have another type than they should.
    wrong_keys: HashSet<String>,
    /// Where the phase goes on. `None`: at its beginning.
    next: Option<String>,
    /// What is known of ids that come again because the list has moved.
    repeated: Repeated,
    /// What the list of pending tasks has, as hashes of the ids.
    pending: HashSet<u64>,
    /// What the list of active tasks has.
    active: HashSet<u64>,
    /// What groups and aggregation sets have, and tasks whose state is not that of their place. The hash of such a task
    /// may name another group, or none.
    placed: HashSet<u64>,
    /// Tasks that may be without a place, and their traces.
    unplaced: Vec<(Str, Str)>,
    /// How many of them are checked before the list of pending tasks is walked through again.
    checks_left: usize,
    /// How many second walks may have left out tasks.
    disturbed_walks: usize,
    /// What was reported, as hashes. Some ids and keys are read twice.
    reported: HashSet<u64>,
}

/// Ids of earlier steps that come again because the list has moved. They come one after the other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeated {
    No,
    /// They come, perhaps after new ones.
    Expected,
    /// The last id was one of them.
    Now,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The types of the keys, and how much there is to examine.
    Types,
    Place(PlaceKind),
    AggregationSets,
    /// Aggregation sets that are aggregated, and whose tasks are being deleted.
    AggregatedSets,
    Keys,
    /// The list of pending tasks a second time.
    Again,
    Unplaced,
    Over,
}

impl Examiner {
    /// `RepairMode::Check` looks for all damage. `RepairMode::Discard` deletes what a queue that was deleted has left, and finds
    /// nothing.
    pub(super) fn new(broker: Broker, keys: QueueKeys, mode: RepairMode) -> Self {
        let phase = match mode {
            RepairMode::Discard => Phase::Place(PlaceKind::Pending),
            _ => Phase::Types,
        };
        Self {
            broker,
            keys,
            mode,
            phase,
            examined: 0,
            total: 0,
            wrong_keys: HashSet::new(),
            next: None,
            repeated: Repeated::No,
            pending: HashSet::new(),
            active: HashSet::new(),
            placed: HashSet::new(),
            unplaced: Vec::new(),
            checks_left: 0,
            disturbed_walks: 0,
            reported: HashSet::new(),
        }
    }

    /// The next step. `None`: the examination is over.
    pub(super) async fn step(&mut self) -> Result<Option<Vec<Damage>>> {
        let mut found = match self.phase {
            Phase::Types => self.look_at_types().await?,
            Phase::Place(kind) => self.look_at_place(kind).await?,
            Phase::AggregationSets => self.look_at_sets(false).await?,
            Phase::AggregatedSets => self.look_at_sets(true).await?,
            Phase::Keys => self.look_at_keys().await?,
            Phase::Again => self.look_again().await?,
            Phase::Unplaced => self.check_unplaced().await?,
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

    /// How many ids and keys were examined, and about how many there are in all.
    pub(super) fn progress(&self) -> (u64, u64) {
        match self.phase {
            Phase::Over => (self.examined, self.examined),
            _ => (self.examined, self.total.max(self.examined)),
        }
    }

    fn phase_after(&self) -> Phase {
        use PlaceKind as Kind;
        match self.phase {
            Phase::Types => Phase::Place(Kind::Pending),
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
            Phase::Keys | Phase::Unplaced if self.unplaced.is_empty() => Phase::Over,
            Phase::Keys => Phase::Again,
            Phase::Unplaced if self.checks_left == 0 => Phase::Again,
            Phase::Again | Phase::Unplaced => Phase::Unplaced,
            Phase::Over => Phase::Over,
        }
    }

    /// What of this damage is there, as one script sees it. If it is to be discarded, it is, and there is none.
    async fn confirmed(&self, possible: Vec<Damage>) -> Result<Vec<Damage>> {
        let checks = possible.into_iter().map(|damage| async {
            let part = damaged_part(&self.broker, &self.keys, &damage, self.mode).await?;
            let is_there = self.broker.repair(&self.keys, &part, self.mode).await?;
            Ok(is_there.then_some(damage))
        });
        let checks = stream::iter(checks).buffered(CHECKS_AT_ONCE);
        let damaged = checks.try_filter_map(|damage| async { Ok(damage) });
        damaged.try_collect().await
    }

    /// A key that has another type than it should.
    fn wrong_type(&self, key: &str, found: &str) -> Damage {
        let right = self.keys.type_of(key).unwrap_or("key of another type");
        let detail = format!("the key is a {found}, not a {right}");
        Damage {
            trace: right.to_owned(),
            ..self.damage(DamageKind::WrongType, key, None, detail)
        }
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
