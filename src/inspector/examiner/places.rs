//! Looks through the lists and sets of a queue.

use futures_util::future::try_join_all;

use super::{Damage, DamageKind, Examiner, Repeated, hash, hashes};
use crate::broker::{Finding, PlaceKind, RepairMode, Str};
use crate::error::Result;
use crate::wire;

/// How many groups are walked through at once.
const SETS_AT_ONCE: usize = 16;
/// Messages of one step are read up to this size in all (bytes).
const BYTES_AT_ONCE: u64 = 256 << 10;
/// A larger message is not read (bytes).
const LARGEST_READ: u64 = 1 << 20;

impl Examiner {
    /// Whether keys of the queue have another type than they should, and how much there is to examine.
    pub(super) async fn look_at_types(&mut self) -> Result<Vec<Damage>> {
        let keys = self.keys.single_keys();
        let found = self.broker.types_of(&keys).await?;
        let typed = keys.into_iter().zip(found);
        let is_wrong = |(key, found): &(&str, String)| {
            found != "none" && self.keys.type_of(key) != Some(found.as_str())
        };
        let wrong: Vec<(&str, String)> = typed.filter(is_wrong).collect();
        let damage = wrong.iter().map(|(key, found)| self.wrong_type(key, found));
        let damage = damage.collect();
        self.wrong_keys = wrong.iter().map(|(key, _)| (*key).to_owned()).collect();
        self.total = self.broker.examination_size(&self.keys).await?;
        Ok(damage)
    }

    pub(super) async fn look_at_place(&mut self, kind: PlaceKind) -> Result<Vec<Damage>> {
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
        let from = self.next.take().unwrap_or_else(|| {
            self.repeated = Repeated::No;
            "0".to_owned()
        });
        let looked = self.broker.look_at_place(&self.keys, &place, kind, &from);
        let looked = looked.await?;
        self.next = looked.next;
        if looked.has_moved {
            self.repeated = Repeated::Expected;
        }
        self.examined += looked.found.len() as u64;
        match kind {
            PlaceKind::Leases => self.compare_leases(looked.found).await,
            PlaceKind::Groups => self.look_at_groups(looked.found).await,
            PlaceKind::Pending | PlaceKind::Active => self.look_at_list(&place, looked.found).await,
            _ => self.judge(&place, looked.found).await,
        }
    }

    /// The damage in a part of a list. What it has is noted. An id that comes again may be in the list twice, or has been
    /// removed and added meanwhile: that is checked in one step. Those that come again because the list
    /// has moved are not checked: they can be many, and each check searches the list.
    pub(super) async fn look_at_list(
        &mut self,
        place: &str,
        found: Vec<Finding>,
    ) -> Result<Vec<Damage>> {
        let is_pending = place == self.keys.pending();
        let known = match is_pending {
            true => &mut self.pending,
            false => &mut self.active,
        };
        let mut again = Vec::new();
        for Finding { word, name, .. } in &found {
            if matches!(&**word, "no_task" | "wrong_type") {
                continue;
            }
            let is_new = known.insert(hash(&**name));
            self.repeated = match (self.repeated, is_new) {
                (Repeated::Now, true) => Repeated::No,
                (Repeated::Expected, false) => Repeated::Now,
                (same, _) => same,
            };
            if !is_new && self.repeated == Repeated::No {
                again.push(name.clone());
            }
        }
        let mut damage = self.judge(place, found).await?;
        if self.mode == RepairMode::Check {
            let twice = again.iter().map(|id| {
                let detail = "the list has the task more than once".to_owned();
                self.damage(DamageKind::ListedTwice, place, Some(id), detail)
            });
            damage.extend(self.confirmed(twice.collect()).await?);
        }
        Ok(damage)
    }

    /// The damage among the ids of a list or a set.
    pub(super) async fn judge(&self, place: &str, found: Vec<Finding>) -> Result<Vec<Damage>> {
        if self.mode == RepairMode::Discard {
            return Ok(Vec::new());
        }
        let mut damage = Vec::new();
        let (mut ids, mut bytes) = (Vec::new(), 0);
        for Finding { word, name, detail } in found {
            let (size, state) = detail.split_once(' ').unwrap_or((&detail, ""));
            let (kind, detail) = match &*word {
                "wrong_type" => {
                    damage.push(self.wrong_type(&name, &detail));
                    continue;
                }
                "no_task" => (
                    Some(DamageKind::IdWithoutTask),
                    "there is no such task".to_owned(),
                ),
                "state" => (
                    Some(DamageKind::WrongState),
                    format!("the state of the task is {state:?}"),
                ),
                "no_lease" => (
                    Some(DamageKind::ActiveWithoutLease),
                    "the task has no lease".to_owned(),
                ),
                _ => (None, String::new()),
            };
            if let Some(kind) = kind {
                damage.push(self.damage(kind, place, Some(&name), detail));
            }
            let size: u64 = size.parse().unwrap_or_default();
            if kind == Some(DamageKind::IdWithoutTask) || size > LARGEST_READ {
                continue;
            }
            if bytes + size > BYTES_AT_ONCE {
                self.decode(&std::mem::take(&mut ids), &mut damage).await?;
                bytes = 0;
            }
            bytes += size;
            ids.push(name);
        }
        self.decode(&ids, &mut damage).await?;
        Ok(damage)
    }

    pub(super) async fn decode(&self, ids: &[Str], damage: &mut Vec<Damage>) -> Result<()> {
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
    pub(super) async fn compare_leases(&self, found: Vec<Finding>) -> Result<Vec<Damage>> {
        let mut possible = Vec::new();
        for Finding { word, name, detail } in found {
            if &*word == "wrong_type" {
                return Ok(vec![self.wrong_type(&name, &detail)]);
            }
            if !self.active.contains(&hash(&*name)) {
                let detail = "the task is not in the list of active tasks".to_owned();
                let kind = DamageKind::LeaseWithoutActive;
                possible.push(self.damage(kind, self.keys.lease(), Some(&name), detail));
            }
        }
        self.confirmed(possible).await
    }

    pub(super) async fn look_at_groups(&mut self, found: Vec<Finding>) -> Result<Vec<Damage>> {
        let (mut damage, mut sets) = (Vec::new(), Vec::new());
        for Finding { word, name, detail } in found {
            match &*word {
                "wrong_type" => damage.push(self.wrong_type(&name, &detail)),
                "no_task" => {
                    let detail = "the group has no tasks".to_owned();
                    let kind = DamageKind::EmptyGroup;
                    damage.push(self.damage(kind, self.keys.groups(), Some(&name), detail));
                }
                _ => sets.push(self.keys.group(&name)),
            }
        }
        damage.extend(self.look_at_members(&sets).await?);
        Ok(damage)
    }

    pub(super) async fn look_at_sets(&mut self, are_aggregated: bool) -> Result<Vec<Damage>> {
        let list = match are_aggregated {
            true => self.keys.aggregated().to_owned(),
            false => self.keys.aggregation_sets().to_owned(),
        };
        if self.wrong_keys.contains(&list) {
            return Ok(Vec::new());
        }
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
    pub(super) async fn look_at_members(&mut self, sets: &[String]) -> Result<Vec<Damage>> {
        let mut all = Vec::new();
        for part in sets.chunks(SETS_AT_ONCE) {
            let walks = part.iter().map(|set| self.look_at_set(set));
            for (damage, members) in try_join_all(walks).await? {
                self.examined += members.len() as u64;
                self.placed.extend(members);
                all.extend(damage);
            }
        }
        Ok(all)
    }

    /// The damage in a group or an aggregation set, and what it has.
    pub(super) async fn look_at_set(&self, set: &str) -> Result<(Vec<Damage>, Vec<u64>)> {
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

    /// The messages of these tasks that do not decode, unless they are large.
    pub(super) async fn decode_some(&self, ids: &[Str], damage: &mut Vec<Damage>) -> Result<()> {
        let sizes = self.broker.message_sizes(&self.keys, ids).await?;
        for (id, size) in ids.iter().zip(sizes) {
            if size <= LARGEST_READ {
                self.decode(std::slice::from_ref(id), damage).await?;
            }
        }
        Ok(())
    }
}
