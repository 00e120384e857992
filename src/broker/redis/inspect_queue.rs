//! Reading what a queue has: sizes, counters, memory.

use chrono::NaiveDate;
use fred::types::{Key, Value};

use super::script::{QUEUE_INFO, QUEUE_MEMORY, number};
use super::{Broker, reply};
use crate::broker::QueueSizes;
use crate::connection::Command;
use crate::error::Result;
use crate::wire::QueueKeys;

/// Up to how many groups are all counted. More would block Redis for too long.
const COUNTED_GROUPS: u64 = 5_000;
/// How many groups are counted if there are more.
const GROUP_SAMPLE: u64 = 1_000;
/// How many expired leases are looked at, whether their tasks are active.
const LEASES_AT_ONCE: u64 = 500;
/// How many tasks of each state are measured, as in asynq.
const MEASURED_TASKS: u64 = 20;
/// The tasks of how many groups are measured, as in asynq.
const MEASURED_GROUPS: u64 = 5;
/// The counters of how many days one command reads.
const DAYS_AT_ONCE: usize = 250;

impl Broker {
    /// What a queue has, and its counters of a day in UTC and in total. A queue that does not exist has nothing.
    /// asynq: `CurrentStats`.
    pub(crate) async fn queue_sizes(
        &self,
        queue: &QueueKeys,
        utc_day: NaiveDate,
    ) -> Result<QueueSizes> {
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
                queue.paused(),
                &queue.processed_on(utc_day),
                &queue.failed_on(utc_day),
                queue.processed(),
                queue.failed(),
            ];
            let args = vec![
                queue.task_prefix().into(),
                queue.group_prefix().into(),
                number(COUNTED_GROUPS),
                number(GROUP_SAMPLE),
                number(LEASES_AT_ONCE),
            ];
            (keys.map(Key::from).into(), args)
        };
        let name = QUEUE_INFO.name;
        let reply = QUEUE_INFO.call(self, build).await?;
        let mut values = reply::array(reply, name)?.into_iter();
        let mut next = || values.next().unwrap_or(Value::Null);
        let (secs, micros) = (whole(next()), whole(next()));
        let mut size = || reply::integer(&next(), name).map(i64::unsigned_abs);
        Ok(QueueSizes {
            now_micros: secs.unwrap_or_default() * 1_000_000 + micros.unwrap_or_default(),
            pending: size()?,
            active: size()?,
            orphaned: size()?,
            scheduled: size()?,
            retry: size()?,
            archived: size()?,
            completed: size()?,
            groups: size()?,
            counted_groups: size()?,
            aggregating: size()?,
            processed: counter(next()),
            failed: counter(next()),
            processed_total: counter(next()),
            failed_total: counter(next()),
            paused_since: match next() {
                Value::Null => None,
                // Whatever its value is, the key pauses the queue.
                value => Some(whole(value).unwrap_or_default()),
            },
            pending_since: whole(next()),
        })
    }

    /// An estimate of how many bytes a queue and its tasks take. asynq: `memoryUsage`.
    pub(crate) async fn queue_memory(&self, queue: &QueueKeys) -> Result<u64> {
        let build = || {
            let keys = [
                queue.pending(),
                queue.active(),
                queue.scheduled(),
                queue.retry(),
                queue.archived(),
                queue.completed(),
                queue.groups(),
            ];
            let args = vec![
                queue.task_prefix().into(),
                queue.group_prefix().into(),
                number(MEASURED_TASKS),
                number(MEASURED_GROUPS),
                number(COUNTED_GROUPS),
                number(GROUP_SAMPLE),
            ];
            (keys.map(Key::from).into(), args)
        };
        let bytes = QUEUE_MEMORY.call(self, build).await?;
        reply::integer(&bytes, QUEUE_MEMORY.name).map(i64::unsigned_abs)
    }

    /// How many runs were counted, and how many of them failed, on each of these days in UTC. asynq:
    /// `HistoricalStats`.
    pub(crate) async fn counters_of_days(
        &self,
        queue: &QueueKeys,
        days: &[NaiveDate],
    ) -> Result<Vec<(u64, u64)>> {
        let mut counters = Vec::with_capacity(days.len());
        for days in days.chunks(DAYS_AT_ONCE) {
            let keys = days.iter().flat_map(|day| {
                let keys = [queue.processed_on(*day), queue.failed_on(*day)];
                keys.map(Value::from)
            });
            let read = Command::on_key("MGET", keys.collect::<Vec<_>>());
            let values: Vec<Value> = self.send(read, "read the counters of days").await?;
            let mut values = values.into_iter().map(counter);
            while let (Some(processed), Some(failed)) = (values.next(), values.next()) {
                counters.push((processed, failed));
            }
        }
        Ok(counters)
    }
}

/// A whole number as text.
pub(super) fn whole(value: Value) -> Option<i64> {
    value.as_i64()
}

/// A counter. 0 if it does not exist, or is no number.
fn counter(value: Value) -> u64 {
    value.as_u64().unwrap_or_default()
}
