//! What time alone moves: due tasks to pending, completed ones out.

use fred::types::{Key, Value};

use super::script::{EXPIRE_COMPLETED, FORWARD};
use super::{Broker, reply};
use crate::error::Result;
use crate::wire::QueueKeys;

/// The most tasks that one call forwards. asynq: `forward`.
const FORWARD_BATCH: i64 = 100;

impl Broker {
    /// Moves all tasks of a queue that are due, first scheduled ones, then those to be retried.
    /// Returns how many.
    pub(crate) async fn forward(&self, queue: &QueueKeys) -> Result<u64> {
        let mut moved = 0;
        for source in [queue.scheduled(), queue.retry()] {
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
                        FORWARD_BATCH.into(),
                    ];
                    (keys, args)
                };
                let reply = FORWARD.call(self.client()?, build).await?;
                let n = reply::integer(&reply, FORWARD.name)?;
                moved += n.unsigned_abs();
                if n < FORWARD_BATCH {
                    break;
                }
            }
        }
        Ok(moved)
    }

    /// Deletes completed tasks whose retention has ended, at most `batch` a call, until none is
    /// left. Returns how many.
    pub(crate) async fn expire_completed(&self, queue: &QueueKeys, batch: usize) -> Result<u64> {
        let mut deleted = 0;
        loop {
            let build = || {
                let keys = vec![Key::from(queue.completed())];
                let args: Vec<Value> = vec![queue.task_prefix().into(), (batch as i64).into()];
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
