//! Deleting a queue: its tasks are set aside in one step, and deleted in bounded ones.

use std::time::Duration;

use chrono::Days;
use fred::types::{Key, Value};

use super::register::{AGAIN_AFTER, PATIENCE};
use super::script::{DELETE_SET_ASIDE, FORGET_QUEUE, SET_QUEUE_ASIDE, number, word};
use super::{Broker, reply};
use crate::broker::{COUNTER_DAYS, SetAside};
use crate::connection::Command;
use crate::error::Result;
use crate::wire::{QueueKeys, keys};

/// How many groups, and how many aggregation sets, are set aside at once.
const GROUPS_AT_ONCE: u64 = 500;
/// How many tasks are deleted at once.
const TASKS_AT_ONCE: u64 = 500;
/// For so many days there are counters: today and the days before, and tomorrow by clocks that are ahead.
const COUNTED_DAYS: u64 = COUNTER_DAYS + 2;

impl Broker {
    /// Sets the tasks of a queue aside, so that a new task starts a new queue.
    pub(crate) async fn set_queue_aside(&self, queue: &QueueKeys, force: bool) -> Result<SetAside> {
        let tomorrow = self.clock().now().date_naive() + Days::new(1);
        let name = self.deletion_name(queue);
        let build = || {
            let keys = [
                queue.pending(),
                queue.active(),
                queue.lease(),
                queue.scheduled(),
                queue.retry(),
                queue.archived(),
                queue.completed(),
                queue.groups(),
                queue.aggregation_sets(),
                queue.aggregated(),
                queue.deadlines(),
                queue.paused(),
                queue.processed(),
                queue.failed(),
                queue.owners(),
                queue.deleted(),
            ];
            let mut args: Vec<Value> = vec![
                number(u8::from(force)),
                queue.group_prefix().into(),
                name.as_str().into(),
                number(GROUPS_AT_ONCE),
            ];
            for day in (0..COUNTED_DAYS).map(|days| tomorrow - Days::new(days)) {
                args.push(queue.processed_on(day).into());
                args.push(queue.failed_on(day).into());
            }
            (keys.map(Key::from).to_vec(), args)
        };
        let script = &SET_QUEUE_ASIDE;
        let reply = script.call(self, build).await?;
        let mut values = reply::array(reply, script.name)?.into_iter();
        let word = reply::text(values.next().unwrap_or(Value::Null), script.name)?;
        let tasks = reply::integer(&values.next().unwrap_or(Value::Null), script.name)?;
        let tasks = tasks.unsigned_abs();
        match &*word {
            "active" => Ok(SetAside::Active(tasks)),
            "not_empty" => Ok(SetAside::NotEmpty(tasks)),
            "part" => Ok(SetAside::Part(tasks)),
            "all" => Ok(SetAside::All(tasks)),
            _ => Err(reply::unexpected(script.name, &Value::String(word))),
        }
    }

    /// The prefix of the names that lists and sets get when they are set aside, which no other call uses.
    pub(super) fn deletion_name(&self, queue: &QueueKeys) -> String {
        let call = self.enqueue_calls().next().replace(':', "-");
        format!("{}:{call}:", queue.deleted())
    }

    /// Deletes tasks that are set aside, up to 500. Returns how many, and whether some are left.
    pub(crate) async fn delete_set_aside(&self, queue: &QueueKeys) -> Result<(u64, bool)> {
        let build = || {
            let args = vec![
                queue.task_prefix().into(),
                queue.unique_prefix().into(),
                number(TASKS_AT_ONCE),
            ];
            (vec![Key::from(queue.deleted())], args)
        };
        let script = &DELETE_SET_ASIDE;
        let reply = script.call(self, build).await?;
        let mut values = reply::array(reply, script.name)?.into_iter();
        let mut next = || reply::integer(&values.next().unwrap_or(Value::Null), script.name);
        let (tasks, left) = (next()?, next()?);
        Ok((tasks.unsigned_abs(), left > 0))
    }

    /// Whether tasks of the queue are set aside, to be deleted.
    pub(crate) async fn is_set_aside(&self, queue: &QueueKeys) -> Result<bool> {
        let exists = Command::on_key("EXISTS", [queue.deleted().into()]);
        let exists: i64 = self
            .send(exists, "look for the rest of a deleted queue")
            .await?;
        Ok(exists == 1)
    }

    /// Removes a queue from `asynq:queues`, unless it has tasks.
    ///
    /// Where this takes several commands, a client may store a task between them, and does not list the queue as long as
    /// it believes that it is listed. So the queue is looked at again, also once clients list it with their next task, and
    /// is listed again if it has tasks.
    pub(crate) async fn forget_queue(&self, queue: &QueueKeys) -> Result<()> {
        let listed = || [word(keys::QUEUES), queue.queue().into()];
        self.known_queues().forget(queue.queue());
        let mut hash_slots_differ = self.hash_slots_differ();
        let is_empty = match self.is_queue_empty(queue, !hash_slots_differ).await {
            // Redis has not run the script.
            Err(error) if !hash_slots_differ && self.note_crossslot(&error) => {
                hash_slots_differ = true;
                self.is_queue_empty(queue, false).await?
            }
            is_empty => is_empty?,
        };
        if !hash_slots_differ || !is_empty {
            return Ok(());
        }
        let remove = Command::on_key("SREM", listed());
        let _: i64 = self.send(remove, "delete a queue").await?;
        for pause in [Duration::ZERO, AGAIN_AFTER + PATIENCE] {
            tokio::time::sleep(pause).await;
            if !self.is_queue_empty(queue, false).await? {
                let add = Command::on_key("SADD", listed());
                let _: i64 = self.send(add, "list a queue again").await?;
                break;
            }
        }
        Ok(())
    }

    /// Whether a queue has no tasks. If so, and if wanted, it is removed from `asynq:queues` in the same step.
    async fn is_queue_empty(&self, queue: &QueueKeys, remove: bool) -> Result<bool> {
        let build = || {
            let mut keys = queue.task_places().map(Key::from).to_vec();
            keys.push(queue.deleted().into());
            if remove {
                keys.push(Key::from_static_str(keys::QUEUES));
            }
            (keys, vec![queue.queue().into()])
        };
        let reply = FORGET_QUEUE.call(self, build).await?;
        Ok(reply::integer(&reply, FORGET_QUEUE.name)? == 1)
    }
}
