//! Storing the aggregate of an aggregation set in place of its tasks.

use fred::types::{Key, Value};

use super::enqueue::{is_same_task, push_with_options, result_of};
use super::script::{STORE_AGGREGATE, number};
use super::{Broker, reply};
use crate::broker::{AggregationSet, NewTask, StoredAggregate};
use crate::connection::Traffic;
use crate::error::{Error, ErrorKind, Result};
use crate::wire::keys;

/// The largest set (tasks) that is deleted by the script that stores its aggregate.
const MOST_AT_ONCE: u64 = 1_000;
/// A larger set that nobody has deleted after this time (s) is deleted by a recoverer.
const DELETED_WITHIN_SECS: u64 = 120;

impl Broker {
    /// Stores the aggregate of a set that was read, in the queue of the set, and deletes the tasks of the set with
    /// their locks. All or nothing, and once: a call that gets no reply is made again until the deadline of the set.
    ///
    /// # Errors
    /// Those of an enqueue. The set stays, and is put back into its group after its deadline. A lock that a task of
    /// the set holds is no obstacle.
    pub(crate) async fn store_aggregate(
        &self,
        set: &AggregationSet,
        aggregate: &NewTask,
    ) -> Result<StoredAggregate> {
        let mut lost = 0;
        let stored = loop {
            match self.try_store_aggregate(set, aggregate).await {
                // An earlier attempt has stored it, and it has run and is deleted: before its deadline nobody puts
                // the set back.
                Ok(StoredAggregate::SetIsGone) if lost > 0 && self.clock().now() < set.deadline => {
                    break StoredAggregate::Stored;
                }
                Ok(stored) => break stored,
                Err(error) => self.again_until(set.deadline, error, &mut lost).await?,
            }
        };
        if stored == StoredAggregate::Stored && set.size > MOST_AT_ONCE {
            let deleted = self.delete_aggregated(&set.keys, &set.key).await;
            if let Err(error) = deleted {
                tracing::debug!(%error, queue = set.keys.queue(), "aggregated tasks are left for a recoverer");
            }
        }
        Ok(stored)
    }

    pub(super) async fn try_store_aggregate(
        &self,
        set: &AggregationSet,
        aggregate: &NewTask,
    ) -> Result<StoredAggregate> {
        let queue = set.keys.queue();
        debug_assert_eq!(aggregate.keys.queue(), queue);
        let name = STORE_AGGREGATE.name;
        let build = |with_queues| arguments(set, aggregate, with_queues);
        let call = self.call_storing(&STORE_AGGREGATE, queue, Traffic::default(), build);
        let reply = call.await?;
        let mut values = reply::array(reply, name)?.into_iter();
        let mut next = || values.next().unwrap_or(Value::Null);
        let what = reply::text(next(), name)?;
        match &*what {
            "stored" => Ok(StoredAggregate::Stored),
            "gone" => Ok(match reply::bytes(next(), name)? {
                stored if !stored.is_empty() && is_same_task(&stored, &aggregate.message) => {
                    StoredAggregate::Stored
                }
                _ => StoredAggregate::SetIsGone,
            }),
            "refused" => {
                let no_reason = Error::new(ErrorKind::Internal, "store_aggregate: no reason");
                self.noted(result_of(next(), aggregate)).and(Err(no_reason))
            }
            _ => Err(Error::new(
                ErrorKind::Internal,
                format!(
                    "store the aggregate of group {:?} in queue {queue:?}: the set has {} tasks, {} of them were read",
                    set.group,
                    reply::integer(&next(), name)?,
                    set.size
                ),
            )),
        }
    }
}

fn arguments(
    set: &AggregationSet,
    aggregate: &NewTask,
    with_queues: bool,
) -> (Vec<Key>, Vec<Value>) {
    let queue = &set.keys;
    let mut keys = vec![
        Key::from(&*set.key),
        Key::from(queue.aggregation_sets()),
        Key::from(queue.pending()),
        Key::from(queue.scheduled()),
        Key::from(queue.groups()),
    ];
    if with_queues {
        keys.push(Key::from_static_str(keys::QUEUES));
    }
    let mut args: Vec<Value> = vec![
        queue.task_prefix().into(),
        queue.group_prefix().into(),
        queue.queue().into(),
        number(set.size),
        number(MOST_AT_ONCE),
        number(DELETED_WITHIN_SECS),
        queue.aggregated().into(),
    ];
    push_with_options(&mut args, aggregate);
    if set.size <= MOST_AT_ONCE {
        for (id, lock) in &set.locks {
            args.push(id.clone().into());
            args.push(lock.as_str().into());
        }
    }
    (keys, args)
}
