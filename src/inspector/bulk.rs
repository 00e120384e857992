//! Runs, archives and deletes all the tasks of a selection.
//!
//! The ids are read first, and only then is the first task changed. So a task that comes back, because it has run and
//! failed meanwhile, is not changed again. Each step checks its tasks once more.

use std::collections::HashSet;

use bytes::Bytes;

use super::bulk_progress::BulkProgress;
use super::ids::FoundId;
use super::packed_id::PackedId;
use super::reader::matching_ids;
use super::selection::TaskSelection;
use crate::broker::{TaskChange, TaskChanged, TasksToChange};
use crate::error::{Error, ErrorKind, Result};
use crate::wire::{QueueKeys, TaskState};

/// How many tasks one step changes, at most 500.
const STEP: usize = 400;
/// The same where a task costs more: pending tasks are searched for in their list, and archiving trims the archive.
const SMALL_STEP: usize = 100;
/// How often the list of pending tasks is read, if tasks are not where they were read.
const MOST_ROUNDS: u32 = 10;

/// What a call for many tasks has done.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BulkResult {
    /// How many tasks were looked at.
    pub examined: u64,
    /// How many of them are in the state and match the filter, as [`count`](TaskSelection::count) counts them.
    pub matched: u64,
    /// How many of these were changed. The others had left the state before their step, or did not match any more, or
    /// their data is damaged: see [`Inspector::examine`](super::Inspector::examine).
    pub changed: u64,
    /// How many older tasks were deleted because the archive would have had more than 10,000, as after
    /// [`Inspector::archive_task`](super::Inspector::archive_task). They may be among those that the call has archived.
    pub trimmed: u64,
}

impl TaskSelection {
    /// Makes all the tasks pending that are selected now: see [`Inspector::run_task`](super::Inspector::run_task). asynq:
    /// `RunAllScheduledTasks`, `RunAllRetryTasks`, …, each in one script that blocks Redis for as long as it takes.
    ///
    /// The ids of the tasks are read first, then the tasks are changed in steps of up to 400. No step blocks Redis for
    /// more than a few milliseconds. Each task is changed once at most, even if it comes back into this state. Before its
    /// step, each task is matched again. A task that has left the state is left alone, also if it has come back since, which
    /// shows by its score in Redis (a pending task that has come back is changed if it matches). Meanwhile the call keeps
    /// up to about 150 bytes for each task.
    ///
    /// # Errors
    /// An error in the middle says how many tasks were changed at least. The step that failed may have changed up to 500 more
    /// if its reply was lost; the others are as they were.
    /// - [`ErrorKind::Invalid`] if tasks of this state cannot be changed so (run: pending or active ones), and for what
    ///   [`page`](Self::page) refuses.
    /// - [`ErrorKind::QueueNotFound`].
    /// - The errors of [`Inspector::queues`](super::Inspector::queues). After [`ErrorKind::Unavailable`] the tasks of
    ///   the last step may or may not be changed.
    ///
    /// # Cancel safety
    /// If the future is dropped, some tasks are changed, the others are as they were.
    ///
    /// ```no_run
    /// # async fn example(inspector: rasynq::Inspector) -> rasynq::Result<()> {
    /// use rasynq::{TaskFilter, TaskState};
    /// let failed = inspector
    ///     .tasks("default", TaskState::Archived)
    ///     .matching(TaskFilter::new().task_type("email:*").error_contains("timeout"))
    ///     .on_progress(|progress| println!("{} of {}", progress.changed, progress.matched));
    /// println!("this concerns {} tasks", failed.count().await?);
    /// println!("{} tasks run again", failed.run().await?.changed);
    /// # Ok(()) }
    /// ```
    pub async fn run(&self) -> Result<BulkResult> {
        Bulk::new(self, TaskChange::Run, "run").change_all().await
    }

    /// Archives all the tasks that are selected now: see
    /// [`Inspector::archive_task`](super::Inspector::archive_task). asynq: `ArchiveAllPendingTasks`, …
    ///
    /// The archive grows up to [`DEFAULT_ARCHIVE_MAX_SIZE`](crate::DEFAULT_ARCHIVE_MAX_SIZE) tasks: for each task
    /// beyond that the oldest is deleted, as in asynq. An archive that is larger already keeps its size.
    ///
    /// Steps, errors and cancel safety are those of [`run`](Self::run). Pending, scheduled, retry, completed and
    /// aggregating tasks can be archived. Each step changes up to 100 tasks.
    pub async fn archive(&self) -> Result<BulkResult> {
        Bulk::new(self, TaskChange::Archive, "archive")
            .change_all()
            .await
    }

    /// Deletes all the tasks that are selected now, with the unique locks that they hold: see
    /// [`Inspector::delete_task`](super::Inspector::delete_task). asynq: `DeleteAllPendingTasks`, …
    ///
    /// Steps, errors and cancel safety are those of [`run`](Self::run). Tasks of every state but active can be deleted.
    ///
    /// The other pending tasks keep their order. But if some of more than 200,000 are deleted or archived, the newest
    /// task may take the place of one in the middle, because Redis finds that only by walking over half of the list.
    pub async fn delete(&self) -> Result<BulkResult> {
        Bulk::new(self, TaskChange::Delete, "delete")
            .change_all()
            .await
    }
}

/// One call for all the tasks of a selection.
struct Bulk<'s> {
    selection: &'s TaskSelection,
    change: TaskChange,
    /// What the call does, for errors.
    verb: &'static str,
    progress: BulkProgress,
    trimmed: u64,
}

impl<'s> Bulk<'s> {
    fn new(selection: &'s TaskSelection, change: TaskChange, verb: &'static str) -> Self {
        Self {
            selection,
            change,
            verb,
            progress: BulkProgress::default(),
            trimmed: 0,
        }
    }

    async fn change_all(mut self) -> Result<BulkResult> {
        let TaskSelection { state, queue, .. } = self.selection;
        if !self.change.states().contains(state) {
            let verb = self.verb;
            let text = format!("cannot {verb} the {state} tasks of queue {queue:?}");
            return Err(Error::invalid(text));
        }
        let keys = self.selection.begin().await?;
        let changed = match self.read(&keys).await {
            Ok(ids) if *state == TaskState::Pending => self.change_pending(&keys, ids).await,
            Ok(ids) => self.change_others(&keys, &ids).await,
            Err(error) => Err(error),
        };
        let BulkProgress {
            examined,
            matched,
            changed: count,
            ..
        } = self.progress;
        if let Err(error) = changed {
            let verb = self.verb;
            let text = format!(
                "{verb} the {state} tasks of queue {queue:?}: {error}; at least {count} tasks were changed"
            );
            let is_outage = error.is_outage();
            let error = Error::new(error.kind(), text).with_source(error);
            return Err(error.caused_by_outage(is_outage));
        }
        Ok(BulkResult {
            examined,
            matched,
            changed: count,
            trimmed: self.trimmed,
        })
    }

    /// The ids of all the tasks that match.
    async fn read(&mut self, keys: &QueueKeys) -> Result<Vec<FoundId>> {
        let mut matching = Vec::new();
        let take = |ids| matching.extend(ids);
        let all = self.selection.match_all(keys, &mut self.progress, take);
        all.await?;
        Ok(matching)
    }

    async fn change_others(&mut self, keys: &QueueKeys, ids: &[FoundId]) -> Result<()> {
        let size = match self.change {
            TaskChange::Archive => SMALL_STEP,
            _ => STEP,
        };
        for ids in ids.chunks(size) {
            self.change_part(keys, ids, 0).await?;
        }
        Ok(())
    }

    /// Reads where the tasks are in their list, and changes the newest first: so that they leave does not move the others.
    async fn change_pending(&mut self, keys: &QueueKeys, ids: Vec<FoundId>) -> Result<()> {
        let mut wanted: HashSet<PackedId> = ids.into_iter().map(|found| found.id).collect();
        for _ in 0..MOST_ROUNDS {
            let mut positions = Vec::with_capacity(wanted.len());
            let see = |id: &[u8], position| {
                if let Some(id) = wanted.take(&PackedId::new(id)) {
                    positions.push(FoundId {
                        id,
                        score: position,
                    });
                }
                !wanted.is_empty()
            };
            let broker = &self.selection.inspector.broker;
            broker.read_positions(keys, see).await?;
            // Who is not in the list is not pending any more.
            wanted.clear();
            let mut shift = 0;
            for positions in positions.chunks(SMALL_STEP) {
                let moved;
                (shift, moved) = self.change_part(keys, positions, shift).await?;
                wanted.extend(moved);
            }
            if wanted.is_empty() {
                return Ok(());
            }
        }
        let left = wanted.len();
        let text = format!("the list changes too fast to find {left} of its tasks");
        Err(Error::new(ErrorKind::Unavailable, text))
    }

    /// Changes these tasks; the score of a pending one is its position. Returns the new shift, and who is at
    /// another position.
    async fn change_part(
        &mut self,
        keys: &QueueKeys,
        part: &[FoundId],
        mut shift: i64,
    ) -> Result<(i64, Vec<PackedId>)> {
        let part = self.still_matching(keys, part).await?;
        let tasks = part
            .iter()
            .map(|found| (found.id.bytes(), Some(found.score)));
        let mut tasks: Vec<(Bytes, Option<i64>)> = tasks.collect();
        let mut moved = Vec::new();
        while !tasks.is_empty() {
            let (now, results) = self.step(keys, &tasks, shift).await?;
            shift = now;
            let mut postponed = Vec::new();
            for (task, result) in tasks.into_iter().zip(results) {
                match result {
                    TaskChanged::Postponed => postponed.push(task),
                    TaskChanged::Moved => moved.push(PackedId::new(&task.0)),
                    _ => {}
                }
            }
            tasks = postponed;
        }
        Ok((shift, moved))
    }

    /// Those of these tasks that match the filter now: it may be minutes since they were read.
    async fn still_matching(&self, keys: &QueueKeys, part: &[FoundId]) -> Result<Vec<FoundId>> {
        let TaskSelection {
            inspector,
            state,
            filter,
            ..
        } = self.selection;
        if filter.is_empty() {
            return Ok(part.to_vec());
        }
        let (mut left, mut matching) = (part, Vec::with_capacity(part.len()));
        while !left.is_empty() {
            let part = matching_ids(&inspector.broker, keys, *state, filter, left).await?;
            left = &left[part.examined as usize..];
            matching.extend(part.found);
        }
        Ok(matching)
    }

    async fn step(
        &mut self,
        keys: &QueueKeys,
        tasks: &[(Bytes, Option<i64>)],
        shift: i64,
    ) -> Result<(i64, Vec<TaskChanged>)> {
        let TaskSelection {
            inspector,
            state,
            group,
            ..
        } = self.selection;
        let tasks = TasksToChange {
            states: &[*state],
            group: group.as_deref(),
            tasks,
            shift,
        };
        let changed = inspector
            .broker
            .change_tasks(keys, self.change, &tasks)
            .await?;
        let is_changed = |result: &&TaskChanged| **result == TaskChanged::Yes;
        self.progress.changed += changed.tasks.iter().filter(is_changed).count() as u64;
        self.trimmed += changed.trimmed;
        self.selection.report(self.progress);
        Ok((changed.shift, changed.tasks))
    }
}
