//! Putting the tasks of aggregation sets back into their groups.

use fred::types::{Key, Value};

use super::aggregation_set::MEMBERS_AT_ONCE;
use super::due_sets::DueSets;
use super::groups::again_after;
use super::script::{RETURN_SET, number, word};
use super::{Broker, reply};
use crate::broker::{AggregationSet, ReclaimedSets};
use crate::connection::Command;
use crate::error::Result;
use crate::wire::QueueKeys;

/// What one call has done with a set.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ReturnStep {
    /// So many tasks are in their group again, and so many are left in the set.
    Returned { tasks: u64, left: u64 },
    /// Its deadline is not over.
    NotDue,
    /// It is not listed.
    Gone,
}

impl Broker {
    /// Puts the tasks of the caller's own set back into their group: it will not be aggregated now.
    pub(crate) async fn return_set(&self, set: &AggregationSet) -> Result<()> {
        let mut lost = 0;
        loop {
            match self.return_all(&set.keys, &set.group, &set.key).await {
                Err(error) => again_after(error, &mut lost).await?,
                returned => return returned,
            }
        }
    }

    /// [`return_set`](Self::return_set), in one attempt.
    pub(crate) async fn return_all(&self, queue: &QueueKeys, group: &str, set: &str) -> Result<()> {
        loop {
            match self.return_step(queue, group, set, false).await? {
                ReturnStep::Returned { left, .. } if left > 0 => {}
                _ => return Ok(()),
            }
        }
    }

    /// Puts the tasks of sets whose deadline is over back into their groups, about half a million of them at most. asynq:
    /// `ReclaimStaleAggregationSets`.
    ///
    /// # Errors
    /// The first error. If Redis has refused something, the other sets were tried after that.
    pub(crate) async fn reclaim_sets(&self, queue: &QueueKeys) -> (ReclaimedSets, Result<()>) {
        let mut reclaimed = ReclaimedSets::default();
        let result = self.reclaim_all(queue, &mut reclaimed).await;
        (reclaimed, result)
    }

    async fn reclaim_all(&self, queue: &QueueKeys, reclaimed: &mut ReclaimedSets) -> Result<()> {
        let mut due = DueSets::new(queue, queue.aggregation_sets());
        while let Some(set) = due.next(self).await? {
            let settled = self.reclaim(queue, &set, &mut due.steps, reclaimed).await;
            due.settled(settled)?;
        }
        due.result
    }

    /// Returns whether the set stays in the list.
    async fn reclaim(
        &self,
        queue: &QueueKeys,
        set: &str,
        steps: &mut u32,
        reclaimed: &mut ReclaimedSets,
    ) -> Result<bool> {
        let Some(group) = queue.group_of_set(set) else {
            tracing::warn!(
                queue = queue.queue(),
                key = set,
                "dropped what is not the key of an aggregation set from the list of these"
            );
            let drop = [queue.aggregation_sets().into(), set.into()];
            self.send::<()>(Command::on_key("ZREM", drop), "drop a key")
                .await?;
            return Ok(false);
        };
        while *steps > 0 {
            *steps -= 1;
            match self.return_step(queue, group, set, true).await? {
                ReturnStep::Returned { tasks, left } => {
                    reclaimed.tasks += tasks;
                    if left == 0 {
                        reclaimed.sets += 1;
                        return Ok(false);
                    }
                }
                // By Redis' clock.
                ReturnStep::NotDue => return Ok(true),
                // Another server was faster.
                ReturnStep::Gone => return Ok(false),
            }
        }
        Ok(true)
    }

    /// One call: puts up to 1,000 tasks back. `if_due`: only after the deadline of the set.
    pub(super) async fn return_step(
        &self,
        queue: &QueueKeys,
        group: &str,
        set: &str,
        if_due: bool,
    ) -> Result<ReturnStep> {
        let build = || {
            let keys = vec![
                Key::from(set),
                Key::from(queue.aggregation_sets()),
                Key::from(queue.group(group)),
                Key::from(queue.groups()),
            ];
            let args: Vec<Value> = vec![
                group.into(),
                word(if if_due { "1" } else { "0" }),
                number(MEMBERS_AT_ONCE as u64),
            ];
            (keys, args)
        };
        let name = RETURN_SET.name;
        let mut values = reply::array(RETURN_SET.call(self, build).await?, name)?.into_iter();
        let mut next = || values.next().unwrap_or(Value::Null);
        let what = reply::text(next(), name)?;
        match &*what {
            "gone" => Ok(ReturnStep::Gone),
            "early" => Ok(ReturnStep::NotDue),
            _ => {
                let mut count = || reply::integer(&next(), name).map(i64::unsigned_abs);
                let (tasks, left) = (count()?, count()?);
                Ok(ReturnStep::Returned { tasks, left })
            }
        }
    }
}
