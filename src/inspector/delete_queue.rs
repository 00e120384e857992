//! Deleting a queue with all that belongs to it.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;

use super::bulk_progress::{BulkProgress, ProgressHook};
use super::deletion::{delete_all_set_aside, end_deletion};
use super::{Inspector, queue_not_found};
use crate::broker::SetAside;
use crate::error::{Error, ErrorKind, Result};

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
    /// At the end it walks through the names of all keys of the Redis server, 500 in a step, to find what nothing refers to,
    /// such as locks that a Go inspector has left. If other programs have millions of keys there, that takes a while.
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
    /// - [`ErrorKind::QueueNotEmpty`]: the queue has tasks in any state, or a key of another type in place of a list or a set,
    ///   and [`force`](DeleteQueue::force) was not
    ///   given. asynq looks at fewer states: it deletes a queue with completed and aggregating tasks, and leaves these.
    /// - [`ErrorKind::WrongState`]: tasks of the queue are active. If it has more than 500 groups, some of them may be
    ///   deleted already; the error then says how many tasks were.
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
            on_progress: ProgressHook::default(),
        }
    }
}

/// A prepared deletion of a queue. Await it: only then the queue is deleted.
#[must_use = "nothing is deleted until this is awaited"]
pub struct DeleteQueue {
    inspector: Inspector,
    queue: String,
    force: bool,
    on_progress: ProgressHook,
}

impl DeleteQueue {
    /// Deletes the queue even if it has tasks, as long as none is active, or keys of another type than they should have.
    pub fn force(mut self) -> Self {
        self.force = true;
        self
    }

    /// Calls this function after each step. All four numbers count tasks of the queue, and the first three are equal.
    pub fn on_progress(mut self, hook: impl Fn(BulkProgress) + Send + Sync + 'static) -> Self {
        self.on_progress = ProgressHook::new(hook);
        self
    }

    async fn delete(self) -> Result<()> {
        let keys = self.inspector.queue_keys(&self.queue)?;
        let broker = &self.inspector.broker;
        // A queue with tasks may not be listed: a Go producer lists it only once.
        if !broker.queue_exists(&self.queue).await? && !broker.has_tasks(&keys).await? {
            return Err(queue_not_found(&self.queue));
        }
        let mut progress = DeletionProgress {
            so_far: BulkProgress::default(),
            hook: &self.on_progress,
        };
        // The rest of an earlier deletion that was interrupted.
        delete_all_set_aside(broker, &keys, &mut |tasks| progress.deleted(tasks)).await?;
        let mut grouped = 0;
        loop {
            match broker.set_queue_aside(&keys, self.force).await? {
                SetAside::NotEmpty(tasks) => {
                    let text = format!(
                        "queue {:?} is not empty: it has {tasks} or more tasks",
                        self.queue
                    );
                    return Err(Error::new(ErrorKind::QueueNotEmpty, text));
                }
                SetAside::Active(tasks) => return Err(self.active(tasks, grouped)),
                SetAside::Part(tasks) => {
                    grouped += tasks;
                    progress.so_far.total += tasks;
                    delete_all_set_aside(broker, &keys, &mut |tasks| progress.deleted(tasks))
                        .await?;
                }
                SetAside::All(tasks) => {
                    progress.so_far.total += tasks;
                    break;
                }
            }
        }
        end_deletion(broker, &keys, &mut |tasks| progress.deleted(tasks)).await
    }

    fn active(&self, tasks: u64, deleted: u64) -> Error {
        let mut text = format!("queue {:?} has {tasks} active tasks", self.queue);
        if deleted > 0 {
            text.push_str(&format!("; {deleted} tasks in groups were deleted before"));
        }
        Error::new(ErrorKind::WrongState, text)
    }
}

/// How far a deletion is, and who wants to know.
struct DeletionProgress<'h> {
    so_far: BulkProgress,
    hook: &'h ProgressHook,
}

impl DeletionProgress<'_> {
    fn deleted(&mut self, tasks: u64) {
        let progress = &mut self.so_far;
        progress.changed += tasks;
        progress.examined = progress.changed;
        progress.matched = progress.changed;
        progress.total = progress.total.max(progress.changed);
        self.hook.tell(*progress);
    }
}

impl fmt::Debug for DeleteQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeleteQueue")
            .field("queue", &self.queue)
            .field("force", &self.force)
            .finish_non_exhaustive()
    }
}

impl IntoFuture for DeleteQueue {
    type Output = Result<()>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.delete())
    }
}
