//! What has ended and Redis has yet to be told of: one lane for each queue and kind of ending.
//!
//! Two take from it: the syncer, whose calls tell nothing else, and the processor, whose fetches take
//! a few along.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::policy::Settlement;
use super::runs::{Run, Runs};
use super::service::Backoff;
use super::wakeups::Wakeups;
use crate::broker::{Done, LaterState};
use crate::error::{Error, Result};
use crate::wire::QueueKeys;

/// The most tasks in one call.
pub(super) const GROUP: usize = 128;
/// How many calls of one lane are under way at once.
const CALLS_PER_LANE: usize = 2;
/// How many have to wait for a call beside another one.
const LEAST_BESIDE: usize = 16;
/// So many are better told by the fetch that comes next than by a call of their own. More would hold the
/// fetch up.
const FEW: usize = 16;

/// A run that has ended, and what Redis is to be told.
type Ended = (Arc<Run>, Settlement);

pub(super) struct Endings {
    runs: Arc<Runs>,
    wakeups: Arc<Wakeups>,
    state: Mutex<State>,
    /// For the syncer: a call may be possible that was not.
    changed: Notify,
}

#[derive(Default)]
struct State {
    lanes: HashMap<LaneKey, Lane>,
    /// How many wait in all of them.
    waiting: usize,
    /// How many fetches go as soon as a slot is free, or are about to go.
    holds: usize,
    /// How many runs wait for their turn to begin.
    in_line: usize,
    /// No more runs can come.
    fetching_is_over: bool,
    /// No more runs can end.
    closed: bool,
}

/// While it lives, a run waits for its turn.
pub(super) struct InLine(Arc<Endings>);

/// Where ended runs come in. When it is dropped, no more can end.
pub(super) struct Inlet(Arc<Endings>);

/// What one script call can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Done,
    Completed,
    Retry,
    Scheduled,
    Archived,
    Requeued,
}

/// A queue, by its index, and a kind.
type LaneKey = (usize, Kind);

/// What waits for one kind of call to one queue.
struct Lane {
    queue: QueueKeys,
    waiting: VecDeque<Ended>,
    calls: usize,
    /// After a failure: when to go on.
    not_before: Option<Instant>,
    /// How many may go in one call: just one after Redis has refused some, so that one that is
    /// refused does not hold up the others.
    group: usize,
    /// Redis has refused the last call.
    refusing: bool,
    /// One that waits sets off no fetch: its slot is not free yet, or was for another queue.
    hurries: bool,
    backoff: Backoff,
}

/// What one call tells: some that wait in one lane. Dropped before it is known how the call went, they
/// wait again.
pub(super) struct Group<'e> {
    endings: &'e Endings,
    lane: LaneKey,
    pub(super) queue: QueueKeys,
    runs: Vec<Arc<Run>>,
    ends: Vec<Settlement>,
}

/// What the syncer has to do next.
pub(super) struct Due<'e> {
    pub(super) calls: Vec<Group<'e>>,
    /// When there will be more, if that is for time to tell.
    pub(super) resume_at: Option<Instant>,
    /// Everything is told, and no more can come.
    pub(super) is_over: bool,
}

/// While it lives, few endings wait for the fetch that takes them along.
pub(super) struct Hold<'e>(&'e Endings);

impl Endings {
    pub(super) fn new(runs: Arc<Runs>, wakeups: Arc<Wakeups>) -> (Arc<Self>, Inlet) {
        let endings = Arc::new(Self {
            runs,
            wakeups,
            state: Mutex::default(),
            changed: Notify::new(),
        });
        let inlet = Inlet(Arc::clone(&endings));
        (endings, inlet)
    }

    /// How many runs wait for a call.
    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting
    }

    /// Waits until a call may be possible that was not.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// No more runs can come.
    pub(super) fn fetching_is_over(&self) {
        self.lock().fetching_is_over = true;
        self.tell_syncer();
    }

    /// Every call that may be made now. What is given back, as a shutdown does to the last runs, waits
    /// until no more can come; what has never begun, until no more of that kind can.
    pub(super) fn due(&self) -> Due<'_> {
        let now = Instant::now();
        let mut state = self.lock();
        let State {
            lanes,
            waiting,
            holds,
            in_line,
            fetching_is_over,
            closed,
        } = &mut *state;
        let all_wait_no_more = *fetching_is_over && *in_line == 0;
        let mut due = Due {
            calls: Vec::new(),
            resume_at: None,
            is_over: *closed,
        };
        for (key, lane) in lanes {
            let kind = key.1;
            due.is_over &= lane.waiting.is_empty() && lane.calls == 0;
            let goes_along = *holds > 0 && !lane.hurries && lane.may_go_along(kind);
            let more_may_come =
                kind == Kind::Requeued && !*closed && !(all_wait_no_more && lane.has_never_begun());
            if goes_along || more_may_come {
                continue;
            }
            if kind == Kind::Requeued {
                // given back in one order: the newest first, so that the oldest is next in line
                let waiting = lane.waiting.make_contiguous();
                waiting.sort_by_key(|(run, _)| std::cmp::Reverse(run.number));
            }
            while lane.may_call(kind.calls_at_once()) {
                if let Some(at) = lane.not_before.filter(|at| *at > now) {
                    due.resume_at = Some(due.resume_at.map_or(at, |other| other.min(at)));
                    break;
                }
                due.calls.push(self.take(*key, lane, waiting));
            }
        }
        due
    }

    /// Makes few endings wait for a fetch that goes as soon as a slot is free, or is about to go.
    pub(super) fn hold(&self) -> Hold<'_> {
        self.lock().holds += 1;
        Hold(self)
    }

    /// What a fetch from a queue, by its index, takes along.
    pub(super) fn take_few(&self, queue: usize) -> Option<Group<'_>> {
        let mut state = self.lock();
        let State { lanes, waiting, .. } = &mut *state;
        let key = (queue, Kind::Done);
        let lane = lanes.get_mut(&key)?;
        lane.may_go_along(key.1)
            .then(|| self.take(key, lane, waiting))
    }

    fn take(&self, key: LaneKey, lane: &mut Lane, waiting: &mut usize) -> Group<'_> {
        let size = lane.waiting.len().min(lane.group);
        *waiting -= size;
        let (runs, mut ends): (Vec<Arc<Run>>, Vec<Settlement>) = lane.waiting.drain(..size).unzip();
        lane.calls += 1;
        lane.not_before = None;
        lane.hurries &= !lane.waiting.is_empty();
        for (run, end) in runs.iter().zip(&mut ends) {
            // takes note of a lease that ended while the task waited
            let claim = end.claim_mut();
            if claim.original.is_none() {
                *claim = run.claim();
            }
        }
        Group {
            endings: self,
            lane: key,
            queue: lane.queue.clone(),
            runs,
            ends,
        }
    }

    /// Lets the syncer look again, if there is anything to see.
    fn tell_syncer(&self) {
        let state = self.lock();
        if state.closed || state.waiting > 0 {
            self.changed.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inlet {
    /// A run begins to wait for its turn.
    pub(super) fn line_up(&self) -> InLine {
        self.0.lock().in_line += 1;
        InLine(Arc::clone(&self.0))
    }

    /// Takes in how a run has ended. `frees_slot`: its slot becomes free right now.
    pub(super) fn ended(&self, run: Arc<Run>, settlement: Settlement, frees_slot: bool) {
        let Endings { runs, wakeups, .. } = &*self.0;
        let mut state = self.0.lock();
        let State {
            lanes,
            waiting,
            holds,
            ..
        } = &mut *state;
        let held = *holds > 0;
        let kind = Kind::of(&settlement);
        let lane = lanes
            .entry((run.queue_index, kind))
            .or_insert_with(|| Lane::new(run.queue.clone()));
        if lane.refusing {
            // it will wait like the others
            runs.set_refused(&run, wakeups);
        }
        lane.waiting.push_back((run, settlement));
        *waiting += 1;
        lane.hurries |= !frees_slot;
        if !(held && frees_slot && lane.may_go_along(kind)) {
            self.0.changed.notify_one();
        }
    }
}

impl Drop for InLine {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.in_line -= 1;
        let tell = state.in_line == 0 && state.fetching_is_over;
        drop(state);
        if tell {
            self.0.tell_syncer();
        }
    }
}

impl Drop for Inlet {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.changed.notify_one();
    }
}

impl Group<'_> {
    pub(super) fn kind(&self) -> Kind {
        self.lane.1
    }

    /// The members, all of which are of one kind.
    pub(super) fn all<T>(&self, pick: impl Fn(&Settlement) -> Option<&T>) -> Vec<&T> {
        self.ends.iter().filter_map(pick).collect()
    }

    /// The members of a group of kind [`Done`](Kind::Done).
    pub(super) fn done(&self) -> Vec<&Done> {
        self.all(|end| match end {
            Settlement::Done(end) => Some(end),
            _ => None,
        })
    }

    /// Where in `active` the members are supposed to be, as [`Runs::stretch`] has it.
    pub(super) fn stretch(&self) -> i64 {
        self.endings.runs.stretch(&self.runs)
    }

    /// Redis was told, or has refused it.
    pub(super) fn told(self, held: Result<Vec<bool>>) {
        match held {
            Ok(held) => self.confirm(&held),
            Err(error) => self.failed(&error),
        }
    }

    /// For each, whether it was held.
    fn confirm(mut self, held: &[bool]) {
        let Endings { runs, wakeups, .. } = self.endings;
        let told = std::mem::take(&mut self.runs);
        for (run, _) in told.iter().zip(held).filter(|(_, held)| !**held) {
            tracing::warn!(
                task_id = &*run.id,
                queue = run.message.queue,
                "the task was no longer held when its run ended: another has it, it is gone, or this was told before"
            );
        }
        runs.forget(&told, wakeups);
        self.back_to_lane(|lane, _| {
            lane.backoff.reset();
            lane.refusing = false;
            lane.group = (lane.group * 2).min(GROUP);
        });
    }

    /// The call failed: it will be made again.
    pub(super) fn failed(mut self, error: &Error) {
        let Endings { runs, wakeups, .. } = self.endings;
        tracing::warn!(
            queue = self.queue.queue(),
            tasks = self.runs.len(),
            %error,
            "could not tell Redis how tasks ended, will be tried again"
        );
        let refused = !error.is_transient();
        if refused {
            for run in &self.runs {
                runs.set_refused(run, wakeups);
            }
        }
        let again = self.take_members();
        self.back_to_lane(|lane, waiting| {
            lane.not_before = Some(Instant::now() + lane.backoff.pause());
            if refused {
                // behind the others, one at a time
                lane.group = 1;
                lane.refusing = true;
                *waiting += again.len();
                lane.waiting.extend(again);
            } else {
                lane.put_back(again, waiting);
            }
        });
    }

    fn take_members(&mut self) -> Vec<Ended> {
        let runs = std::mem::take(&mut self.runs);
        runs.into_iter().zip(self.ends.drain(..)).collect()
    }

    fn back_to_lane(&self, change: impl FnOnce(&mut Lane, &mut usize)) {
        let mut state = self.endings.lock();
        let State { lanes, waiting, .. } = &mut *state;
        if let Some(lane) = lanes.get_mut(&self.lane) {
            change(lane, waiting);
        }
    }
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        // empty if it is known how the call went
        let again = self.take_members();
        self.back_to_lane(|lane, waiting| {
            lane.calls -= 1;
            lane.put_back(again, waiting);
        });
        self.endings.tell_syncer();
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.holds -= 1;
        if state.waiting > 0 {
            // what the fetch has not taken along waits for no other one: its slot is gone
            for lane in state.lanes.values_mut() {
                lane.hurries |= !lane.waiting.is_empty();
            }
        }
        drop(state);
        self.0.tell_syncer();
    }
}

impl Kind {
    fn calls_at_once(self) -> usize {
        match self {
            // their order counts
            Self::Requeued => 1,
            _ => CALLS_PER_LANE,
        }
    }

    fn of(settlement: &Settlement) -> Self {
        match settlement {
            Settlement::Done(_) => Self::Done,
            Settlement::Completed(_) => Self::Completed,
            Settlement::Later(LaterState::Retry, _) => Self::Retry,
            Settlement::Later(LaterState::Scheduled, _) => Self::Scheduled,
            Settlement::Archive(_) => Self::Archived,
            Settlement::Requeue(_) => Self::Requeued,
        }
    }
}

impl Lane {
    fn new(queue: QueueKeys) -> Self {
        Self {
            queue,
            waiting: VecDeque::new(),
            calls: 0,
            not_before: None,
            group: GROUP,
            refusing: false,
            hurries: false,
            backoff: Backoff::new(),
        }
    }

    fn may_call(&self, at_once: usize) -> bool {
        match self.calls {
            0 => !self.waiting.is_empty(),
            calls => calls < at_once && self.waiting.len() >= LEAST_BESIDE.min(self.group),
        }
    }

    fn may_go_along(&self, kind: Kind) -> bool {
        kind == Kind::Done
            && (1..=FEW).contains(&self.waiting.len())
            && !self.refusing
            && self.not_before.is_none()
    }

    fn has_never_begun(&self) -> bool {
        self.waiting.iter().all(|(run, _)| run.began().is_none())
    }

    fn put_back(&mut self, members: Vec<Ended>, waiting: &mut usize) {
        *waiting += members.len();
        for ended in members.into_iter().rev() {
            self.waiting.push_front(ended);
        }
    }
}
