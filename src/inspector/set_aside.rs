//! Deletes the tasks of a queue that are set aside.

use crate::broker::Broker;
use crate::error::Result;
use crate::wire::QueueKeys;

/// Deletes all that is set aside, in bounded steps. Calls `deleted` after each step with how many tasks it has deleted.
pub(super) async fn delete_all_set_aside(
    broker: &Broker,
    keys: &QueueKeys,
    mut deleted: impl FnMut(u64),
) -> Result<()> {
    loop {
        let (tasks, has_more) = broker.delete_set_aside(keys).await?;
        if tasks > 0 {
            deleted(tasks);
        }
        if !has_more {
            return Ok(());
        }
    }
}
