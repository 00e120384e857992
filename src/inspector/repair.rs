//! Repairs damage.

use super::Inspector;
use super::damage::{Damage, DamageKind, Repair};
use super::damaged_part::damaged_part;
use super::deletion::end_deletion;
use super::global_examiner::{is_stale_pause, repair_global};
use crate::broker::RepairMode;
use crate::error::{Error, Result};

impl Inspector {
    /// Repairs damage that [`examine`](Self::examine) or [`examine_global`](Self::examine_global) has found. asynq has
    /// no such call.
    ///
    /// The script that repairs checks first whether the damage is still there. So a repair is safe beside running
    /// servers of asynq and rasynq, and two repairs of the same damage do no harm. No repair loses a task. A
    /// [task without a place](DamageKind::TaskWithoutPlace) is treated by its state:
    ///
    /// | state | where it goes |
    /// |---|---|
    /// | pending, active, or none that is known | pending, behind the others |
    /// | scheduled, retry | the same set; it is due at once |
    /// | aggregating | its group; without a group pending |
    /// | archived | archived, as of now |
    /// | completed | completed, for another retention |
    /// | any, if its message does not decode | archived, as it is |
    ///
    /// An [active task without a lease](DamageKind::ActiveWithoutLease) gets one. If a server runs the task, it renews
    /// the lease; otherwise a server recovers the task as one whose lease has expired.
    ///
    /// Of a task that a list has [more than once](DamageKind::ListedTwice), the copy that is fetched first stays where it is.
    ///
    /// Redis walks to an id in a list. For pending tasks a step walks at most through half of the list: about 6 ms for a
    /// million of them.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for damage that is
    /// [not repairable](DamageKind::is_repairable), and the errors of [`queues`](Self::queues).
    ///
    /// # Cancel safety
    /// If the future is dropped, the damage may or may not be repaired.
    pub async fn repair(&self, damage: &Damage) -> Result<Repair> {
        if !damage.kind.is_repairable() {
            return Err(Error::invalid(format!("cannot be repaired: {damage}")));
        }
        let was_there = match &damage.queue {
            None => repair_global(&self.broker, damage).await?,
            Some(queue) => self.repair_queue(queue, damage).await?,
        };
        Ok(match was_there {
            true => Repair::Repaired,
            false => Repair::Gone,
        })
    }

    async fn repair_queue(&self, queue: &str, damage: &Damage) -> Result<bool> {
        let keys = self.queue_keys(queue)?;
        if damage.kind == DamageKind::UnlistedQueue {
            return Ok(self.broker.has_tasks(&keys).await? && self.broker.list_queue(queue).await?);
        }
        if damage.kind == DamageKind::UnfinishedDeletion {
            let was_there = self.broker.is_set_aside(&keys).await?;
            if was_there {
                end_deletion(&self.broker, &keys, &mut |_| {}).await?;
            }
            return Ok(was_there);
        }
        if damage.kind == DamageKind::StaleKey && damage.key == keys.paused() {
            let is_stale = is_stale_pause(&self.broker, &keys).await?;
            return Ok(is_stale && self.broker.drop_stale(&damage.key, None, 0).await?);
        }
        let mut was_there = false;
        loop {
            let part = damaged_part(&self.broker, &keys, damage, RepairMode::Repair).await?;
            let repaired = self.broker.repair(&keys, &part, RepairMode::Repair).await?;
            was_there |= repaired;
            if was_there
                && damage.kind == DamageKind::UnlistedSet
                && let Some(group) = keys.group_of_set(&damage.key)
            {
                // A Go server would do that as well, and not list the group.
                self.broker.return_all(&keys, group, &damage.key).await?;
            }
            // Of a long list, one call removes one copy.
            if !repaired || part.copies.len() < 2 {
                return Ok(was_there);
            }
        }
    }
}
