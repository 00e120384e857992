//! Deleting a queue with all that belongs to it.

use std::future::{Future, IntoFuture};
use std::pin::Pin;

use super::examiner::Examiner;
use super::set_aside::delete_all_set_aside;
use super::{BulkProgress, Inspector};
use crate::broker::{SetAside, Todo};
use crate::error::{Error, ErrorKind, Result};
use crate::guard::{Foreign, guarded};
use crate::wire::QueueKeys;

impl Inspector {
    /// Deletes a queue and all that belongs to it: its tasks, also completed ones and those in groups, their unique
    /// locks, its counters of all days, and the pause. asynq: `DeleteQueue`.
    ///
    /// In one step the tasks are set aside, so the next task that somebody enqueues starts a new queue, which is
    /// complete at once. Then the tasks are deleted in steps of 500, which block Redis only briefly. A queue with more
    /// than 500 groups needs several steps before that one.
    ///
    /// The name leaves `asynq:queues` last, and stays there if the queue has new tasks by then. A Go program that has
    /// enqueued to the queue before does not list it again, so its tasks are in a queue that nobody sees until somebody
    /// else enqueues to it, or until [`repair`](Self::repair) lists it: stop such programs, or delete the queue while
    /// they are not running.
    ///
    /// Until all is deleted, a new task may be refused because an old one has its id or its unique lock.
    ///
    /// ```no_run
    /// # async fn example(inspector: rasynq::Inspector) -> rasynq::Result<()> {
    /// inspector
    ///     .delete_queue("old")
    ///     .force()
    ///     .on_progress(|progress| println!("{} of {}", progress.changed, progress.total))
    ///     .await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// - [`ErrorKind::Invalid`]: the name is blank.
    /// - [`ErrorKind::QueueNotFound`]: there is no such queue.
    /// - [`ErrorKind::QueueNotEmpty`]: the queue has tasks in any state, and [`force`](DeleteQueue::force) was not
    ///   given. asynq looks at fewer states: it deletes a queue with completed and aggregating tasks, and leaves these.
    /// - [`ErrorKind::WrongState`]: tasks of the queue are active.
    /// - The errors of [`queues`](Self::queues). If the error comes after the first step, call it again.
    ///
    /// # Cancel safety
    /// If the future is dropped, the rest of the deleted queue may stay in Redis, where it does no harm. The next
    /// deletion of the queue removes it, and [`repair`](Self::repair) does.
    pub fn delete_queue(&self, queue: impl Into<String>) -> DeleteQueue {
        DeleteQueue {
            inspector: self.clone(),
            queue: queue.into(),
            force: false,
            on_progress: None,
        }
    }
}

/// A prepared deletion of a queue. Await it: only then the queue is deleted.
#[must_use = "nothing is deleted until this is awaited"]
pub struct DeleteQueue {
    inspector: Inspector,
    queue: String,
    force: bool,
    on_progress: Option<Foreign<ProgressHook>>,
}

type ProgressHook = Box<dyn Fn(BulkProgress) + Send + Sync>;

impl DeleteQueue {
    /// Deletes the queue even if it has tasks, as long as none is active.
    pub fn force(mut self) -> Self {
        self.force = true;
        self
    }

    /// Calls this function after each step. All four numbers count tasks of the queue, and the first three are equal.
    pub fn on_progress(mut self, hook: impl Fn(BulkProgress) + Send + Sync + 'static) -> Self {
        self.on_progress = Some(Foreign::new(Box::new(hook)));
        self
    }

    async fn delete(self) -> Result<()> {
        let keys = self.inspector.queue_keys(&self.queue)?;
        let broker = &self.inspector.broker;
        if !broker.queue_exists(&self.queue).await? {
            let text = format!("no queue {:?}", self.queue);
            return Err(Error::new(ErrorKind::QueueNotFound, text));
        }
        let mut progress = BulkProgress::default();
        // The rest of an earlier deletion that was interrupted.
        self.delete_set_aside(&keys, &mut progress).await?;
        loop {
            match broker.set_queue_aside(&keys, self.force).await? {
                SetAside::NotEmpty(tasks) => {
                    let text = format!("queue {:?} has at least {tasks} tasks", self.queue);
                    return Err(Error::new(ErrorKind::QueueNotEmpty, text));
                }
                SetAside::Active(tasks) => return Err(self.active(tasks, progress.changed)),
                SetAside::Part(tasks) => {
                    progress.total += tasks;
                    self.delete_set_aside(&keys, &mut progress).await?;
                }
                SetAside::All(tasks) => {
                    progress.total += tasks;
                    break;
                }
            }
        }
        self.delete_set_aside(&keys, &mut progress).await?;
        // What nothing refers to: locks whose tasks are gone, tasks without a place, groups that are not listed.
        let mut rest = Examiner::new(broker.clone(), keys.clone(), Todo::Discard);
        while rest.step().await?.is_some() {}
        self.delete_set_aside(&keys, &mut progress).await?;
        broker.forget_queue(&keys).await
    }

    async fn delete_set_aside(&self, keys: &QueueKeys, progress: &mut BulkProgress) -> Result<()> {
        let deleted = |tasks| {
            progress.changed += tasks;
            progress.examined = progress.changed;
            progress.matched = progress.changed;
            progress.total = progress.total.max(progress.changed);
            if let Some(hook) = &self.on_progress {
                guarded("on_progress", (), || hook(*progress));
            }
        };
        delete_all_set_aside(&self.inspector.broker, keys, deleted).await
    }

    fn active(&self, tasks: u64, deleted: u64) -> Error {
        let mut text = format!("queue {:?} has {tasks} active tasks", self.queue);
        if deleted > 0 {
            text.push_str(&format!("; {deleted} tasks in groups were deleted before"));
        }
        Error::new(ErrorKind::WrongState, text)
    }
}

impl IntoFuture for DeleteQueue {
    type Output = Result<()>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.delete())
    }
}
