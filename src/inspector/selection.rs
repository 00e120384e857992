//! The tasks of a queue in one state: pages, streams, counts.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::try_join;

use super::bulk_progress::{BulkProgress, ProgressHook};
use super::filter::TaskFilter;
use super::ids::{FoundId, IdReader, places};
use super::listing::FoundTask;
use super::packed_id::PackedId;
use super::reader::TaskReader;
use super::stream::TaskStream;
use super::{Inspector, queue_not_found};
use crate::broker::TaskPlace;
use crate::error::{Error, Result};
use crate::task::TaskInfo;
use crate::wire::{QueueKeys, TaskState};

/// The sizes of how many groups a page reads at once.
const SIZES_AT_ONCE: usize = 500;
/// How many tasks of a page one call reads.
const STEP: u64 = 500;

impl Inspector {
    /// The tasks of a queue in this state, to be listed, counted, or changed all at once.
    ///
    /// Nothing is read before one of the methods of [`TaskSelection`] is called.
    ///
    /// ```no_run
    /// # async fn example(inspector: rasynq::Inspector) -> rasynq::Result<()> {
    /// use rasynq::{TaskFilter, TaskState};
    /// for task in inspector.tasks("default", TaskState::Pending).page(1, 30).await? {
    ///     println!("{} {}", task.id, task.task_type);
    /// }
    /// let failed = inspector.tasks("default", TaskState::Archived).matching(
    ///     TaskFilter::new().task_type("email:*").error_contains("timeout"),
    /// );
    /// let mut tasks = failed.stream();
    /// while let Some(task) = tasks.next().await {
    ///     println!("{}", task?.last_error);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn tasks(&self, queue: impl Into<String>, state: TaskState) -> TaskSelection {
        TaskSelection {
            inspector: self.clone(),
            queue: queue.into(),
            state,
            group: None,
            filter: Arc::default(),
            on_progress: ProgressHook::default(),
        }
    }
}

/// The tasks of a queue in one state, or those of them that match a filter: see [`Inspector::tasks`].
#[must_use = "a selection does nothing until one of its methods is called"]
#[derive(Clone)]
pub struct TaskSelection {
    pub(super) inspector: Inspector,
    pub(super) queue: String,
    pub(super) state: TaskState,
    pub(super) group: Option<String>,
    pub(super) filter: Arc<TaskFilter>,
    on_progress: ProgressHook,
}

impl TaskSelection {
    /// Only the aggregating tasks of this group. Without it, those of all groups are selected, group by group.
    ///
    /// The selection of another state refuses it as [`ErrorKind::Invalid`](crate::ErrorKind::Invalid). See also
    /// [`TaskFilter::group`].
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// Only the tasks that match this filter. It replaces the one that was set before.
    pub fn matching(mut self, filter: TaskFilter) -> Self {
        self.filter = Arc::new(filter);
        self
    }

    /// Calls `hook` after each step of a call that reads or changes the tasks in steps. A panic of the hook is logged, and
    /// has no other effect.
    pub fn on_progress(mut self, hook: impl Fn(BulkProgress) + Send + Sync + 'static) -> Self {
        self.on_progress = ProgressHook::new(hook);
        self
    }

    /// One page of the tasks. Pages count from 1. asynq: `ListPendingTasks`, `ListActiveTasks`, …; its default is a
    /// page size of 30.
    ///
    /// The task that is processed first comes first among pending tasks, and the one that was fetched first among
    /// active ones. Other tasks come by ascending time: when they are due (scheduled, retry), were archived, are deleted
    /// (completed), or joined their group.
    ///
    /// With a filter, it is a page of the tasks that match: all tasks in front of the page are read, too. A task whose
    /// message does not decode is listed with [`is_undecodable`](TaskInfo::is_undecodable). An id whose task is gone is
    /// left out, so a page may be shorter than its size. A page of all groups reads the names of all groups, to sort
    /// them. A group whose key has a wrong type has no tasks here; [`Inspector::examine`] reports it.
    ///
    /// # Errors
    /// - [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if `page` or `page_size` is 0, the name of the queue is
    ///   blank, the filter has a path that cannot be read, or the selection of another state than aggregating
    ///   has a [`group`](Self::group).
    /// - [`ErrorKind::QueueNotFound`](crate::ErrorKind::QueueNotFound).
    /// - The errors of [`Inspector::queues`].
    ///
    /// # Cancel safety
    /// It only reads; the future may be dropped at any time.
    pub async fn page(&self, page: u64, page_size: u64) -> Result<Vec<TaskInfo>> {
        if page == 0 || page_size == 0 {
            let text = format!("page {page} of {page_size} tasks: both are at least 1");
            return Err(Error::invalid(text));
        }
        let skip = (page - 1).saturating_mul(page_size);
        match self.filter.is_empty() {
            true => self.page_of_all(skip, page_size).await,
            false => self.page_of_matching(skip, page_size).await,
        }
    }

    /// All the tasks, one after the other, in bounded steps: at most 500 tasks, and about 1 MiB of messages.
    ///
    /// The ids that were read are kept, so that no task comes twice: up to about 90 bytes for each task whose id is a
    /// UUID. Those of pending and active tasks are all read before the first task comes.
    pub fn stream(&self) -> TaskStream {
        let selection = self.clone();
        let reader = async move { selection.reader(&selection.begin().await?).await };
        TaskStream::new(self.on_progress.clone(), reader)
    }

    /// How many tasks there are, or match the filter. It changes nothing: it says beforehand how many tasks a call for
    /// all of them concerns.
    ///
    /// It looks at all of them, in bounded steps. An id whose task is gone, or in another state, does not count.
    /// [`Inspector::queue_info`] knows the sizes of the states at once.
    ///
    /// # Errors
    /// Those of [`page`](Self::page).
    ///
    /// # Cancel safety
    /// It only reads; the future may be dropped at any time.
    pub async fn count(&self) -> Result<u64> {
        let mut progress = BulkProgress::default();
        let keys = self.begin().await?;
        self.match_all(&keys, &mut progress, drop).await?;
        Ok(progress.matched)
    }

    /// Looks at all the tasks, and gives the ids of those that match to `take`, in steps.
    pub(super) async fn match_all(
        &self,
        keys: &QueueKeys,
        progress: &mut BulkProgress,
        mut take: impl FnMut(Vec<FoundId>),
    ) -> Result<()> {
        let mut reader = self.reader(keys).await?;
        progress.total = reader.total();
        while let Some(part) = reader.next_ids().await? {
            progress.examined += part.examined;
            progress.matched += part.found.len() as u64;
            take(part.found);
            self.report(*progress);
        }
        Ok(())
    }

    /// Checks the selection, and whether there is such a queue.
    pub(super) async fn begin(&self) -> Result<QueueKeys> {
        let keys = self.check()?;
        match self.inspector.broker.queue_exists(&self.queue).await? {
            true => Ok(keys),
            false => Err(queue_not_found(&self.queue)),
        }
    }

    /// Reads the tasks that match.
    async fn reader(&self, keys: &QueueKeys) -> Result<TaskReader> {
        let broker = &self.inspector.broker;
        let group = self.group.as_deref();
        let ids = IdReader::begin(broker.clone(), keys.clone(), self.state, group).await?;
        let (broker, filter) = (broker.clone(), Arc::clone(&self.filter));
        Ok(TaskReader::new(
            broker,
            keys.clone(),
            self.state,
            filter,
            ids,
        ))
    }

    /// Calls the hook.
    pub(super) fn report(&self, progress: BulkProgress) {
        self.on_progress.tell(progress);
    }

    fn check(&self) -> Result<QueueKeys> {
        let keys = self.inspector.queue_keys(&self.queue)?;
        if let (Some(group), false) = (&self.group, self.state == TaskState::Aggregating) {
            let text = format!(
                "group {group:?} of {} tasks: only aggregating tasks wait in a group",
                self.state
            );
            return Err(Error::invalid(text));
        }
        self.filter.check()?;
        Ok(keys)
    }

    async fn page_of_matching(&self, mut skip: u64, page_size: u64) -> Result<Vec<TaskInfo>> {
        let mut reader = self.reader(&self.begin().await?).await?;
        let mut page = Vec::new();
        while let Some(part) = reader.next_part().await? {
            for task in part.found {
                if skip > 0 {
                    skip -= 1;
                    continue;
                }
                page.push(task.info);
                if page.len() as u64 == page_size {
                    return Ok(page);
                }
            }
        }
        Ok(page)
    }

    async fn page_of_all(&self, mut skip: u64, page_size: u64) -> Result<Vec<TaskInfo>> {
        let (broker, group) = (&self.inspector.broker, self.group.as_deref());
        let keys = self.check()?;
        let places = places(broker, &keys, self.state, group);
        let (_, places) = try_join(self.begin(), places).await?;
        let mut page = Vec::new();
        let mut left = page_size;
        // Only the sizes of the groups up to the end of the page are read.
        for some in places.chunks(SIZES_AT_ONCE) {
            let sizes = match places.len() {
                // It ends where it ends.
                1 => vec![u64::MAX],
                _ => broker.place_sizes(&keys, some).await?,
            };
            for (place, size) in some.iter().zip(sizes) {
                let mut at = skip;
                while left > 0 && at < size {
                    let asked = left.min(size - at).min(STEP);
                    let ids = self.range(&keys, place, at, asked).await?;
                    let read = ids.len() as u64;
                    self.describe_all(&keys, ids, &mut page).await?;
                    (at, left) = (at + read, left - read);
                    if read < asked {
                        break;
                    }
                }
                skip = skip.saturating_sub(size);
            }
            if left == 0 {
                break;
            }
        }
        Ok(page)
    }

    /// The ids at these positions of a place, in asynq's order.
    async fn range(
        &self,
        keys: &QueueKeys,
        place: &TaskPlace,
        from: u64,
        len: u64,
    ) -> Result<Vec<FoundId>> {
        let from = i64::try_from(from).unwrap_or(i64::MAX - STEP as i64);
        let last = from + len as i64 - 1;
        // In a list, the first one is at the right.
        let range = match place.is_list() {
            true => (place, -1 - last, -1 - from),
            false => (place, from, last),
        };
        let broker = &self.inspector.broker;
        let ids = broker.listed_ids(keys, &[range]).await?.into_iter().next();
        let found = ids.unwrap_or_default().into_iter().map(|listed| FoundId {
            id: PackedId::new(&listed.id),
            score: listed.score.unwrap_or_default() as i64,
        });
        let mut found: Vec<FoundId> = found.collect();
        if place.is_list() {
            found.reverse();
        }
        Ok(found)
    }

    /// Reads these tasks, whatever their hashes say of their state.
    async fn describe_all(
        &self,
        keys: &QueueKeys,
        mut ids: Vec<FoundId>,
        page: &mut Vec<TaskInfo>,
    ) -> Result<()> {
        while !ids.is_empty() {
            let asked: Vec<Bytes> = ids.iter().map(|found| found.id.bytes()).collect();
            let part = self.inspector.broker.read_tasks(keys, None, &asked).await?;
            let read = part.tasks.len().min(ids.len());
            for (id, task) in ids.drain(..read).zip(part.tasks) {
                if let Some(task) = task {
                    page.push(FoundTask::of(&self.queue, self.state, id, task, part.now).info);
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for TaskSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskSelection")
            .field("queue", &self.queue)
            .field("state", &self.state)
            .field("group", &self.group)
            .field("filter", &self.filter)
            .finish_non_exhaustive()
    }
}
