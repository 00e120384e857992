//! Reads the ids of all tasks in a state, in bounded steps, while others change the lists.
//!
//! What shifts the ids that are not read yet is a removal in front of them. So each step begins a little before the
//! end of the one before. If it does not begin with what was read already, ids may have been shifted past it, and the
//! step is made again, further in front. Ids that are seen twice are dropped. All that were seen are kept for that, also
//! those of a sorted set: a task may run, fail, and come again with a higher score.
//!
//! An id that is a UUID takes up to 57 bytes in the set of those that were seen, and 32 in a list of ids.
//!
//! A list is read from the left, where ids are pushed. So no id that stays is ever left of one that was read before: an
//! id that was read could only come to its right through *active*, and to become active it must leave the
//! list at the right, after all others.

use std::cmp::Ordering;
use std::collections::{HashSet, VecDeque};

use super::packed_id::PackedId;
use crate::broker::{Broker, ListedId, Str, TaskPlace};
use crate::error::Result;
use crate::wire::{QueueKeys, TaskState};

/// How many ids of a list one step reads.
const LIST_STEP: i64 = 5_000;
/// How many ids of a sorted set one step reads.
const SET_STEP: i64 = 1_000;
/// How many groups one step reads at most. Together they have about as many ids as one step reads of a set.
const GROUPS_AT_ONCE: usize = 100;
/// A step begins this many ids before the end of the one before.
const OVERLAP: i64 = 100;

/// The id of a task, and where it is in its list or its sorted set.
#[derive(Clone, Debug)]
pub(super) struct FoundId {
    pub(super) id: PackedId,
    /// The score in whole seconds. In a list 0, or the position of a pending task once that is read.
    pub(super) score: i64,
}

/// Reads the ids of all tasks in a state.
///
/// An id that is there from the beginning to the end of the reading is read once, unless its score is lowered
/// meanwhile. Others may be read, but none twice.
pub(super) struct IdReader {
    broker: Broker,
    keys: QueueKeys,
    seen: HashSet<PackedId>,
    /// What is left to read.
    sets: VecDeque<SetWindow>,
    list: Option<TaskPlace>,
    /// Groups that were not looked at yet, with their sizes when the reading began.
    groups: VecDeque<(TaskPlace, u64)>,
    total: u64,
}

/// The next step in a sorted set.
struct SetWindow {
    place: TaskPlace,
    from: i64,
    /// How far to go in front if ids were shifted.
    back: i64,
    /// The last id of the step before.
    last: Option<ListedId>,
}

impl IdReader {
    /// Begins to read the tasks in a state; for aggregating tasks, those of one group or of all.
    pub(super) async fn begin(
        broker: Broker,
        keys: QueueKeys,
        state: TaskState,
        group: Option<&str>,
    ) -> Result<Self> {
        let mut reader = Self {
            broker,
            keys,
            seen: HashSet::new(),
            sets: VecDeque::new(),
            list: None,
            groups: VecDeque::new(),
            total: 0,
        };
        let places = places(&reader.broker, &reader.keys, state, group).await?;
        let sizes = reader.broker.place_sizes(&reader.keys, &places).await?;
        reader.total = sizes.iter().sum();
        for (place, size) in places.into_iter().zip(sizes) {
            match place {
                list if list.is_list() => reader.list = Some(list),
                TaskPlace::Group(_) => reader.groups.push_back((place, size)),
                set => reader.sets.push_back(SetWindow::new(set)),
            }
        }
        Ok(reader)
    }

    /// How many ids there were when the reading began.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// The next ids, in asynq's order: the task that is processed first comes first, and otherwise by ascending score,
    /// group by group. `None`: there are no more. The ids of a list come all at once.
    ///
    /// Cancel safety: if the future is dropped, ids may be lost.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<FoundId>>> {
        if let Some(list) = self.list.take() {
            let mut ids = self.read_list(&list).await?;
            ids.reverse();
            return Ok(Some(ids));
        }
        if let Some(window) = self.sets.pop_front() {
            return self.read_set(window).await.map(Some);
        }
        if !self.groups.is_empty() {
            return self.read_groups().await.map(Some);
        }
        Ok(None)
    }

    /// The ids of a list from the left.
    async fn read_list(&mut self, place: &TaskPlace) -> Result<Vec<FoundId>> {
        let expected = usize::try_from(self.total).unwrap_or_default();
        let mut found = Vec::with_capacity(expected);
        self.seen.reserve(expected);
        let (mut from, mut back) = (0, OVERLAP);
        loop {
            let ids = self.range(place, from, LIST_STEP).await?;
            let begins_with_known = |id: &ListedId| self.seen.contains(&PackedId::new(&id.id));
            if from > 0 && !ids.first().is_some_and(begins_with_known) {
                back *= 2;
                from = (from - back).max(0);
                continue;
            }
            back = OVERLAP;
            let len = ids.len() as i64;
            found.extend(self.unseen(ids));
            if len < LIST_STEP {
                // Nothing is read after a list.
                self.seen = HashSet::new();
                return Ok(found);
            }
            from += len - OVERLAP;
        }
    }

    /// The ids of one step in a sorted set. The next step comes next.
    async fn read_set(&mut self, mut window: SetWindow) -> Result<Vec<FoundId>> {
        loop {
            let ids = self.range(&window.place, window.from, SET_STEP).await?;
            if window.has_shifted(&ids) {
                window.back *= 2;
                window.from = (window.from - window.back).max(0);
                continue;
            }
            return Ok(self.take(window, ids));
        }
    }

    /// The ids of the next groups, as far as one step reads them.
    async fn read_groups(&mut self) -> Result<Vec<FoundId>> {
        let mut size = 0;
        let fits = |(_, group): &&(TaskPlace, u64)| {
            size += group;
            size <= SET_STEP as u64
        };
        let fitting = self.groups.iter().take(GROUPS_AT_ONCE).take_while(fits);
        let fitting = fitting.count().clamp(1, self.groups.len());
        let places: Vec<TaskPlace> = self.groups.drain(..fitting).map(|group| group.0).collect();
        let first = |place| (place, 0, SET_STEP - 1);
        let ranges: Vec<_> = places.iter().map(first).collect();
        let read = self.broker.listed_ids(&self.keys, &ranges).await?;
        let mut found = Vec::new();
        for (place, ids) in places.into_iter().zip(read) {
            found.extend(self.take(SetWindow::new(place), ids));
        }
        Ok(found)
    }

    /// Takes the ids of a step, and plans the next one unless this was the last.
    fn take(&mut self, mut window: SetWindow, ids: Vec<ListedId>) -> Vec<FoundId> {
        let len = ids.len() as i64;
        if len == SET_STEP {
            window.last = ids.last().cloned();
            window.from += len - OVERLAP;
            window.back = OVERLAP;
            self.sets.push_back(window);
        }
        self.unseen(ids)
    }

    fn unseen(&mut self, ids: Vec<ListedId>) -> Vec<FoundId> {
        let mut unseen = Vec::with_capacity(ids.len());
        for ListedId { id, score } in ids {
            let id = PackedId::new(&id);
            if self.seen.insert(id.clone()) {
                let score = score.unwrap_or_default() as i64;
                unseen.push(FoundId { id, score });
            }
        }
        unseen
    }

    async fn range(&self, place: &TaskPlace, from: i64, len: i64) -> Result<Vec<ListedId>> {
        let range = [(place, from, from + len - 1)];
        let ids = self.broker.listed_ids(&self.keys, &range).await?;
        Ok(ids.into_iter().next().unwrap_or_default())
    }
}

impl SetWindow {
    fn new(place: TaskPlace) -> Self {
        Self {
            place,
            from: 0,
            back: OVERLAP,
            last: None,
        }
    }

    /// Whether ids that were not read may be in front of these.
    fn has_shifted(&self, ids: &[ListedId]) -> bool {
        let (Some(last), true) = (&self.last, self.from > 0) else {
            return false;
        };
        ids.first().is_none_or(|first| order(first, last).is_gt())
    }
}

/// The order of a sorted set.
fn order(one: &ListedId, other: &ListedId) -> Ordering {
    let [a, b] = [one, other].map(|id| id.score.unwrap_or_default());
    a.total_cmp(&b).then_with(|| one.id.cmp(&other.id))
}

/// Where the tasks in a state are listed: aggregating tasks in the groups, sorted by name.
pub(super) async fn places(
    broker: &Broker,
    keys: &QueueKeys,
    state: TaskState,
    group: Option<&str>,
) -> Result<Vec<TaskPlace>> {
    Ok(match (state, group) {
        (TaskState::Aggregating, Some(group)) => vec![TaskPlace::Group(Str::from(group))],
        (TaskState::Aggregating, None) => {
            let names = broker.group_names(keys).await?;
            names.into_iter().map(TaskPlace::Group).collect()
        }
        (state, _) => vec![TaskPlace::State(state)],
    })
}
