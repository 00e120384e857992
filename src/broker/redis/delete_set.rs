//! Deleting the tasks of large aggregation sets whose aggregate is stored.

use fred::types::{Key, Value};

use super::aggregation_set::{BYTES_AT_ONCE, MEMBERS_AT_ONCE};
use super::due_sets::{DueSets, MOST_STEPS};
use super::script::{DELETE_MEMBERS, number};
use super::{Broker, reply};
use crate::broker::Str;
use crate::error::Result;
use crate::wire::{self, QueueKeys};

impl Broker {
    /// Deletes the tasks of large sets whose aggregate is stored, if their servers have not: about half a million tasks at
    /// most.
    ///
    /// # Errors
    /// The first error. If Redis has refused something, the other sets were tried after that.
    pub(crate) async fn delete_aggregated_sets(&self, queue: &QueueKeys) -> Result<()> {
        let mut due = DueSets::new(queue, queue.aggregated());
        while let Some(set) = due.next(self).await? {
            let deleted = self.delete_part(queue, &set, &mut due.steps).await;
            due.settled(deleted)?;
        }
        due.result
    }

    /// Deletes the tasks of the caller's own set. If that would take very long, it leaves some to a recoverer.
    pub(super) async fn delete_aggregated(&self, queue: &QueueKeys, set: &str) -> Result<()> {
        let mut steps = MOST_STEPS;
        self.delete_part(queue, set, &mut steps).await.map(|_| ())
    }

    /// Makes up to `steps` calls. Returns whether tasks are left.
    async fn delete_part(&self, queue: &QueueKeys, set: &str, steps: &mut u32) -> Result<bool> {
        let name = DELETE_MEMBERS.name;
        // Of tasks whose messages came with the last reply.
        let mut locks: Vec<(Str, String)> = Vec::new();
        while *steps > 0 {
            *steps -= 1;
            let build = || {
                let keys = vec![Key::from(set), Key::from(queue.aggregated())];
                let mut args: Vec<Value> = vec![
                    queue.task_prefix().into(),
                    queue.unique_prefix().into(),
                    number(MEMBERS_AT_ONCE as u64),
                    number(BYTES_AT_ONCE),
                ];
                for (id, lock) in &locks {
                    args.push(id.clone().into());
                    args.push(lock.as_str().into());
                }
                (keys, args)
            };
            let reply = DELETE_MEMBERS.call(self, build).await?;
            let mut values = reply::array(reply, name)?.into_iter();
            let left = reply::integer(&values.next().unwrap_or(Value::Null), name)?;
            if left == 0 {
                return Ok(false);
            }
            let tasks = reply::tasks(values, name)?.into_iter();
            let locks_of_tasks = tasks.map(|task| {
                let message = wire::decode_task(task.message).unwrap_or_default();
                (task.id, message.unique_key)
            });
            locks = locks_of_tasks.collect();
        }
        Ok(true)
    }
}
