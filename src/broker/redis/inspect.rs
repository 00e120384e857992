//! Reading queues and tasks; pausing queues.

use fred::types::Value;

use super::Broker;
use super::script::{number, word};
use crate::broker::StoredTask;
use crate::connection::Command;
use crate::error::{Error, ErrorKind, Result};
use crate::wire::{QueueKeys, TaskState, keys};

const READ_TASK: &str = "read a task";

impl Broker {
    /// The names of all queues.
    pub(crate) async fn queues(&self) -> Result<Vec<String>> {
        let members = Command::on_key("SMEMBERS", [word(keys::QUEUES)]);
        self.send(members, "list queues").await
    }

    /// Reads one task. `None`: there is no task with this id.
    pub(crate) async fn task(&self, queue: &QueueKeys, id: &str) -> Result<Option<StoredTask>> {
        let key = queue.task(id).into();
        let fields = [key, word("msg"), word("state"), word("result")];
        let fields: Vec<Value> = self
            .send(Command::on_key("HMGET", fields), READ_TASK)
            .await?;
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
            Some(set) => {
                let score = Command::on_key("ZSCORE", [set.into(), id.into()]);
                self.send(score, READ_TASK).await?
            }
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
        let is_member = Command::on_key("SISMEMBER", [word(keys::QUEUES), queue.into()]);
        self.send(is_member, "look up a queue").await
    }

    /// Pauses a queue. Returns false if it was paused already.
    pub(crate) async fn pause(&self, queue: &QueueKeys, now_unix_secs: i64) -> Result<bool> {
        let args = [queue.paused().into(), number(now_unix_secs), word("NX")];
        let set: Option<String> = self
            .send(Command::on_key("SET", args), "pause a queue")
            .await?;
        Ok(set.is_some())
    }

    /// Resumes a queue. Returns false if it was not paused.
    pub(crate) async fn unpause(&self, queue: &QueueKeys) -> Result<bool> {
        let remove = Command::on_key("DEL", [queue.paused().into()]);
        let removed: i64 = self.send(remove, "unpause a queue").await?;
        Ok(removed == 1)
    }
}
