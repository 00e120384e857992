//! The inspector: shows what is in Redis, changes tasks and queues on demand, and examines and repairs them.
//!
//! One file for each noun that it shows, and for each change that it makes. This module uses Redis only through the
//! broker, and owns nothing there. It never calls a handler.

mod bulk;
mod bulk_progress;
mod cancel;
mod change_task;
mod cluster;
mod copy;
mod damage;
mod damaged_part;
mod delete_queue;
mod deletion;
mod details;
mod enqueue_entry;
mod examine;
mod examiner;
mod filter;
mod global_examiner;
mod groups;
mod ids;
mod json_path;
mod json_search;
mod listing;
mod packed_id;
mod payload;
mod queue;
mod reader;
mod redis_info;
mod repair;
mod reschedule;
mod schedulers;
mod selection;
mod servers;
mod stream;

pub use bulk::BulkResult;
pub use bulk_progress::BulkProgress;
pub use cancel::Cancellation;
pub use cluster::ClusterNode;
pub use damage::{Damage, DamageKind, Repair};
pub use delete_queue::DeleteQueue;
pub use details::{TaskDetails, UniqueLock};
pub use examine::Examination;
pub use filter::TaskFilter;
pub use groups::GroupInfo;
pub use queue::{DailyStats, QueueInfo};
pub use redis_info::{ClusterInfo, RedisInfo};
pub use schedulers::{EnqueueEvent, SchedulerEntryInfo, SchedulerInfo};
pub use selection::TaskSelection;
pub use servers::{ServerInfo, WorkerInfo};
pub use stream::TaskStream;

use chrono::{DateTime, Utc};

use crate::broker::Broker;
use crate::connection::Connection;
use crate::error::{Error, ErrorKind, Result};
use crate::wire::{QueueKeys, keys};

/// Shows queues, tasks, servers and schedulers; runs, archives, deletes and reschedules tasks; pauses and deletes queues;
/// cancels runs; examines and repairs what is stored. asynq: `Inspector`.
///
/// It needs no server. It shows and changes what Rust and Go have written alike. Clones are cheap and share its
/// connections.
///
/// ```no_run
/// # async fn example() -> rasynq::Result<()> {
/// use rasynq::{Connection, Inspector, TaskState};
/// let inspector = Inspector::connect(&Connection::from_uri("redis://localhost")?).await?;
/// for queue in inspector.queues().await? {
///     let info = inspector.queue_info(&queue).await?;
///     println!("{queue}: {} pending, {} archived", info.pending, info.archived);
/// }
/// for task in inspector.tasks("default", TaskState::Archived).page(1, 30).await? {
///     println!("{} failed: {}", task.id, task.last_error);
///     inspector.run_task("default", &task.id).await?;
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Inspector {
    broker: Broker,
}

impl Inspector {
    /// Connects to Redis.
    ///
    /// # Errors
    /// - [`ErrorKind::Invalid`] for a wrong setting of the connection.
    /// - [`ErrorKind::Unavailable`] if Redis cannot be reached.
    /// - [`ErrorKind::Redis`] if Redis refuses the connection.
    /// - [`ErrorKind::UnsupportedRedis`] if Redis is too old.
    ///
    /// # Cancel safety
    /// If the future is dropped, no connection stays open.
    pub async fn connect(connection: &Connection) -> Result<Self> {
        let broker = Broker::connect(connection).await?;
        // Nobody calls the inspector again, as the loops of a server do.
        broker.wait_for_moves();
        Ok(Self { broker })
    }

    /// The names of all queues, sorted. asynq: `Queues`.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if Redis does not answer, [`ErrorKind::Redis`] if it answers with
    /// an error, [`ErrorKind::Closed`] after [`close`](Self::close).
    ///
    /// # Cancel safety
    /// It only reads; the future may be dropped at any time.
    pub async fn queues(&self) -> Result<Vec<String>> {
        let mut queues = self.broker.queues().await?;
        queues.sort();
        Ok(queues)
    }

    /// The present by Redis' clock, by which all stored times are: an age is the difference to this time, not to the
    /// wall clock of this machine. Redis is asked at most every 30 s. If it does not tell, what is known of its clock
    /// counts; without that, the wall clock.
    ///
    /// # Cancel safety
    /// It only reads; the future may be dropped at any time.
    ///
    /// ```no_run
    /// # async fn example(inspector: rasynq::Inspector) -> rasynq::Result<()> {
    /// let task = inspector.task_info("default", "mail-1").await?;
    /// if let Some(due) = task.next_process_at {
    ///     println!("due in {}", due - inspector.redis_time().await);
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn redis_time(&self) -> DateTime<Utc> {
        self.broker.refresh_clock().await;
        self.broker.clock().now()
    }

    /// Pauses a queue: servers no longer fetch its pending tasks. Active tasks continue. asynq:
    /// `PauseQueue`.
    ///
    /// A queue that does not exist yet can be paused too.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if the name is blank, [`ErrorKind::WrongState`] if the queue is already
    /// paused, and the errors of [`queues`](Self::queues). After [`ErrorKind::Unavailable`] the queue
    /// may or may not be paused.
    ///
    /// # Cancel safety
    /// If the future is dropped, the queue may or may not be paused.
    pub async fn pause_queue(&self, queue: &str) -> Result<()> {
        let keys = self.queue_keys(queue)?;
        let now = self.broker.clock().now();
        match self.broker.pause(&keys, now.timestamp()).await? {
            true => Ok(()),
            false => Err(Error::new(
                ErrorKind::WrongState,
                format!("queue {queue:?} is paused already"),
            )),
        }
    }

    /// Resumes a paused queue: servers fetch its pending tasks again. asynq: `UnpauseQueue`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if the name is blank, [`ErrorKind::WrongState`] if the queue is not
    /// paused, and the errors of [`queues`](Self::queues). After [`ErrorKind::Unavailable`] the queue
    /// may or may not be resumed.
    ///
    /// # Cancel safety
    /// If the future is dropped, the queue may or may not be resumed.
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

    fn queue_keys(&self, queue: &str) -> Result<QueueKeys> {
        keys::validate_queue_name(queue)
            .map_err(|error| Error::invalid(format!("queue {queue:?}: {error}")))?;
        Ok(self.broker.keys(queue))
    }

    /// The error for a task that is not there.
    async fn missing(&self, queue: &str, id: &str) -> Error {
        match self.broker.queue_exists(queue).await {
            Err(error) => error,
            Ok(false) => queue_not_found(queue),
            Ok(true) => {
                let text = format!("no task {id:?} in queue {queue:?}");
                Error::new(ErrorKind::TaskNotFound, text).with_task_id(id)
            }
        }
    }

    /// Closes the connections, for all clones of the inspector. A fred client that you passed to
    /// [`Connection::from_fred`] stays open. asynq: `Close`.
    ///
    /// Calls in flight are answered if Redis answers within 2 s; otherwise they fail with
    /// [`ErrorKind::Unavailable`]. Later calls fail with [`ErrorKind::Closed`]. Closing takes at most
    /// 2 s and cannot fail.
    ///
    /// # Cancel safety
    /// If the future is dropped, connections may stay open. Call `close` again, or drop all clones of
    /// the inspector.
    pub async fn close(&self) {
        self.broker.close().await;
    }
}

fn queue_not_found(queue: &str) -> Error {
    Error::new(ErrorKind::QueueNotFound, format!("no queue {queue:?}"))
}
