//! What time alone moves: due tasks to pending, completed ones out.

use fred::types::{Key, Value};

use super::script::{EXPIRE_COMPLETED, FORWARD, number};
use super::{Broker, reply};
use crate::error::Result;
use crate::wire::QueueKeys;

/// The most tasks that one call forwards. asynq: `forward`.
const FORWARD_BATCH: i64 = 100;

impl Broker {
    /// Moves all tasks of a queue that are due: scheduled ones, then those to be retried. One of
    /// the two that cannot be moved does not hold up the other.
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
            let reply = FORWARD.call(self.client()?, build).await?;
            let counts = reply::array(reply, FORWARD.name)?;
            let count = |i: usize| {
                counts
                    .get(i)
                    .map_or(Ok(0), |n| reply::integer(n, FORWARD.name))
            };
            let (looked_at, refused) = (count(0)?, count(1)?);
            if refused > 0 {
                tracing::warn!(
                    queue = queue.queue(),
                    tasks = refused,
                    "due tasks cannot join their groups, will be tried again in a minute"
                );
            }
            if looked_at < FORWARD_BATCH {
                return Ok(());
            }
        }
    }

    /// Deletes completed tasks whose retention has ended, at most `batch` a call, until none is
    /// left. Returns how many.
    pub(crate) async fn expire_completed(&self, queue: &QueueKeys, batch: usize) -> Result<u64> {
        let mut deleted = 0;
        loop {
            let build = || {
                let keys = vec![Key::from(queue.completed())];
                let args: Vec<Value> = vec![queue.task_prefix().into(), number(batch as u64)];
                (keys, args)
            };
            let reply = EXPIRE_COMPLETED.call(self.client()?, build).await?;
            let n = reply::integer(&reply, EXPIRE_COMPLETED.name)?;
            deleted += n.unsigned_abs();
            if n < batch as i64 {
                return Ok(deleted);
            }
        }
    }
}
