//! Enqueueing: alone, or many in one round trip.

mod shared_calls;

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use chrono::Utc;
use shared_calls::SharedCalls;

use crate::broker::{Broker, NewTask, Place};
use crate::connection::Connection;
use crate::error::{Error, ErrorKind, Result};
use crate::task::{Composed, IntoTask, Task, TaskInfo, TaskOption, option_methods};
use crate::unique::Uuids;
use crate::wire::{self, Placement, TaskState};

/// Enqueues tasks. Clones are cheap and share one connection. asynq: `Client`.
///
/// It lives on the tokio runtime on which [`connect`](Self::connect) was called. It may be used from
/// others too, but not after that one has ended: calls then end with [`ErrorKind::Unavailable`].
///
/// ```no_run
/// # async fn example() -> rasynq::Result<()> {
/// use rasynq::{Client, Connection, Task};
/// let client = Client::connect(&Connection::from_uri("redis://localhost")?).await?;
/// let info = client.enqueue(Task::new("email:welcome", "{}")).queue("critical").await?;
/// println!("{} is {}", info.id, info.state);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Client {
    broker: Broker,
    calls: Arc<SharedCalls>,
    uuids: Arc<Uuids>,
}

impl Client {
    /// Connects to Redis.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] where Redis cannot be reached, [`ErrorKind::Redis`] where it
    /// refuses us, [`ErrorKind::UnsupportedRedis`] where it is too old.
    ///
    /// # Cancel safety
    /// Dropped, what was opened is closed.
    pub async fn connect(connection: &Connection) -> Result<Self> {
        let broker = Broker::connect(connection).await?;
        Ok(Self {
            calls: SharedCalls::new(broker.clone()),
            uuids: Arc::new(Uuids::new()),
            broker,
        })
    }

    /// Enqueues a [`Task`], or a value of a [`TaskKind`](crate::TaskKind); options can be added
    /// before it is awaited, and override those on the task. asynq: `Enqueue`.
    ///
    /// One round trip (on a cluster two, the first to make the queue known). A call that finds none
    /// under way goes by itself at once; others share the next one.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] before Redis is asked; [`ErrorKind::DuplicateTask`] and
    /// [`ErrorKind::TaskIdConflict`], both with the id that is in the way;
    /// [`ErrorKind::Redis`] where Redis refuses it, by its permissions, for lack of memory or
    /// because a key is of a wrong type; [`ErrorKind::Closed`] after [`close`](Self::close). Of
    /// [`ErrorKind::Unavailable`] the task may have been stored all the same.
    ///
    /// # Lost replies
    /// An enqueue whose reply is lost is sent again, up to three times in all, so marked that it
    /// does not collide with its own first attempt. Only what is still stored can be recognized:
    /// if the first attempt arrived, and its task ran to its end and was deleted before the second
    /// one came, the task is stored and run a second time. A task with a retention is recognized
    /// even then.
    ///
    /// # Cancel safety
    /// Dropped before it is polled, nothing happens; dropped later, the task may be stored or not.
    pub fn enqueue<M, T: IntoTask<M>>(&self, task: T) -> Enqueue<'_> {
        Enqueue {
            client: self,
            task: task.into_task(),
            options: Vec::new(),
        }
    }

    /// Enqueues tasks of any mix in one pipelined round trip: unique ones, grouped, scheduled, for
    /// several queues. The results are in the order of the tasks, each its own.
    ///
    /// A task that is refused does not stop the others. Of two tasks in one batch that exclude
    /// each other the first one wins. It is not a transaction.
    ///
    /// # Errors
    /// Each task's are those of [`enqueue`](Self::enqueue), lost replies among them.
    ///
    /// # Cancel safety
    /// Dropped before it is polled, nothing happens; dropped later, each task may be stored or not.
    pub async fn enqueue_batch(
        &self,
        tasks: impl IntoIterator<Item = Task>,
    ) -> Vec<Result<TaskInfo>> {
        let now = Utc::now();
        let mut new = Vec::new();
        let mut infos: Vec<Result<TaskInfo>> = Vec::new();
        for task in tasks {
            match task.compose(Vec::new(), now, &self.uuids) {
                Ok(composed) => {
                    let (task, info) = self.prepare(composed, now);
                    new.push(task);
                    infos.push(Ok(info));
                }
                Err(error) => infos.push(Err(error)),
            }
        }
        let mut stored = self.broker.enqueue(new).await.into_iter();
        infos
            .into_iter()
            .map(|info| {
                let info = info?;
                match stored.next() {
                    Some(result) => result.map(|()| info),
                    None => Err(Error::new(ErrorKind::Internal, "enqueue: no result")),
                }
            })
            .collect()
    }

    /// Asks Redis for a sign of life. asynq: `Ping`.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] where Redis does not answer, [`ErrorKind::Redis`] where it
    /// answers with an error, [`ErrorKind::Closed`] after [`close`](Self::close).
    ///
    /// # Cancel safety
    /// Changes nothing; may be dropped at any time.
    pub async fn ping(&self) -> Result<()> {
        self.broker.ping().await
    }

    /// Closes the connection, unless it is the caller's own. asynq: `Close`.
    ///
    /// It holds for all clones: calls under way get [`ErrorKind::Unavailable`], later ones
    /// [`ErrorKind::Closed`]. It takes 2 s at most and cannot fail.
    ///
    /// # Cancel safety
    /// Dropped half-way, connections may stay open until the last clone is dropped. Call it again,
    /// or drop the client.
    pub async fn close(&self) {
        self.broker.close().await;
    }

    /// What the broker is asked to store, and what the caller is told of it.
    fn prepare(&self, composed: Composed, now: chrono::DateTime<Utc>) -> (NewTask, TaskInfo) {
        let Composed {
            id_is_random,
            message,
            placement,
            unique_ttl_secs,
        } = composed;
        let (state, next_process_at) = match &placement {
            Placement::Pending => (TaskState::Pending, Some(now)),
            Placement::Scheduled { at } => (TaskState::Scheduled, Some(*at)),
            Placement::Group => (TaskState::Aggregating, None),
        };
        let lock = unique_ttl_secs.map(|ttl| {
            let wait = match placement {
                // COMPAT: asynq v0.26.0 cuts the sum of both to whole seconds
                Placement::Scheduled { at } => (at - now).num_milliseconds().max(0) as u64,
                _ => 0,
            };
            (
                message.unique_key.clone(),
                wait.saturating_add(ttl.saturating_mul(1000)) / 1000,
            )
        });
        let place = match placement {
            Placement::Pending => Place::Pending,
            Placement::Scheduled { at } => Place::Scheduled {
                at_unix_secs: at.timestamp(),
                group: message.group_key.clone(),
            },
            Placement::Group => Place::Group(message.group_key.clone()),
        };
        let task = NewTask {
            keys: self.broker.keys(&message.queue),
            id: message.id.as_str().into(),
            id_is_random,
            message: wire::encode(&message),
            place,
            lock,
        };
        let info = TaskInfo::new(message, state, next_process_at, None);
        (task, info)
    }

    async fn enqueue_one(&self, task: Task, options: Vec<TaskOption>) -> Result<TaskInfo> {
        let now = Utc::now();
        let (task, info) = self.prepare(task.compose(options, now, &self.uuids)?, now);
        self.calls.store(task).await.map(|()| info)
    }
}

/// An enqueue call that has not been made yet: add options, then await it.
#[must_use = "nothing is enqueued until this is awaited"]
pub struct Enqueue<'c> {
    client: &'c Client,
    task: Result<Task>,
    options: Vec<TaskOption>,
}

impl Enqueue<'_> {
    option_methods!(options);
}

impl<'c> IntoFuture for Enqueue<'c> {
    type Output = Result<TaskInfo>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'c>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.client.enqueue_one(self.task?, self.options).await })
    }
}
