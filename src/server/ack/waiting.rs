//! The acknowledgements that wait: one list for each queue and kind of outcome. No I/O: times are passed
//! in.

use std::collections::{HashMap, VecDeque};
use std::mem::{Discriminant, discriminant};

use tokio::time::Instant;

use crate::background::{Backoff, ToldFailures};
use crate::broker::{Acknowledgement, Outcome};
use crate::error::Error;
use crate::server::queues::ServedQueue;

/// The most tasks in one call.
pub(super) const MAX_BATCH: usize = 128;
/// How many calls of one list may be in flight at once.
const MAX_CALLS: usize = 2;
/// How many tasks must wait before a second call is sent beside the first.
const LEAST_BESIDE: usize = 16;
/// How many done tasks a fetch carries at most. More would delay the fetch.
const MAX_FOR_FETCH: usize = 16;

/// What a waiting list must know of a run.
pub(super) trait WaitingRun {
    fn queue(&self) -> &ServedQueue;
    /// Its number, in the order in which the tasks arrived.
    fn number(&self) -> u64;
    fn has_started(&self) -> bool;
}

/// Acknowledgements that wait for a call.
pub(super) struct WaitingLists<R> {
    lists: HashMap<ListKey, List<R>>,
    /// The lists whose calls fail.
    told: ToldFailures<ListKey>,
    /// How many expected sweeps have not yet taken the acknowledgements that they carry.
    expected_sweeps: usize,
    /// How many unstarted runs there are, without those whose acknowledgement waits.
    unstarted_runs: usize,
    /// No more tasks will be fetched.
    fetching_has_ended: bool,
    /// No more acknowledgements will be added.
    closing: bool,
}

/// The index of a queue, and the kind of outcome: what one script call can take.
type ListKey = (usize, Discriminant<Outcome>);

/// What waits for calls with outcomes of one kind to one queue.
struct List<R> {
    queue: ServedQueue,
    entries: VecDeque<(R, Acknowledgement)>,
    /// How many calls are in flight.
    calls: usize,
    /// After a failure: when the next call may be sent.
    not_before: Option<Instant>,
    backoff: Backoff,
    /// How many tasks one call may take. After a refusal it is one, so that a task which Redis
    /// refuses does not stop the others.
    batch_size: usize,
    /// Redis has refused a call, and has confirmed none since then.
    refused: bool,
    /// At least one acknowledgement must not wait for a fetch: the slot of its run is not free, or the
    /// expected sweep has started without it.
    send_now: bool,
}

/// The acknowledgements of one call: outcomes of one kind and one queue.
pub(super) struct TakenBatch<R> {
    key: ListKey,
    pub(super) queue: ServedQueue,
    pub(super) runs: Vec<R>,
    pub(super) acknowledgements: Vec<Acknowledgement>,
}

/// What is known of an acknowledgement that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Added {
    /// The acknowledger must be woken. Otherwise the acknowledgement waits for the next sweep.
    pub(super) must_be_sent: bool,
    /// Redis has refused a call of its list, and has confirmed none since then.
    pub(super) joins_refused: bool,
}

/// What can be sent.
pub(super) struct Due<R> {
    pub(super) batches: Vec<TakenBatch<R>>,
    /// When a pause after a failure ends, if anything waits for that.
    pub(super) resume_at: Option<Instant>,
}

impl<R> Default for WaitingLists<R> {
    fn default() -> Self {
        Self {
            lists: HashMap::new(),
            told: ToldFailures::default(),
            expected_sweeps: 0,
            unstarted_runs: 0,
            fetching_has_ended: false,
            closing: false,
        }
    }
}

impl<R: WaitingRun> WaitingLists<R> {
    /// Adds an acknowledgement. `frees_slot`: the caller will free the slot of the run at once.
    pub(super) fn add(&mut self, run: R, ack: Acknowledgement, frees_slot: bool) -> Added {
        let key = (run.queue().index, discriminant(&ack.outcome));
        let list = self
            .lists
            .entry(key)
            .or_insert_with(|| List::new(run.queue().clone()));
        list.entries.push_back((run, ack));
        list.send_now |= !frees_slot;
        Added {
            must_be_sent: !(self.expected_sweeps > 0 && frees_slot && list.fits_a_fetch()),
            joins_refused: list.refused,
        }
    }

    /// The caller will start a sweep as soon as one more slot is free. Until then, a few acknowledgements of
    /// done tasks wait for that sweep.
    pub(super) fn sweep_expected(&mut self) {
        self.expected_sweeps += 1;
    }

    /// An expected sweep has started, or is no longer expected. What waits now must not wait for it.
    pub(super) fn expectation_ended(&mut self) {
        self.expected_sweeps -= 1;
        for list in self.lists.values_mut() {
            list.send_now |= !list.entries.is_empty();
        }
    }

    /// The run of a prefetched task waits for its permit to run.
    pub(super) fn unstarted_run_added(&mut self) {
        self.unstarted_runs += 1;
    }

    /// The run of a prefetched task has started, or its acknowledgement waits. Returns whether no unstarted
    /// run is left and none can come.
    pub(super) fn unstarted_run_removed(&mut self) -> bool {
        self.unstarted_runs -= 1;
        self.unstarted_runs == 0 && self.fetching_has_ended
    }

    /// No more tasks will be fetched.
    pub(super) fn fetching_ended(&mut self) {
        self.fetching_has_ended = true;
    }

    /// No more acknowledgements will be added.
    pub(super) fn close(&mut self) {
        self.closing = true;
    }

    /// Whether the acknowledger must be woken: something waits, or no more acknowledgements will be added.
    pub(super) fn needs_attention(&self) -> bool {
        self.closing || self.count() > 0
    }

    /// Takes everything that can be sent at this time.
    ///
    /// Requeued tasks wait until no more of them can come, so that they return to *pending* in their old
    /// order:
    ///
    /// - If none of them is of a run that had started: until fetching has ended, and every prefetched run has
    ///   started, or its acknowledgement waits.
    /// - If one of them is of a run that had started: until no more acknowledgements will be added.
    pub(super) fn take_due(&mut self, now: Instant) -> Due<R> {
        let unstarted_are_complete = self.fetching_has_ended && self.unstarted_runs == 0;
        let mut due = Due {
            batches: Vec::new(),
            resume_at: None,
        };
        for (key, list) in &mut self.lists {
            let waits_for_fetch = self.expected_sweeps > 0 && !list.send_now && list.fits_a_fetch();
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

    /// Takes the acknowledgements that a fetch from a queue carries. `queue` is its index.
    pub(super) fn take_for_fetch(&mut self, queue: usize) -> Option<TakenBatch<R>> {
        let key = (queue, discriminant(&Outcome::Done { lock: None }));
        let list = self.lists.get_mut(&key)?;
        list.fits_a_fetch().then(|| list.take(key))
    }

    /// Redis has confirmed a call.
    pub(super) fn confirmed(&mut self, taken: &TakenBatch<R>) {
        self.told.succeeded(&taken.key);
        if let Some(list) = self.lists.get_mut(&taken.key) {
            list.backoff.reset();
            list.refused = false;
            list.batch_size = (list.batch_size * 2).min(MAX_BATCH);
        }
    }

    /// Whether the log should warn of this failure of a call.
    pub(super) fn is_news(&mut self, taken: &TakenBatch<R>, error: &Error) -> bool {
        self.told.failed(taken.key, error)
    }

    /// A call has failed, and its acknowledgements wait again. If Redis did not answer, they keep their old
    /// order. If Redis has `refused` them, they wait behind all others, and each call takes one task.
    pub(super) fn failed(&mut self, taken: &mut TakenBatch<R>, refused: bool, now: Instant) {
        let Some(list) = self.lists.get_mut(&taken.key) else {
            return;
        };
        list.not_before = Some(now + list.backoff.pause());
        if refused {
            list.refused = true;
            list.batch_size = 1;
            list.entries.extend(taken.drain());
        } else {
            list.put_back(taken);
        }
    }

    /// A call is over. If it was dropped without a result, its acknowledgements wait again.
    pub(super) fn call_ended(&mut self, taken: &mut TakenBatch<R>) {
        if let Some(list) = self.lists.get_mut(&taken.key) {
            list.calls -= 1;
            list.put_back(taken);
        }
    }

    /// How many acknowledgements wait.
    pub(super) fn count(&self) -> usize {
        self.lists.values().map(|list| list.entries.len()).sum()
    }

    /// Whether nothing waits and no call is in flight.
    pub(super) fn is_empty(&self) -> bool {
        let mut lists = self.lists.values();
        lists.all(|list| list.entries.is_empty() && list.calls == 0)
    }
}

impl<R: WaitingRun> List<R> {
    fn new(queue: ServedQueue) -> Self {
        Self {
            queue,
            entries: VecDeque::new(),
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
            0 => !self.entries.is_empty(),
            // Requeued tasks are sent in order, one call after the other.
            _ if self.is_requeued() => false,
            calls => calls < MAX_CALLS && self.entries.len() >= LEAST_BESIDE.min(self.batch_size),
        }
    }

    /// Whether a fetch may carry what waits:
    ///
    /// - At most 16 done tasks wait.
    /// - The list does not pause after a failure.
    /// - Redis has refused no call of the list since it last confirmed one.
    fn fits_a_fetch(&self) -> bool {
        let first = self.entries.front().map(|(_, ack)| &ack.outcome);
        matches!(first, Some(Outcome::Done { .. }))
            && self.entries.len() <= MAX_FOR_FETCH
            && !self.refused
            && self.not_before.is_none()
    }

    fn is_requeued(&self) -> bool {
        let first = self.entries.front().map(|(_, ack)| &ack.outcome);
        matches!(first, Some(Outcome::Requeued))
    }

    fn has_only_unstarted(&self) -> bool {
        self.entries.iter().all(|(run, _)| !run.has_started())
    }

    /// The newest requeued task is sent first, so that the oldest one is next in line.
    fn order_requeued(&mut self) {
        if self.is_requeued() {
            let entries = self.entries.make_contiguous();
            entries.sort_by_key(|(run, _)| std::cmp::Reverse(run.number()));
        }
    }

    fn take(&mut self, key: ListKey) -> TakenBatch<R> {
        let size = self.entries.len().min(self.batch_size);
        let (runs, acknowledgements) = self.entries.drain(..size).unzip();
        self.calls += 1;
        self.not_before = None;
        self.send_now &= !self.entries.is_empty();
        TakenBatch {
            key,
            queue: self.queue.clone(),
            runs,
            acknowledgements,
        }
    }

    fn put_back(&mut self, taken: &mut TakenBatch<R>) {
        for entry in taken.drain().rev() {
            self.entries.push_front(entry);
        }
    }
}

impl<R> TakenBatch<R> {
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

    #[derive(Clone, Debug)]
    struct FakeRun {
        number: u64,
        queue: ServedQueue,
    }

    impl WaitingRun for FakeRun {
        fn queue(&self) -> &ServedQueue {
            &self.queue
        }

        fn number(&self) -> u64 {
            self.number
        }

        /// Runs below 100 have started.
        fn has_started(&self) -> bool {
            self.number < 100
        }
    }

    const DONE: Outcome = Outcome::Done { lock: None };

    fn run(index: usize, number: u64) -> FakeRun {
        let keys = QueueKeys::new(&format!("q{index}"));
        let queue = ServedQueue::new(keys, index);
        FakeRun { number, queue }
    }

    fn waiting(outcome: &Outcome, runs: impl IntoIterator<Item = u64>) -> WaitingLists<FakeRun> {
        let mut waiting = WaitingLists::default();
        add(&mut waiting, outcome, runs);
        waiting
    }

    fn expecting_a_sweep() -> WaitingLists<FakeRun> {
        let mut waiting = WaitingLists::default();
        waiting.sweep_expected();
        waiting
    }

    fn add(
        waiting: &mut WaitingLists<FakeRun>,
        outcome: &Outcome,
        runs: impl IntoIterator<Item = u64>,
    ) {
        for number in runs {
            add_to(waiting, 0, number, outcome, true);
        }
    }

    fn add_to(
        waiting: &mut WaitingLists<FakeRun>,
        queue: usize,
        number: u64,
        outcome: &Outcome,
        frees_slot: bool,
    ) -> Added {
        let ack = acknowledgement(&number.to_string(), outcome.clone());
        waiting.add(run(queue, number), ack, frees_slot)
    }

    fn due(waiting: &mut WaitingLists<FakeRun>) -> Vec<TakenBatch<FakeRun>> {
        waiting.take_due(clock::monotonic()).batches
    }

    fn runs(batches: &[TakenBatch<FakeRun>]) -> Vec<Vec<u64>> {
        let numbers =
            |taken: &TakenBatch<FakeRun>| taken.runs.iter().map(|run| run.number).collect();
        batches.iter().map(numbers).collect()
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
        add(
            &mut waiting,
            &Outcome::Deferred {
                delay: Duration::ZERO,
            },
            [2],
        );
        let locked = Outcome::Done {
            lock: Some("lock".to_owned()),
        };
        add(&mut waiting, &locked, [3]);
        add_to(&mut waiting, 1, 4, &DONE, true);
        let mut batches = runs(&due(&mut waiting));
        batches.sort();
        assert_eq!(batches, [vec![1, 3], vec![2], vec![4]]);
    }

    #[test]
    fn a_few_done_tasks_wait_for_an_expected_sweep() {
        let mut waiting = expecting_a_sweep();
        assert!(!add_to(&mut waiting, 0, 1, &DONE, true).must_be_sent);
        assert!(due(&mut waiting).is_empty());
        let taken = waiting.take_for_fetch(0).expect("it fits");
        assert_eq!(runs(&[taken]), [[1]]);
        assert!(waiting.take_for_fetch(0).is_none());
        assert!(waiting.take_for_fetch(1).is_none());
    }

    #[test]
    fn what_no_fetch_will_carry_goes_at_once() {
        let mut waiting = expecting_a_sweep();
        // Its slot is not free, so no fetch will come for it.
        assert!(add_to(&mut waiting, 0, 1, &DONE, false).must_be_sent);
        assert_eq!(runs(&due(&mut waiting)), [[1]]);
        // A fetch carries sixteen at the most.
        add(&mut waiting, &DONE, 2..19);
        assert!(waiting.take_for_fetch(0).is_none());
        assert_eq!(due(&mut waiting)[0].runs.len(), 17);
    }

    #[test]
    fn what_an_expected_sweep_left_behind_goes_at_once() {
        let mut waiting = expecting_a_sweep();
        add(&mut waiting, &DONE, [1]);
        assert!(due(&mut waiting).is_empty());
        waiting.expectation_ended();
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
        let Due { batches, resume_at } = waiting.take_due(now);
        assert!(batches.is_empty());
        let resume_at = resume_at.expect("a pause");
        assert!(resume_at - now < Duration::from_millis(130));
        let batches = waiting.take_due(resume_at).batches;
        assert_eq!(runs(&batches), [[1, 2, 3, 4]]);
    }

    #[test]
    fn refused_tasks_go_last_and_one_at_a_time_until_a_call_succeeds() {
        let mut waiting = waiting(&DONE, [1, 2]);
        let mut batches = due(&mut waiting);
        add(&mut waiting, &DONE, [3]);
        let now = clock::monotonic();
        waiting.failed(&mut batches[0], true, now);
        waiting.call_ended(&mut batches[0]);
        assert!(add_to(&mut waiting, 0, 4, &DONE, true).joins_refused);
        let later = now + Duration::from_secs(1);
        let mut batches = waiting.take_due(later).batches;
        assert_eq!(runs(&batches), [[3], [1]]);
        for taken in &mut batches {
            taken.drain().for_each(drop);
            waiting.confirmed(taken);
            waiting.call_ended(taken);
        }
        assert!(!add_to(&mut waiting, 0, 5, &DONE, true).joins_refused);
        assert_eq!(runs(&waiting.take_due(later).batches), [[2, 4, 5]]);
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
        waiting.fetching_ended();
        assert!(due(&mut waiting).is_empty(), "more runs may be aborted");
        waiting.close();
        assert_eq!(runs(&due(&mut waiting)), [[9, 5, 3]]);
    }

    #[test]
    fn unstarted_tasks_are_requeued_once_none_of_them_is_left_to_come() {
        let mut waiting = waiting(&Outcome::Requeued, [101, 102]);
        waiting.fetching_ended();
        waiting.unstarted_run_added();
        assert!(due(&mut waiting).is_empty());
        add(&mut waiting, &Outcome::Requeued, [103]);
        waiting.unstarted_run_removed();
        assert_eq!(runs(&due(&mut waiting)), [[103, 102, 101]]);
    }
}
