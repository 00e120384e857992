//! Reads the tasks of a selection in bounded steps.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::filter::TaskFilter;
use super::ids::{FoundId, IdReader};
use super::listing::{FoundTask, time};
use crate::broker::Broker;
use crate::error::Result;
use crate::wire::{QueueKeys, TaskState};

/// How many ids one call asks for at most.
const ASKED_AT_ONCE: usize = 500;

/// Tasks that one step has found.
pub(super) struct Part {
    /// How many ids were looked at.
    pub(super) examined: u64,
    /// Those of them that are there and match.
    pub(super) found: Vec<FoundTask>,
}

/// The ids of the tasks that one step has found.
pub(super) struct IdPart {
    /// How many ids were looked at.
    pub(super) examined: u64,
    /// Those of them whose tasks are there and match.
    pub(super) found: Vec<FoundId>,
}

/// Reads the tasks in a state that match a filter.
pub(super) struct TaskReader {
    broker: Broker,
    keys: QueueKeys,
    state: TaskState,
    filter: Arc<TaskFilter>,
    ids: IdReader,
    /// Ids whose tasks are not read yet.
    unread: VecDeque<FoundId>,
}

impl TaskReader {
    pub(super) fn new(
        broker: Broker,
        keys: QueueKeys,
        state: TaskState,
        filter: Arc<TaskFilter>,
        ids: IdReader,
    ) -> Self {
        Self {
            broker,
            keys,
            state,
            filter,
            ids,
            unread: VecDeque::new(),
        }
    }

    /// How many ids there were when the reading began.
    pub(super) fn total(&self) -> u64 {
        self.ids.total()
    }

    /// The tasks of the next step. `None`: there are no more.
    ///
    /// Cancel safety: if the future is dropped, tasks may be lost.
    pub(super) async fn next_part(&mut self) -> Result<Option<Part>> {
        let Some(ids) = self.next_unread().await? else {
            return Ok(None);
        };
        let (broker, filter) = (&self.broker, &self.filter);
        let part = read_matching(broker, &self.keys, self.state, filter, &ids).await?;
        self.unread.drain(..part.examined as usize);
        Ok(Some(part))
    }

    /// The same, only the ids.
    pub(super) async fn next_ids(&mut self) -> Result<Option<IdPart>> {
        let Some(ids) = self.next_unread().await? else {
            return Ok(None);
        };
        let (broker, filter) = (&self.broker, &self.filter);
        let part = matching_ids(broker, &self.keys, self.state, filter, &ids).await?;
        self.unread.drain(..part.examined as usize);
        Ok(Some(part))
    }

    /// The next ids whose tasks are not read yet, as many as one step may read.
    async fn next_unread(&mut self) -> Result<Option<Vec<FoundId>>> {
        while self.unread.is_empty() {
            match self.ids.next().await? {
                Some(ids) => self.unread = ids.into(),
                None => return Ok(None),
            }
        }
        let next = self.unread.iter().take(ASKED_AT_ONCE).cloned();
        Ok(Some(next.collect()))
    }
}

/// The ids of those of these tasks that are there and match, as far as one step looks at them, but at least one is looked
/// at. Messages are read only if the filter has conditions.
pub(super) async fn matching_ids(
    broker: &Broker,
    keys: &QueueKeys,
    state: TaskState,
    filter: &TaskFilter,
    ids: &[FoundId],
) -> Result<IdPart> {
    if !filter.is_empty() {
        let Part { examined, found } = read_matching(broker, keys, state, filter, ids).await?;
        let found = found
            .into_iter()
            .map(|FoundTask { id, score, .. }| FoundId { id, score });
        return Ok(IdPart {
            examined,
            found: found.collect(),
        });
    }
    let ids = &ids[..ids.len().min(ASKED_AT_ONCE)];
    let asked: Vec<Bytes> = ids.iter().map(|found| found.id.bytes()).collect();
    let are_there = broker.are_in_state(keys, state, &asked).await?;
    let found = ids.iter().zip(are_there).filter(|(_, is_there)| *is_there);
    Ok(IdPart {
        examined: ids.len() as u64,
        found: found.map(|(id, _)| id.clone()).collect(),
    })
}

/// Reads these tasks, as far as one step reads them, but at least one.
async fn read_matching(
    broker: &Broker,
    keys: &QueueKeys,
    state: TaskState,
    filter: &TaskFilter,
    ids: &[FoundId],
) -> Result<Part> {
    let asked: Vec<Bytes> = ids.iter().map(|found| found.id.bytes()).collect();
    let part = broker.read_tasks(keys, Some(state), &asked).await?;
    let now = time(part.now).unwrap_or_default();
    let examined = part.tasks.len().min(ids.len());
    let tasks = ids.iter().zip(part.tasks);
    let tasks = tasks.filter_map(|(id, task)| Some((id.clone(), task?)));
    let queue = keys.queue();
    let described = tasks.map(|(id, task)| FoundTask::of(queue, state, id, task, part.now));
    Ok(Part {
        examined: examined as u64,
        found: described
            .filter(|task| filter.matches(&task.info, task.since, now))
            .collect(),
    })
}
