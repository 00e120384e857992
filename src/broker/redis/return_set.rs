//! Putting the tasks of aggregation sets back into their groups.

use fred::types::{Key, Value};

use super::aggregation_set::MEMBERS_AT_ONCE;
use super::script::{RETURN_SET, number, word};
use super::{Broker, reply};
use crate::broker::{AggregationSet, ReclaimedSets};
use crate::connection::Command;
use crate::error::Result;
use crate::wire::QueueKeys;

/// How many sets of a queue one call lists.
const SETS_AT_ONCE: usize = 100;

impl Broker {
    /// Puts the tasks of the caller's own set back into their group: it will not be aggregated now.
    pub(crate) async fn return_set(&self, set: &AggregationSet) -> Result<()> {
        self.return_all(&set.keys, &set.group, &set.key, false)
            .await
            .map(|_| ())
    }

    /// Puts the tasks of sets whose deadline is over back into their groups. asynq: `ReclaimStaleAggregationSets`.
    ///
    /// # Errors
    /// The first error, after all sets were tried.
    pub(crate) async fn reclaim_sets(&self, queue: &QueueKeys) -> Result<ReclaimedSets> {
        let mut reclaimed = ReclaimedSets::default();
        let mut first_error = None;
        // Sets that stay in the list.
        let mut kept = 0;
        loop {
            let listed = self.due_sets(queue, queue.aggregation_sets(), kept).await?;
            for set in &listed {
                let Some(group) = queue.group_of_set(set) else {
                    tracing::warn!(
                        queue = queue.queue(),
                        key = set,
                        "dropped what is not the key of an aggregation set from the list of these"
                    );
                    let drop = [queue.aggregation_sets().into(), set.as_str().into()];
                    self.send::<()>(Command::on_key("ZREM", drop), "drop a key")
                        .await?;
                    continue;
                };
                match self.return_all(queue, group, set, true).await {
                    Ok(Some(returned)) => {
                        reclaimed.sets += 1;
                        reclaimed.tasks += returned;
                    }
                    // By Redis' clock it is not due, or somebody else was faster.
                    Ok(None) => kept += 1,
                    Err(error) if error.is_transient() => return Err(error),
                    // It does not stop the others.
                    Err(error) => {
                        kept += 1;
                        first_error.get_or_insert(error);
                    }
                }
            }
            if listed.len() < SETS_AT_ONCE {
                break;
            }
        }
        first_error.map_or(Ok(reclaimed), Err)
    }

    /// Deletes the tasks of large sets whose aggregate is stored, if their servers have not.
    pub(crate) async fn delete_aggregated_sets(&self, queue: &QueueKeys) -> Result<()> {
        for set in self.due_sets(queue, queue.aggregated(), 0).await? {
            self.delete_aggregated(queue, &set).await?;
        }
        Ok(())
    }

    /// The members of a list of sets whose time is over, after the first `skipped`.
    async fn due_sets(&self, queue: &QueueKeys, list: &str, skipped: usize) -> Result<Vec<String>> {
        let args = [
            list.into(),
            word("-inf"),
            number(self.clock().now().timestamp()),
            word("LIMIT"),
            number(skipped as u64),
            number(SETS_AT_ONCE as u64),
        ];
        let what = format!("list aggregation sets of queue {:?}", queue.queue());
        self.send(Command::on_key("ZRANGEBYSCORE", args), &what)
            .await
    }

    /// Returns how many tasks are in their group again. `None`: the set is not listed, or it is not due.
    async fn return_all(
        &self,
        queue: &QueueKeys,
        group: &str,
        set: &str,
        if_due: bool,
    ) -> Result<Option<u64>> {
        let mut sum = 0;
        while let Some((returned, left)) = self.return_step(queue, group, set, if_due).await? {
            sum += returned;
            if left == 0 {
                return Ok(Some(sum));
            }
        }
        Ok(None)
    }

    /// One call of [`return_all`](Self::return_all). Returns how many tasks are in their group again, and how many
    /// are left.
    pub(super) async fn return_step(
        &self,
        queue: &QueueKeys,
        group: &str,
        set: &str,
        if_due: bool,
    ) -> Result<Option<(u64, u64)>> {
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
        let reply = RETURN_SET.call(self, build).await?;
        if reply.is_null() {
            return Ok(None);
        }
        let counts = reply::array(reply, RETURN_SET.name)?;
        let count = |i: usize| {
            let n = counts.get(i).unwrap_or(&Value::Null);
            reply::integer(n, RETURN_SET.name).map(i64::unsigned_abs)
        };
        Ok(Some((count(0)?, count(1)?)))
    }
}
