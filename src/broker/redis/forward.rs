//! Forwarding due tasks, and deleting completed tasks whose retention has ended.

use fred::types::{Key, Value};

use super::script::{EXPIRE_COMPLETED, FORWARD, number};
use super::{Broker, reply};
use crate::error::Result;
use crate::wire::QueueKeys;

/// The most tasks that one call forwards. asynq: `forward`.
const FORWARD_BATCH: i64 = 100;

impl Broker {
    /// Forwards all due tasks of a queue: from *scheduled*, then from *retry*. A failure with one set does
    /// not stop the other.
    pub(crate) async fn forward(&self, queue: &QueueKeys) -> Result<()> {
        let scheduled = self.forward_from(queue, queue.scheduled()).await;
        let retry = self.forward_from(queue, queue.retry()).await;
        scheduled.and(retry)
    }

    async fn forward_from(&self, queue: &QueueKeys, source: &str) -> Result<()> {
        loop {
            let build = || {
                let keys = vec![
                    Key::from(source),
                    Key::from(queue.pending()),
                    Key::from(queue.groups()),
                ];
                let args: Vec<Value> = vec![
                    queue.task_prefix().into(),
                    queue.group_prefix().into(),
                    number(FORWARD_BATCH),
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
            if read < FORWARD_BATCH {
                return Ok(());
            }
        }
    }

    /// Deletes the completed tasks whose retention has ended, up to `batch` in one call. Returns
    /// how many were deleted.
    pub(crate) async fn expire_completed(&self, queue: &QueueKeys, batch: usize) -> Result<u64> {
        let mut deleted = 0;
        loop {
            let build = || {
                let keys = vec![Key::from(queue.completed())];
                let args: Vec<Value> = vec![queue.task_prefix().into(), number(batch as u64)];
                (keys, args)
            };
            let reply = EXPIRE_COMPLETED.call(self, build).await?;
            let n = reply::integer(&reply, EXPIRE_COMPLETED.name)?;
            deleted += n.unsigned_abs();
            if n < batch as i64 {
                return Ok(deleted);
            }
        }
    }
}
