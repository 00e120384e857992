//! Forwarding due tasks, and deleting completed tasks whose retention has ended.

use fred::types::{Key, Value};

use super::script::{EXPIRE_COMPLETED, FORWARD, number};
use super::{Broker, reply};
use crate::broker::DelayedSet;
use crate::error::Result;
use crate::wire::QueueKeys;

impl Broker {
    /// Forwards due tasks of a delayed set, the oldest first: at most `batch` of them, and at most 1,000.
    /// Returns whether more may be due. asynq: `forward`.
    pub(crate) async fn forward(
        &self,
        queue: &QueueKeys,
        set: DelayedSet,
        batch: usize,
    ) -> Result<bool> {
        let source = match set {
            DelayedSet::Scheduled => queue.scheduled(),
            DelayedSet::Retry => queue.retry(),
        };
        let build = || {
            let keys = vec![
                Key::from(source),
                Key::from(queue.pending()),
                Key::from(queue.groups()),
            ];
            let args: Vec<Value> = vec![
                queue.task_prefix().into(),
                queue.group_prefix().into(),
                number(batch as u64),
            ];
            (keys, args)
        };
        let reply = FORWARD.call(self, build).await?;
        let counts = reply::array(reply, FORWARD.name)?;
        let count = |i: usize| {
            counts
                .get(i)
                .map_or(Ok(0), |n| reply::integer(n, FORWARD.name))
        };
        let (read, postponed) = (count(0)?, count(1)?);
        if postponed > 0 {
            tracing::warn!(
                queue = queue.queue(),
                tasks = postponed,
                "due tasks cannot join their groups, next attempt in a minute"
            );
        }
        Ok(read >= batch as i64)
    }

    /// Deletes completed tasks whose retention has ended, at most `batch` of them. Returns how many were
    /// deleted: if as many as that, there may be more.
    pub(crate) async fn expire_completed(&self, queue: &QueueKeys, batch: usize) -> Result<usize> {
        let build = || {
            let keys = vec![Key::from(queue.completed())];
            let args: Vec<Value> = vec![queue.task_prefix().into(), number(batch as u64)];
            (keys, args)
        };
        let reply = EXPIRE_COMPLETED.call(self, build).await?;
        let deleted = reply::integer(&reply, EXPIRE_COMPLETED.name)?;
        Ok(deleted.unsigned_abs() as usize)
    }
}
