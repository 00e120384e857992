//! What a queue has: sizes, counters, memory, history.

use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, Utc};
use futures_util::future::try_join;

use super::listing::time;
use super::{Inspector, queue_not_found};
use crate::error::{Error, Result};

/// The counters of how many days can be read at most. Redis keeps them for 90 days.
const MAX_DAYS: u32 = 3_650;

/// What a queue has at one moment. asynq: `QueueInfo`.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub struct QueueInfo {
    /// The name of the queue.
    pub queue: String,
    /// The number of pending tasks.
    pub pending: u64,
    /// The number of active tasks.
    pub active: u64,
    /// The number of active tasks whose lease has expired, because no server renews it. They count as active, too. Of
    /// more than 500 expired leases, the others all count, also those of tasks that are not active.
    pub orphaned: u64,
    /// The number of scheduled tasks.
    pub scheduled: u64,
    /// The number of tasks that wait for a retry.
    pub retry: u64,
    /// The number of archived tasks.
    pub archived: u64,
    /// The number of completed tasks that are kept.
    pub completed: u64,
    /// The number of tasks that wait in groups. Those that are being aggregated at the moment are not counted.
    pub aggregating: u64,
    /// Whether [`aggregating`](Self::aggregating) is an estimate: if there are more than 5,000 groups, 1,000 that are
    /// drawn at random stand for all.
    pub aggregating_is_estimate: bool,
    /// The number of groups.
    pub groups: u64,
    /// How many runs ended today, in success or failure. The day is that in UTC, by Redis' clock.
    pub processed: u64,
    /// How many of them failed.
    pub failed: u64,
    /// How many runs ended so far.
    pub processed_total: u64,
    /// How many of them failed.
    pub failed_total: u64,
    /// When the queue was paused. `None`: it is not paused.
    pub paused_since: Option<DateTime<Utc>>,
    /// How long the next pending task has been pending. Zero if there is none.
    pub latency: Duration,
    /// When this was read, by Redis' clock.
    pub read_at: DateTime<Utc>,
}

impl QueueInfo {
    /// The number of all tasks of the queue. asynq: `Size`.
    pub fn size(&self) -> u64 {
        let listed = self.pending + self.active + self.scheduled + self.retry;
        listed + self.archived + self.completed + self.aggregating
    }

    /// Whether the queue is paused. asynq: `Paused`.
    pub fn is_paused(&self) -> bool {
        self.paused_since.is_some()
    }
}

/// How many runs of a queue ended on one day. asynq: `DailyStats`.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DailyStats {
    /// The name of the queue.
    pub queue: String,
    /// The day in UTC.
    pub date: NaiveDate,
    /// How many runs ended, in success or failure.
    pub processed: u64,
    /// How many of them failed.
    pub failed: u64,
}

impl Inspector {
    /// What a queue has at this moment: the number of tasks in each state, and its counters. asynq: `GetQueueInfo`,
    /// without the memory: see [`memory_usage`](Self::memory_usage).
    ///
    /// It takes Redis a few milliseconds at most, however many tasks and groups there are.
    ///
    /// ```no_run
    /// # async fn example(inspector: rasynq::Inspector) -> rasynq::Result<()> {
    /// let info = inspector.queue_info("default").await?;
    /// println!("{} tasks, {} of them pending for up to {:?}", info.size(), info.pending, info.latency);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the name is blank,
    /// [`ErrorKind::QueueNotFound`](crate::ErrorKind::QueueNotFound), and the errors of [`queues`](Self::queues).
    ///
    /// # Cancel safety
    /// It only reads; the future may be dropped at any time.
    pub async fn queue_info(&self, queue: &str) -> Result<QueueInfo> {
        let keys = self.queue_keys(queue)?;
        let today = self.broker.clock().now().date_naive();
        let sizes = self
            .of_queue(queue, self.broker.queue_sizes(&keys, today))
            .await?;
        let read_at = DateTime::from_timestamp_micros(sizes.now_micros).unwrap_or_default();
        let latency = sizes
            .pending_since
            .map(|since| read_at - DateTime::from_timestamp_nanos(since));
        Ok(QueueInfo {
            queue: queue.to_owned(),
            pending: sizes.pending,
            active: sizes.active,
            orphaned: sizes.orphaned,
            scheduled: sizes.scheduled,
            retry: sizes.retry,
            archived: sizes.archived,
            completed: sizes.completed,
            aggregating: sizes.aggregating,
            aggregating_is_estimate: sizes.counted_groups < sizes.groups,
            groups: sizes.groups,
            processed: sizes.processed,
            failed: sizes.failed,
            processed_total: sizes.processed_total,
            failed_total: sizes.failed_total,
            paused_since: sizes
                .paused_since
                .map(|secs| time(secs).unwrap_or_default()),
            latency: latency
                .and_then(|latency| latency.to_std().ok())
                .unwrap_or_default(),
            read_at,
        })
    }

    /// About how many bytes a queue and its tasks take in Redis. asynq: `QueueInfo.MemoryUsage`.
    ///
    /// It measures 20 tasks of each state, and those of five groups, and multiplies. So it is a rough estimate if the
    /// payloads differ much.
    ///
    /// # Errors
    /// Those of [`queue_info`](Self::queue_info).
    ///
    /// # Cancel safety
    /// It only reads; the future may be dropped at any time.
    pub async fn memory_usage(&self, queue: &str) -> Result<u64> {
        let keys = self.queue_keys(queue)?;
        self.of_queue(queue, self.broker.queue_memory(&keys)).await
    }

    /// How many runs of a queue ended on each of the last `days` days in UTC, today first. asynq: `History`.
    ///
    /// Redis keeps the counters of 90 days. Earlier days have zeros.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for 0 or more than 3,650 days, and those of
    /// [`queue_info`](Self::queue_info).
    ///
    /// # Cancel safety
    /// It only reads; the future may be dropped at any time.
    pub async fn history(&self, queue: &str, days: u32) -> Result<Vec<DailyStats>> {
        if days == 0 || days > MAX_DAYS {
            let text = format!("history of {days} days: it is 1 to {MAX_DAYS} days");
            return Err(Error::invalid(text));
        }
        let keys = self.queue_keys(queue)?;
        let today = self.broker.clock().now().date_naive();
        let date = |n: u32| today.checked_sub_days(Days::new(n.into()));
        let dates: Vec<NaiveDate> = (0..days).filter_map(date).collect();
        let counters = self.broker.counters_of_days(&keys, &dates);
        let counters = self.of_queue(queue, counters).await?;
        let stats = dates.into_iter().zip(counters);
        let stats = stats.map(|(date, (processed, failed))| DailyStats {
            queue: queue.to_owned(),
            date,
            processed,
            failed,
        });
        Ok(stats.collect())
    }

    /// What was read of a queue, if the queue exists.
    async fn of_queue<T>(&self, queue: &str, read: impl Future<Output = Result<T>>) -> Result<T> {
        let (exists, read) = try_join(self.broker.queue_exists(queue), read).await?;
        match exists {
            true => Ok(read),
            false => Err(queue_not_found(queue)),
        }
    }
}
