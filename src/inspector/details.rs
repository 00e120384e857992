//! All that is known of one task.

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};

use super::Inspector;
use super::listing::{describe, time};
use crate::broker::{StoredDetails, StoredLock};
use crate::error::{Error, ErrorKind, Result};
use crate::run::Progress;
use crate::task::TaskInfo;
use crate::wire::{self, TaskState};

/// All that is known of one task. asynq shows only the [`TaskInfo`].
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq)]
pub struct TaskDetails {
    /// The task and its state.
    pub info: TaskInfo,
    /// Why the message does not decode, if it does not.
    pub decode_error: Option<String>,
    /// Since when the task is pending.
    pub pending_since: Option<DateTime<Utc>>,
    /// When the task was archived.
    pub archived_at: Option<DateTime<Utc>>,
    /// When the completed task is deleted.
    pub kept_until: Option<DateTime<Utc>>,
    /// The group in which the task waits, or which it joins when it is due.
    pub group: Option<String>,
    /// When the task joined the group in which it waits.
    pub grouped_at: Option<DateTime<Utc>>,
    /// Its unique lock, if it was enqueued with one.
    pub lock: Option<UniqueLock>,
    /// When the lease of the active task expires.
    pub lease_expires_at: Option<DateTime<Utc>>,
    /// The id of the server that runs the task. A server of rasynq is known from the moment at which it fetches the task
    /// until its entry expires; one of asynq while it shows the run, which it does every 5 s.
    pub owner: Option<String>,
    /// How far the run has come, or had come, if its handler reports it.
    pub progress: Option<Progress>,
    /// The last result or progress that the handler wrote.
    pub result: Option<Bytes>,
}

/// A unique lock.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UniqueLock {
    /// The key in Redis.
    pub key: String,
    /// The id of the task that holds the lock. `None`: the lock is free. Empty: its key has a wrong type, so that no task can
    /// take it.
    pub holder: Option<String>,
    /// Whether the holder is this task.
    pub is_held_by_task: bool,
    /// When it is free again, by Redis' clock. `None`: it is free, or does not expire.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Inspector {
    /// One task: its message, its state, and its result or progress. asynq: `GetTaskInfo`.
    ///
    /// # Errors
    /// [`ErrorKind::QueueNotFound`], [`ErrorKind::TaskNotFound`], [`ErrorKind::Undecodable`] if the
    /// stored message does not decode, and the errors of [`queues`](Self::queues).
    ///
    /// # Cancel safety
    /// It only reads; the future may be dropped at any time.
    pub async fn task_info(&self, queue: &str, id: &str) -> Result<TaskInfo> {
        let StoredDetails {
            now,
            state,
            task,
            score,
            ..
        } = self.stored(queue, id).await?;
        match describe(queue, id.as_bytes(), state, score, task, now) {
            (info, None) => Ok(info),
            (_, Some(error)) => {
                let text =
                    format!("task {id:?} in queue {queue:?}: its message does not decode: {error}");
                let undecodable = Error::new(ErrorKind::Undecodable, text).with_task_id(id);
                Err(undecodable.with_source(error))
            }
        }
    }

    /// All that is known of one task, also if its message does not decode.
    ///
    /// ```no_run
    /// # async fn example(inspector: rasynq::Inspector) -> rasynq::Result<()> {
    /// let task = inspector.task_details("default", "task-1").await?;
    /// if let Some(lock) = task.lock {
    ///     println!("{} is held by {:?} until {:?}", lock.key, lock.holder, lock.expires_at);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::QueueNotFound`], [`ErrorKind::TaskNotFound`], [`ErrorKind::Undecodable`] if the stored state is
    /// none that rasynq knows, and the errors of [`queues`](Self::queues).
    ///
    /// # Cancel safety
    /// It only reads; the future may be dropped at any time.
    pub async fn task_details(&self, queue: &str, id: &str) -> Result<TaskDetails> {
        let stored = self.stored(queue, id).await?;
        let StoredDetails {
            now,
            state,
            task,
            score,
            ..
        } = &stored;
        let (info, error) = describe(queue, id.as_bytes(), *state, *score, task.clone(), *now);
        let message = wire::decode_task(task.message.clone()).unwrap_or_default();
        let lock_key = stored.lock.as_deref().map(str::to_owned);
        let lock_key = lock_key.or(Some(message.unique_key).filter(|key| !key.is_empty()));
        let lock = match lock_key {
            Some(key) => {
                let lock = self.broker.lock(&key).await?;
                Some(UniqueLock::of(key, lock, id, self.broker.clock().now()))
            }
            None => None,
        };
        let owner = match stored.state {
            TaskState::Active => {
                let keys = self.queue_keys(queue)?;
                let owner = stored.owner.as_deref();
                self.broker.server_of_run(&keys, id, owner).await?
            }
            _ => None,
        };
        let scored = |state| match stored.state == state {
            true => stored.score.and_then(time),
            false => None,
        };
        Ok(TaskDetails {
            decode_error: error.map(|error| error.to_string()),
            pending_since: task.pending_since.map(DateTime::from_timestamp_nanos),
            archived_at: scored(TaskState::Archived),
            kept_until: scored(TaskState::Completed),
            group: stored.group.as_deref().map(str::to_owned),
            grouped_at: scored(TaskState::Aggregating),
            lock,
            lease_expires_at: task.lease.and_then(time),
            owner,
            progress: task.result.as_deref().and_then(Progress::from_json),
            result: task.result.clone(),
            info,
        })
    }

    async fn stored(&self, queue: &str, id: &str) -> Result<StoredDetails> {
        let keys = self.queue_keys(queue)?;
        match self.broker.task(&keys, id).await? {
            Some(stored) => Ok(stored),
            None => Err(self.missing(queue, id).await),
        }
    }
}

impl UniqueLock {
    fn of(key: String, lock: StoredLock, task_id: &str, now: DateTime<Utc>) -> Self {
        let holder = lock.holder.as_deref().map(String::from_utf8_lossy);
        let holder = holder.map(|holder| holder.into_owned());
        let ttl = lock.ttl_ms.and_then(|ms| i64::try_from(ms).ok());
        let ttl = ttl.and_then(TimeDelta::try_milliseconds);
        Self {
            is_held_by_task: holder.as_deref() == Some(task_id),
            expires_at: ttl.and_then(|ttl| now.checked_add_signed(ttl)),
            key,
            holder,
        }
    }
}
