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
        while self.unread.is_empty() {
            match self.ids.next().await? {
                Some(ids) => self.unread = ids.into(),
                None => return Ok(None),
            }
        }
        let asked = self.unread.iter().take(ASKED_AT_ONCE).cloned();
        let asked: Vec<FoundId> = asked.collect();
        let (broker, filter) = (&self.broker, &self.filter);
        let part = read_matching(broker, &self.keys, self.state, filter, &asked).await?;
        self.unread.drain(..part.examined as usize);
        Ok(Some(part))
    }
}

/// Reads these tasks, as far as one step reads them, but at least one.
pub(super) async fn read_matching(
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
