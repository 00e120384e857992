//! Groups that have tasks and are not listed: a Go server that puts a set back does not list its group.

use std::collections::BTreeSet;

use fred::types::Key;

use super::Broker;
use super::script::{RELIST_GROUPS, number};
use crate::broker::Str;
use crate::connection::Command;
use crate::error::Result;
use crate::wire::QueueKeys;

/// The most sets of a queue that one call lists.
const MOST_SETS: u64 = 500;

impl Broker {
    /// The groups of the aggregation sets of a queue, of the 500 with the first deadlines.
    pub(crate) async fn groups_with_sets(&self, queue: &QueueKeys) -> Result<BTreeSet<Str>> {
        let args = [
            queue.aggregation_sets().into(),
            number(0),
            number(MOST_SETS - 1),
        ];
        let list = Command::on_key("ZRANGE", args);
        let sets: Vec<String> = self.send(list, "list aggregation sets").await?;
        let groups = sets.iter().filter_map(|set| queue.group_of_set(set));
        Ok(groups.map(|group| group.to_owned().into()).collect())
    }

    /// Lists those of at most 500 groups that have tasks. Returns how many of them were not listed.
    pub(crate) async fn relist_groups(
        &self,
        queue: &QueueKeys,
        groups: &BTreeSet<Str>,
    ) -> Result<u64> {
        let build = || {
            let keys = groups.iter().map(|group| Key::from(queue.group(group)));
            let keys = keys.chain([Key::from(queue.groups())]);
            (
                keys.collect(),
                groups.iter().cloned().map(Into::into).collect(),
            )
        };
        let relisted = RELIST_GROUPS.call(self, build).await?;
        super::reply::integer(&relisted, RELIST_GROUPS.name).map(i64::unsigned_abs)
    }
}
