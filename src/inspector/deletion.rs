//! Ends the deletion of a queue whose tasks are set aside.

use super::examiner::Examiner;
use crate::broker::{Broker, RepairMode};
use crate::error::Result;
use crate::wire::QueueKeys;

/// Deletes the tasks that are set aside, in bounded steps. Calls `deleted` after each step with how many tasks it has
/// deleted.
pub(super) async fn delete_all_set_aside(
    broker: &Broker,
    keys: &QueueKeys,
    deleted: &mut (impl FnMut(u64) + Send),
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

/// The same, then deletes what nothing refers to: locks whose tasks are gone, tasks without a place, groups that are not
/// listed. Then the queue is not listed any more, unless it has new tasks.
pub(super) async fn end_deletion(
    broker: &Broker,
    keys: &QueueKeys,
    deleted: &mut (impl FnMut(u64) + Send),
) -> Result<()> {
    delete_all_set_aside(broker, keys, deleted).await?;
    let mut rest = Examiner::new(broker.clone(), keys.clone(), RepairMode::Discard);
    while rest.step().await?.is_some() {}
    delete_all_set_aside(broker, keys, deleted).await?;
    broker.forget_queue(keys).await
}
