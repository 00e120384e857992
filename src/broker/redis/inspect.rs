//! Reading queues and tasks; pausing queues.

use fred::interfaces::{HashesInterface, KeysInterface, SetsInterface, SortedSetsInterface};
use fred::types::{SetOptions, Value};

use super::Broker;
use crate::broker::StoredTask;
use crate::connection::map_redis_error;
use crate::error::{Error, ErrorKind, Result};
use crate::wire::{QueueKeys, TaskState, keys};

impl Broker {
    /// The names of all queues.
    pub(crate) async fn queues(&self) -> Result<Vec<String>> {
        self.client()?
            .smembers(keys::QUEUES)
            .await
            .map_err(|error| map_redis_error(error, "list queues"))
    }

    /// Reads one task. `None`: there is no task with this id.
    pub(crate) async fn task(&self, queue: &QueueKeys, id: &str) -> Result<Option<StoredTask>> {
        let failed = |error| map_redis_error(error, "read a task");
        let fields: Vec<Value> = self
            .client()?
            .hmget(queue.task(id), vec!["msg", "state", "result"])
            .await
            .map_err(failed)?;
        let mut fields = fields.into_iter();
        let (message, state, result) = (fields.next(), fields.next(), fields.next());
        let Some(message) = message.and_then(Value::into_bytes) else {
            return Ok(None);
        };
        let word = state.and_then(Value::into_string).unwrap_or_default();
        let state: TaskState = word.parse().map_err(|error| {
            Error::new(
                ErrorKind::Undecodable,
                format!("state of task {id:?} in queue {:?}", queue.queue()),
            )
            .with_source(error)
        })?;
        let set = match state {
            TaskState::Scheduled => Some(queue.scheduled()),
            TaskState::Retry => Some(queue.retry()),
            TaskState::Active => Some(queue.lease()),
            _ => None,
        };
        let score: Option<f64> = match set {
            Some(set) => self.client()?.zscore(set, id).await.map_err(failed)?,
            None => None,
        };
        let score = score.map(|score| score as i64);
        let orphaned = match (state, score) {
            (TaskState::Active, Some(until)) => until < self.redis_time_unix_secs().await?,
            _ => false,
        };
        Ok(Some(StoredTask {
            message,
            state,
            result: result.and_then(Value::into_bytes),
            orphaned,
            score,
        }))
    }

    /// Whether `asynq:queues` contains this queue.
    pub(crate) async fn queue_exists(&self, queue: &str) -> Result<bool> {
        self.client()?
            .sismember(keys::QUEUES, queue)
            .await
            .map_err(|error| map_redis_error(error, "look up a queue"))
    }

    /// Pauses a queue. Returns false if it was paused already.
    pub(crate) async fn pause(&self, queue: &QueueKeys, now_unix_secs: i64) -> Result<bool> {
        let set: Option<String> = self
            .client()?
            .set(
                queue.paused(),
                now_unix_secs,
                None,
                Some(SetOptions::NX),
                false,
            )
            .await
            .map_err(|error| map_redis_error(error, "pause a queue"))?;
        Ok(set.is_some())
    }

    /// Resumes a queue. Returns false if it was not paused.
    pub(crate) async fn unpause(&self, queue: &QueueKeys) -> Result<bool> {
        let removed: i64 = self
            .client()?
            .del(queue.paused())
            .await
            .map_err(|error| map_redis_error(error, "unpause a queue"))?;
        Ok(removed == 1)
    }
}
