//! Looking at queues and tasks, and what people do about them.

use chrono::{DateTime, Utc};

use crate::broker::Broker;
use crate::connection::Connection;
use crate::error::{Error, ErrorKind, Result};
use crate::task::TaskInfo;
use crate::wire::{self, QueueKeys, TaskState, keys};

/// Reads queues and tasks, pauses queues, cancels runs. asynq: `Inspector`.
///
/// Clones share one connection.
#[derive(Clone)]
pub struct Inspector {
    broker: Broker,
}

impl Inspector {
    /// Connects to Redis.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] where Redis cannot be reached, [`ErrorKind::Redis`] where it
    /// refuses us, [`ErrorKind::UnsupportedRedis`] where it is too old.
    ///
    /// # Cancel safety
    /// Dropped, nothing stays open.
    pub async fn connect(connection: &Connection) -> Result<Self> {
        Ok(Self {
            broker: Broker::connect(connection).await?,
        })
    }

    /// The names of all queues, sorted. asynq: `Queues`.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] where Redis does not answer, [`ErrorKind::Redis`] where it
    /// refuses, [`ErrorKind::Closed`] after [`close`](Self::close).
    ///
    /// # Cancel safety
    /// Changes nothing; may be dropped at any time.
    pub async fn queues(&self) -> Result<Vec<String>> {
        let mut queues = self.broker.queues().await?;
        queues.sort();
        Ok(queues)
    }

    /// One task, its state, and what it has left so far. asynq: `GetTaskInfo`.
    ///
    /// # Errors
    /// [`ErrorKind::QueueNotFound`], [`ErrorKind::TaskNotFound`], [`ErrorKind::Undecodable`]; and those
    /// of [`queues`](Self::queues).
    ///
    /// # Cancel safety
    /// Changes nothing; may be dropped at any time.
    pub async fn task_info(&self, queue: &str, id: &str) -> Result<TaskInfo> {
        let keys = self.broker.keys(queue);
        let Some(stored) = self.broker.task(&keys, id).await? else {
            if !self.broker.queue_exists(queue).await? {
                return Err(Error::new(
                    ErrorKind::QueueNotFound,
                    format!("no queue {queue:?}"),
                ));
            }
            return Err(Error::new(
                ErrorKind::TaskNotFound,
                format!("no task {id:?} in queue {queue:?}"),
            )
            .with_task_id(id));
        };
        let message = wire::decode_task(stored.message).map_err(|error| {
            Error::new(
                ErrorKind::Undecodable,
                format!("message of task {id:?} in queue {queue:?}"),
            )
            .with_source(error)
        })?;
        let next = match stored.state {
            TaskState::Pending => Some(Utc::now()),
            TaskState::Scheduled | TaskState::Retry => stored
                .score
                .and_then(|secs| DateTime::from_timestamp(secs, 0)),
            _ => None,
        };
        let mut info = TaskInfo::new(message, stored.state, next, stored.result);
        info.is_orphaned = stored.orphaned;
        Ok(info)
    }

    /// Stops the processing of a queue: workers leave its pending tasks where they are. asynq:
    /// `PauseQueue`.
    ///
    /// A queue that does not exist can be paused.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a blank name; [`ErrorKind::WrongState`] if it is paused already; those
    /// of [`queues`](Self::queues), where of [`ErrorKind::Unavailable`] it may be paused all the same.
    ///
    /// # Cancel safety
    /// Dropped before it has an answer, the queue may be paused or not.
    pub async fn pause_queue(&self, queue: &str) -> Result<()> {
        let keys = self.queue_keys(queue)?;
        match self.broker.pause(&keys, Utc::now().timestamp()).await? {
            true => Ok(()),
            false => Err(Error::new(
                ErrorKind::WrongState,
                format!("queue {queue:?} is paused already"),
            )),
        }
    }

    /// Resumes the processing of a queue. asynq: `UnpauseQueue`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a blank name; [`ErrorKind::WrongState`] if it is not paused; those of
    /// [`queues`](Self::queues), where of [`ErrorKind::Unavailable`] it may be resumed all the same.
    ///
    /// # Cancel safety
    /// Dropped before it has an answer, the queue may be resumed or not.
    pub async fn unpause_queue(&self, queue: &str) -> Result<()> {
        let keys = self.queue_keys(queue)?;
        match self.broker.unpause(&keys).await? {
            true => Ok(()),
            false => Err(Error::new(
                ErrorKind::WrongState,
                format!("queue {queue:?} is not paused"),
            )),
        }
    }

    /// Asks whichever server runs this task to end the run. asynq: `CancelProcessing`.
    ///
    /// Nothing says whether one does: the message reaches those servers that are connected now.
    ///
    /// # Errors
    /// Those of [`queues`](Self::queues).
    ///
    /// # Cancel safety
    /// Dropped before it has an answer, the message may be sent or not.
    pub async fn cancel_processing(&self, id: &str) -> Result<()> {
        self.broker.publish_cancellation(id).await
    }

    fn queue_keys(&self, queue: &str) -> Result<QueueKeys> {
        keys::validate_queue_name(queue)
            .map_err(|error| Error::invalid(format!("queue {queue:?}: {error}")))?;
        Ok(self.broker.keys(queue))
    }

    /// Closes the connection, unless it is the caller's own. asynq: `Close`.
    ///
    /// It holds for all clones: calls under way get [`ErrorKind::Unavailable`], later ones
    /// [`ErrorKind::Closed`]. It takes 2 s at most and cannot fail.
    ///
    /// # Cancel safety
    /// Dropped half-way, connections may stay open until the last clone is dropped.
    pub async fn close(&self) {
        self.broker.close().await;
    }
}
