//! What waits to be acknowledged: one list for each queue and kind of outcome. Pure: times are passed
//! in, and nothing here talks to Redis.

use std::collections::{HashMap, VecDeque};
use std::mem::{Discriminant, discriminant};

use tokio::time::Instant;

use crate::background::Backoff;
use crate::broker::{Acknowledgement, Outcome};
use crate::server::queues::ServedQueue;

/// The most tasks in one call.
pub(super) const MAX_BATCH: usize = 128;
/// How many calls of one list may be in flight at once.
const MAX_CALLS: usize = 2;
/// How many tasks must wait before a call is sent beside another one.
const LEAST_BESIDE: usize = 16;
/// The most done tasks that a fetch carries along. More would delay the fetch.
const MAX_FOR_FETCH: usize = 16;

/// A run, as far as its acknowledgement has to know it.
pub(super) trait WaitingRun {
    /// Its number in the order of the fetches.
    fn number(&self) -> u64;
    fn has_started(&self) -> bool;
}

/// Acknowledgements that wait for a call, or for the result of one.
pub(super) struct Waiting<R> {
    lists: HashMap<ListKey, List<R>>,
    /// How many fetches will be sent as soon as a slot is free.
    pub(super) expected_fetches: usize,
    /// How many prefetched runs have not started.
    pub(super) unstarted_runs: usize,
    /// No more tasks will be fetched.
    pub(super) fetching_has_ended: bool,
    /// No more acknowledgements will be added.
    pub(super) closing: bool,
}

/// The index of a queue, and the kind of outcome: what one script call can take.
type ListKey = (usize, Discriminant<Outcome>);

/// What waits for calls of one kind to one queue.
struct List<R> {
    queue: ServedQueue,
    waiting: VecDeque<(R, Acknowledgement)>,
    /// How many calls are in flight.
    calls: usize,
    /// After a failure: when the next call may be sent.
    not_before: Option<Instant>,
    backoff: Backoff,
    /// How many tasks one call may take. After a refusal it is one, so that a task which Redis
    /// refuses does not stop the others.
    batch_size: usize,
    /// Redis has refused the last call.
    refused: bool,
    /// An acknowledgement waits for which no fetch will come: its slot is not free yet, or is taken
    /// again.
    send_now: bool,
}

/// What one call takes: acknowledgements of one kind and one queue.
pub(super) struct Taken<R> {
    key: ListKey,
    pub(super) queue: ServedQueue,
    pub(super) runs: Vec<R>,
    pub(super) acknowledgements: Vec<Acknowledgement>,
}

/// What is to be sent.
pub(super) struct Due<R> {
    pub(super) batches: Vec<Taken<R>>,
    /// When a pause after a failure ends, if anything waits for that.
    pub(super) resume_at: Option<Instant>,
}

impl<R> Default for Waiting<R> {
    fn default() -> Self {
        Self {
            lists: HashMap::new(),
            expected_fetches: 0,
            unstarted_runs: 0,
            fetching_has_ended: false,
            closing: false,
        }
    }
}

impl<R: WaitingRun> Waiting<R> {
    /// Adds an acknowledgement. Returns whether the acknowledger must look at it: otherwise the next
    /// fetch will carry it. `frees_slot`: the slot of the run is free from now on.
    pub(super) fn add(
        &mut self,
        queue: &ServedQueue,
        run: R,
        ack: Acknowledgement,
        frees_slot: bool,
    ) -> bool {
        let key = (queue.index, discriminant(&ack.outcome));
        let list = self
            .lists
            .entry(key)
            .or_insert_with(|| List::new(queue.clone()));
        list.waiting.push_back((run, ack));
        list.send_now |= !frees_slot;
        !(self.expected_fetches > 0 && frees_slot && list.fits_a_fetch())
    }

    /// Whether Redis has refused the last call that took outcomes of this kind.
    pub(super) fn is_refused(&self, queue: &ServedQueue, outcome: &Outcome) -> bool {
        let list = self.lists.get(&(queue.index, discriminant(outcome)));
        list.is_some_and(|list| list.refused)
    }

    /// Everything that may be sent at this time.
    ///
    /// Requeued tasks, which a shutdown leaves, wait until no more of them can come, so that one call
    /// returns them in order: those that never started once no unstarted run is left, the others
    /// once no more acknowledgements will be added.
    pub(super) fn due(&mut self, now: Instant) -> Due<R> {
        let unstarted_are_complete = self.fetching_has_ended && self.unstarted_runs == 0;
        let mut due = Due {
            batches: Vec::new(),
            resume_at: None,
        };
        for (key, list) in &mut self.lists {
            let waits_for_fetch =
                self.expected_fetches > 0 && !list.send_now && list.fits_a_fetch();
            let is_incomplete = list.is_requeued()
                && !self.closing
                && !(unstarted_are_complete && list.has_only_unstarted());
            if waits_for_fetch || is_incomplete {
                continue;
            }
            list.order_requeued();
            while list.may_call() {
                if let Some(at) = list.not_before.filter(|at| *at > now) {
                    due.resume_at = Some(due.resume_at.map_or(at, |other| other.min(at)));
                    break;
                }
                due.batches.push(list.take(*key));
            }
        }
        due
    }

    /// What a fetch from a queue, given by its index, carries along.
    pub(super) fn take_for_fetch(&mut self, queue: usize) -> Option<Taken<R>> {
        let key = (queue, discriminant(&Outcome::Done { lock: None }));
        let list = self.lists.get_mut(&key)?;
        list.fits_a_fetch().then(|| list.take(key))
    }

    /// No fetch is expected for what waits now.
    pub(super) fn send_all_now(&mut self) {
        for list in self.lists.values_mut() {
            list.send_now |= !list.waiting.is_empty();
        }
    }

    /// Redis has confirmed a call.
    pub(super) fn confirmed(&mut self, taken: &Taken<R>) {
        if let Some(list) = self.lists.get_mut(&taken.key) {
            list.backoff.reset();
            list.refused = false;
            list.batch_size = (list.batch_size * 2).min(MAX_BATCH);
        }
    }

    /// A call has failed. Its acknowledgements wait again: in their old order if Redis did not answer,
    /// behind all others and one at a time if Redis has `refused` them.
    pub(super) fn failed(&mut self, taken: &mut Taken<R>, refused: bool, now: Instant) {
        let Some(list) = self.lists.get_mut(&taken.key) else {
            return;
        };
        list.not_before = Some(now + list.backoff.pause());
        if refused {
            list.refused = true;
            list.batch_size = 1;
            list.waiting.extend(taken.drain());
        } else {
            list.put_back(taken);
        }
    }

    /// A call is over. What it still has, because it was dropped without a result, waits again.
    pub(super) fn call_ended(&mut self, taken: &mut Taken<R>) {
        if let Some(list) = self.lists.get_mut(&taken.key) {
            list.calls -= 1;
            list.put_back(taken);
        }
    }

    /// How many acknowledgements wait.
    pub(super) fn count(&self) -> usize {
        self.lists.values().map(|list| list.waiting.len()).sum()
    }

    /// Whether nothing waits and no call is in flight.
    pub(super) fn is_empty(&self) -> bool {
        let mut lists = self.lists.values();
        lists.all(|list| list.waiting.is_empty() && list.calls == 0)
    }
}

impl<R: WaitingRun> List<R> {
    fn new(queue: ServedQueue) -> Self {
        Self {
            queue,
            waiting: VecDeque::new(),
            calls: 0,
            not_before: None,
            backoff: Backoff::new(),
            batch_size: MAX_BATCH,
            refused: false,
            send_now: false,
        }
    }

    /// Whether another call may be sent, apart from pauses.
    fn may_call(&self) -> bool {
        match self.calls {
            0 => !self.waiting.is_empty(),
            // Requeued tasks go in order, one call after the other.
            _ if self.is_requeued() => false,
            calls => calls < MAX_CALLS && self.waiting.len() >= LEAST_BESIDE.min(self.batch_size),
        }
    }

    /// Whether a fetch may carry what waits: few done tasks, while nothing is wrong.
    fn fits_a_fetch(&self) -> bool {
        let first = self.waiting.front().map(|(_, ack)| &ack.outcome);
        matches!(first, Some(Outcome::Done { .. }))
            && self.waiting.len() <= MAX_FOR_FETCH
            && !self.refused
            && self.not_before.is_none()
    }

    fn is_requeued(&self) -> bool {
        let first = self.waiting.front().map(|(_, ack)| &ack.outcome);
        matches!(first, Some(Outcome::Requeued))
    }

    fn has_only_unstarted(&self) -> bool {
        self.waiting.iter().all(|(run, _)| !run.has_started())
    }

    /// The newest requeued task goes first, so that the oldest one is next in line.
    fn order_requeued(&mut self) {
        if self.is_requeued() {
            let waiting = self.waiting.make_contiguous();
            waiting.sort_by_key(|(run, _)| std::cmp::Reverse(run.number()));
        }
    }

    fn take(&mut self, key: ListKey) -> Taken<R> {
        let size = self.waiting.len().min(self.batch_size);
        let (runs, acknowledgements) = self.waiting.drain(..size).unzip();
        self.calls += 1;
        self.not_before = None;
        self.send_now &= !self.waiting.is_empty();
        Taken {
            key,
            queue: self.queue.clone(),
            runs,
            acknowledgements,
        }
    }

    fn put_back(&mut self, taken: &mut Taken<R>) {
        for waiting in taken.drain().rev() {
            self.waiting.push_front(waiting);
        }
    }
}

impl<R> Taken<R> {
    fn drain(&mut self) -> impl DoubleEndedIterator<Item = (R, Acknowledgement)> + use<'_, R> {
        self.runs.drain(..).zip(self.acknowledgements.drain(..))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::broker::acknowledgement;
    use crate::clock;
    use crate::wire::QueueKeys;

    /// A run by its number. Runs below 100 have started.
    impl WaitingRun for u64 {
        fn number(&self) -> u64 {
            *self
        }

        fn has_started(&self) -> bool {
            *self < 100
        }
    }

    const DONE: Outcome = Outcome::Done { lock: None };

    fn queue(index: usize) -> ServedQueue {
        ServedQueue {
            keys: QueueKeys::new(&format!("q{index}")),
            index,
        }
    }

    fn waiting(outcome: &Outcome, runs: impl IntoIterator<Item = u64>) -> Waiting<u64> {
        let mut waiting = Waiting::default();
        add(&mut waiting, outcome, runs);
        waiting
    }

    fn expecting_a_fetch() -> Waiting<u64> {
        Waiting {
            expected_fetches: 1,
            ..Waiting::default()
        }
    }

    fn add(waiting: &mut Waiting<u64>, outcome: &Outcome, runs: impl IntoIterator<Item = u64>) {
        for run in runs {
            let ack = acknowledgement(&run.to_string(), outcome.clone());
            waiting.add(&queue(0), run, ack, true);
        }
    }

    fn due(waiting: &mut Waiting<u64>) -> Vec<Taken<u64>> {
        waiting.due(clock::monotonic()).batches
    }

    fn runs(batches: &[Taken<u64>]) -> Vec<Vec<u64>> {
        batches.iter().map(|taken| taken.runs.clone()).collect()
    }

    #[test]
    fn one_acknowledgement_goes_at_once() {
        let mut waiting = waiting(&DONE, [1]);
        assert_eq!(runs(&due(&mut waiting)), [[1]]);
        assert_eq!(waiting.count(), 0);
        assert!(!waiting.is_empty(), "its call is in flight");
    }

    #[test]
    fn a_second_call_goes_once_sixteen_wait_and_the_rest_joins_the_next_batch() {
        let mut waiting = waiting(&DONE, [1]);
        let mut first = due(&mut waiting);
        add(&mut waiting, &DONE, 2..17);
        assert!(due(&mut waiting).is_empty());
        add(&mut waiting, &DONE, [17]);
        assert_eq!(due(&mut waiting)[0].runs.len(), 16);
        add(&mut waiting, &DONE, 18..80);
        assert!(due(&mut waiting).is_empty(), "two calls are in flight");
        waiting.confirmed(&first[0]);
        first[0].drain().for_each(drop);
        waiting.call_ended(&mut first[0]);
        assert_eq!(due(&mut waiting)[0].runs.len(), 62);
    }

    #[test]
    fn a_call_takes_at_most_128_tasks() {
        let mut waiting = waiting(&DONE, 0..200);
        let sizes: Vec<_> = due(&mut waiting).iter().map(|t| t.runs.len()).collect();
        assert_eq!(sizes, [128, 72]);
    }

    #[test]
    fn outcomes_of_different_kinds_and_queues_go_in_calls_of_their_own() {
        let mut waiting = waiting(&DONE, [1]);
        add(&mut waiting, &Outcome::Deferred { at_unix_secs: 0 }, [2]);
        let locked = Outcome::Done {
            lock: Some("lock".to_owned()),
        };
        add(&mut waiting, &locked, [3]);
        waiting.add(&queue(1), 4, acknowledgement("4", DONE), true);
        let mut batches = runs(&due(&mut waiting));
        batches.sort();
        assert_eq!(batches, [vec![1, 3], vec![2], vec![4]]);
    }

    #[test]
    fn a_few_done_tasks_wait_for_an_expected_fetch() {
        let mut waiting = expecting_a_fetch();
        let ack = || acknowledgement("1", DONE);
        assert!(!waiting.add(&queue(0), 1, ack(), true));
        assert!(due(&mut waiting).is_empty());
        let taken = waiting.take_for_fetch(0).expect("it fits");
        assert_eq!(taken.runs, [1]);
        assert!(waiting.take_for_fetch(0).is_none());
        assert!(waiting.take_for_fetch(1).is_none());
    }

    #[test]
    fn what_no_fetch_will_carry_goes_at_once() {
        let mut waiting = expecting_a_fetch();
        let ack = || acknowledgement("1", DONE);
        // Its slot is not free, so no fetch will come for it.
        assert!(waiting.add(&queue(0), 1, ack(), false));
        assert_eq!(runs(&due(&mut waiting)), [[1]]);
        // A fetch carries sixteen at the most.
        add(&mut waiting, &DONE, 2..19);
        assert!(waiting.take_for_fetch(0).is_none());
        assert_eq!(due(&mut waiting)[0].runs.len(), 17);
    }

    #[test]
    fn what_an_expected_fetch_left_behind_goes_at_once() {
        let mut waiting = expecting_a_fetch();
        add(&mut waiting, &DONE, [1]);
        assert!(due(&mut waiting).is_empty());
        waiting.send_all_now();
        assert_eq!(runs(&due(&mut waiting)), [[1]]);
    }

    #[test]
    fn without_an_answer_the_order_is_kept_and_the_next_call_waits() {
        let mut waiting = waiting(&DONE, [1, 2, 3]);
        let mut batches = due(&mut waiting);
        add(&mut waiting, &DONE, [4]);
        let now = clock::monotonic();
        waiting.failed(&mut batches[0], false, now);
        waiting.call_ended(&mut batches[0]);
        let Due { batches, resume_at } = waiting.due(now);
        assert!(batches.is_empty());
        let resume_at = resume_at.expect("a pause");
        assert!(resume_at - now < Duration::from_millis(130));
        let batches = waiting.due(resume_at).batches;
        assert_eq!(runs(&batches), [[1, 2, 3, 4]]);
    }

    #[test]
    fn refused_tasks_go_last_and_one_at_a_time_until_a_call_succeeds() {
        let mut waiting = waiting(&DONE, [1, 2]);
        let mut batches = due(&mut waiting);
        add(&mut waiting, &DONE, [3]);
        assert!(!waiting.is_refused(&queue(0), &DONE));
        let now = clock::monotonic();
        waiting.failed(&mut batches[0], true, now);
        waiting.call_ended(&mut batches[0]);
        assert!(waiting.is_refused(&queue(0), &DONE));
        let later = now + Duration::from_secs(1);
        let mut batches = waiting.due(later).batches;
        assert_eq!(runs(&batches), [[3], [1]]);
        for taken in &mut batches {
            taken.drain().for_each(drop);
            waiting.confirmed(taken);
            waiting.call_ended(taken);
        }
        assert!(!waiting.is_refused(&queue(0), &DONE));
        assert_eq!(runs(&waiting.due(later).batches), [[2]]);
    }

    #[test]
    fn a_call_that_was_dropped_leaves_its_tasks_waiting() {
        let mut waiting = waiting(&DONE, [1, 2]);
        let mut batches = due(&mut waiting);
        waiting.call_ended(&mut batches[0]);
        assert_eq!(runs(&due(&mut waiting)), [[1, 2]]);
    }

    #[test]
    fn requeued_tasks_go_in_one_order_when_no_more_can_come() {
        let mut waiting = waiting(&Outcome::Requeued, [3, 9, 5]);
        assert!(due(&mut waiting).is_empty());
        waiting.fetching_has_ended = true;
        assert!(due(&mut waiting).is_empty(), "more runs may be aborted");
        waiting.closing = true;
        assert_eq!(runs(&due(&mut waiting)), [[9, 5, 3]]);
    }

    #[test]
    fn unstarted_tasks_are_requeued_once_none_of_them_is_left_to_come() {
        let mut waiting = waiting(&Outcome::Requeued, [101, 102]);
        waiting.fetching_has_ended = true;
        waiting.unstarted_runs = 1;
        assert!(due(&mut waiting).is_empty());
        add(&mut waiting, &Outcome::Requeued, [103]);
        waiting.unstarted_runs = 0;
        assert_eq!(runs(&due(&mut waiting)), [[103, 102, 101]]);
    }
}
