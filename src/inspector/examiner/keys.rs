//! Looks through all keys of a queue, and checks the tasks that may be without a place.

use super::{
    CHECKS_AFTER_A_WALK, Damage, DamageKind, Examiner, MOST_DISTURBED_WALKS, UNPLACED_AT_ONCE,
    hash, hashes,
};
use crate::broker::{Finding, KEYS_AT_ONCE, PlaceKind, RepairMode, Str};
use crate::error::Result;

impl Examiner {
    pub(super) async fn look_at_keys(&mut self) -> Result<Vec<Damage>> {
        let from = self.next.take().unwrap_or_else(|| "0".to_owned());
        let looked = self.broker.look_at_keys(&self.keys, &from).await?;
        self.next = looked.next;
        self.examined += KEYS_AT_ONCE;
        let (mut possible, mut wrong, mut unlisted) = (Vec::new(), Vec::new(), Vec::new());
        for Finding { word, name, detail } in looked.found {
            let (kind, key, member, detail) = match &*word {
                "task" => {
                    let state = detail.split(' ').next().unwrap_or_default();
                    let listed = match state {
                        "pending" => &self.pending,
                        "active" => &self.active,
                        _ => &self.placed,
                    };
                    let id = hash(&*name);
                    if !listed.contains(&id) && !self.placed.contains(&id) {
                        self.unplaced.push((name, detail));
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
                    // One of the two, or none. Its tasks say which.
                    let detail = "the aggregation set is not listed".to_owned();
                    possible.push(self.damage(DamageKind::UnlistedSet, &name, None, detail));
                    unlisted.push(name.to_string());
                    let why = "the group is not listed";
                    (DamageKind::UnlistedGroup, name.to_string(), None, why)
                }
                "wrong_type" => {
                    wrong.push(self.wrong_type(&name, &detail));
                    continue;
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
            possible.push(self.damage(kind, &key, member, detail.to_owned()));
        }
        if self.mode == RepairMode::Discard {
            possible.append(&mut wrong);
        }
        let confirmed = self.confirmed(possible).await?;
        let mut damage = Vec::new();
        if self.mode == RepairMode::Check {
            // Nothing else leads to their members, which are repaired first: then it is known what they are.
            damage = self.look_at_members(&unlisted).await?;
        }
        damage.extend(confirmed);
        damage.append(&mut wrong);
        Ok(damage)
    }

    /// Drops tasks that the list of pending tasks has. The walk begins after the tasks were found, so it sees all that the list
    /// had then, except for those that have left it meanwhile: they have another trace. If it may have left out tasks, because
    /// others have deleted those around its place, it begins again, but not for ever: then nothing is known of the tasks.
    pub(super) async fn look_again(&mut self) -> Result<Vec<Damage>> {
        let from = self.next.take().unwrap_or_else(|| "0".to_owned());
        let kind = PlaceKind::Pending;
        let looked = self
            .broker
            .look_at_place(&self.keys, self.keys.pending(), kind, &from);
        let looked = looked.await?;
        self.next = looked.next;
        self.pending.extend(hashes(&looked.found));
        if looked.has_moved {
            self.disturbed_walks += 1;
            if self.disturbed_walks <= MOST_DISTURBED_WALKS {
                self.next = Some("0".to_owned());
            } else {
                self.unplaced.clear();
                self.next = None;
            }
        }
        if self.next.is_none() {
            self.checks_left = CHECKS_AFTER_A_WALK;
            let pending = std::mem::take(&mut self.pending);
            self.unplaced
                .retain(|(id, _)| !pending.contains(&hash(&**id)));
        }
        Ok(Vec::new())
    }

    pub(super) async fn check_unplaced(&mut self) -> Result<Vec<Damage>> {
        let left = self.unplaced.len().saturating_sub(UNPLACED_AT_ONCE);
        self.checks_left = self.checks_left.saturating_sub(UNPLACED_AT_ONCE);
        let mut unplaced = self.unplaced.split_off(left);
        // Groups and aggregation sets that are not listed have shown their members since.
        unplaced.retain(|(id, _)| !self.placed.contains(&hash(&**id)));
        let damage = unplaced.iter().map(|(id, trace)| {
            let detail = "no list and no set has the task".to_owned();
            let key = self.keys.task(id);
            Damage {
                trace: trace.to_string(),
                ..self.damage(DamageKind::TaskWithoutPlace, &key, Some(id), detail)
            }
        });
        let mut damage = self.confirmed(damage.collect()).await?;
        let ids = damage.iter().filter_map(Damage::task_id);
        let ids: Vec<Str> = ids.map(|id| id.to_owned().into()).collect();
        self.decode_some(&ids, &mut damage).await?;
        Ok(damage)
    }
}
