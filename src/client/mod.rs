//! Enqueueing: one task, or many in one round trip.

mod call_lines;
mod fast_reply;
mod shared_calls;

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use call_lines::CallLines;

use crate::broker::Broker;
use crate::clock::Uuids;
use crate::connection::Connection;
use crate::error::{Error, ErrorKind, Result};
use crate::metrics;
use crate::prepare::prepare;
use crate::task::{IntoTask, Task, TaskInfo, TaskOption, option_methods};

/// Enqueues tasks. Clones are cheap and share its connections. asynq: `Client`.
///
/// A client belongs to the tokio runtime on which [`connect`](Self::connect) was called. The client
/// works on other runtimes too, but only while the first one runs. After that every call fails with
/// [`ErrorKind::Closed`].
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
    calls: Arc<CallLines>,
    uuids: Arc<Uuids>,
}

impl Client {
    /// Connects to Redis.
    ///
    /// # Errors
    /// - [`ErrorKind::Invalid`] for a wrong setting of the connection.
    /// - [`ErrorKind::Unavailable`] if Redis cannot be reached.
    /// - [`ErrorKind::Redis`] if Redis refuses the connection.
    /// - [`ErrorKind::UnsupportedRedis`] if Redis is too old.
    ///
    /// # Cancel safety
    /// If the future is dropped, the connections that it has opened are closed.
    pub async fn connect(connection: &Connection) -> Result<Self> {
        metrics::describe();
        let broker = Broker::connect(connection).await?;
        Ok(Self {
            calls: CallLines::new(broker.clone()),
            uuids: Arc::new(Uuids::new()),
            broker,
        })
    }

    /// Enqueues a [`Task`], or a value of a [`TaskKind`](crate::TaskKind). Options may be added before
    /// the call is awaited; they override those on the task. asynq: `Enqueue`.
    ///
    /// It takes one round trip. On a cluster it takes two for a queue that this client has not used before:
    /// the first adds the queue to `asynq:queues`.
    /// If no enqueue call to Redis is in flight, the task is sent at once. Otherwise the tasks of all
    /// callers share the next call; at most two are in flight (on a cluster, two for each queue).
    ///
    /// # Errors
    /// - [`ErrorKind::Invalid`]: the task or an option is refused before Redis is asked.
    /// - [`ErrorKind::DuplicateTask`]: another task holds the unique lock. The error has its id.
    /// - [`ErrorKind::TaskIdConflict`]: a task with this id exists. The error has the id.
    /// - [`ErrorKind::Redis`]: Redis refuses the command: no permission, no memory, or a key of a wrong
    ///   type.
    /// - [`ErrorKind::Unavailable`]: Redis does not answer. The task may be stored all the same.
    /// - [`ErrorKind::Closed`]: the client was [closed](Self::close), or its runtime has ended.
    ///
    /// # Lost replies
    /// If the reply to an enqueue call is lost, the call is sent again, up to three times in all. If
    /// an earlier attempt has stored the task, a later one recognizes the stored task and succeeds. But a
    /// task that has run and was deleted in the meantime is not recognized: it is stored and run a
    /// second time. A completed task is recognized until its retention is over. An attempt that reaches
    /// Redis after a later one has no effect.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is polled, nothing happens. If it is dropped later, the task
    /// may be stored or not.
    pub fn enqueue<M, T: IntoTask<M>>(&self, task: T) -> Enqueue<'_> {
        Enqueue {
            client: self,
            task: task.into_task(),
            options: Vec::new(),
        }
    }

    /// Enqueues many tasks in one pipelined round trip. The tasks may be unique, grouped or scheduled,
    /// and for several queues. The results are in the order of the tasks.
    ///
    /// This is not a transaction: each task has its own result, and a task that is refused does not
    /// stop the others. If two tasks of the batch have the same id or the same unique lock, the first
    /// one is stored.
    ///
    /// # Errors
    /// The result of each task has the errors of [`enqueue`](Self::enqueue). Lost replies have the same
    /// consequences as there.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is polled, nothing happens. If it is dropped later, each task
    /// may be stored or not.
    pub async fn enqueue_batch(
        &self,
        tasks: impl IntoIterator<Item = Task>,
    ) -> Vec<Result<TaskInfo>> {
        let now = self.broker.clock().now();
        let mut new = Vec::new();
        let mut infos: Vec<Result<TaskInfo>> = Vec::new();
        for task in tasks {
            match prepare(&self.broker, task, Vec::new(), now, &self.uuids) {
                Ok((task, info)) => {
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
                let missing = || Err(Error::new(ErrorKind::Internal, "enqueue: no result"));
                let result = stored.next().unwrap_or_else(missing);
                metrics::enqueued(&info.queue, &info.task_type, &result);
                result.map(|()| info)
            })
            .collect()
    }

    /// Checks that Redis answers. asynq: `Ping`.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if Redis does not answer, [`ErrorKind::Redis`] if it answers with an
    /// error, [`ErrorKind::Closed`] if the client was [closed](Self::close).
    ///
    /// # Cancel safety
    /// If the future is dropped, nothing changes.
    pub async fn ping(&self) -> Result<()> {
        self.broker.ping().await
    }

    /// Closes the connections, for all clones of the client. A fred client of your own stays open.
    /// asynq: `Close`.
    ///
    /// Calls in flight are answered if Redis answers within 2 s; otherwise they fail with
    /// [`ErrorKind::Unavailable`]. Later calls fail with [`ErrorKind::Closed`]. Closing takes at most
    /// 2 s and cannot fail.
    ///
    /// # Cancel safety
    /// If the future is dropped, connections may stay open. Call `close` again, or drop all clones of
    /// the client.
    pub async fn close(&self) {
        self.broker.close().await;
    }

    async fn enqueue_one(&self, task: Task, options: Vec<TaskOption>) -> Result<TaskInfo> {
        let now = self.broker.clock().now();
        let (task, info) = prepare(&self.broker, task, options, now, &self.uuids)?;
        let result = self.calls.store(task).await;
        metrics::enqueued(&info.queue, &info.task_type, &result);
        result.map(|()| info)
    }
}

/// A prepared enqueue call. Add options, then await it: only then it is sent.
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
