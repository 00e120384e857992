//! Which key of a queue is read next, and what the contents of the key mean. No I/O, no clock.

use std::time::Duration;

use crate::broker::{DelayedSet, Signal};
use crate::clock;

/// The first and the longest pause before a server subscribes to a queue again, after empty fetches in a
/// row.
const FIRST_HERD_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_HERD_PAUSE: Duration = Duration::from_millis(100);
/// The pause before a sorted set is read again, so that a set which changes all the time is not
/// read all the time.
const CHANGED_SET_PAUSE: Duration = Duration::from_millis(20);

/// The time within which a rotation asks each of a few queues, and each of many.
const SHORTEST_ROTATION: Duration = Duration::from_secs(5);
const LONGEST_ROTATION: Duration = Duration::from_secs(30);
/// How long a step of a rotation takes, at least.
const SHORTEST_STEP: Duration = Duration::from_millis(500);

/// What a tracked key is to its queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    Pending,
    Paused,
    Delayed(DelayedSet),
    Completed,
}

/// A key to read, after a pause.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Read {
    pub(super) role: Role,
    pub(super) after: Duration,
}

/// What a read found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Contents {
    /// Of the pending list and the paused flag: whether the key exists.
    Exists(bool),
    /// Of a sorted set: its lowest score (unix s).
    FirstScore(Option<i64>),
}

/// Asks one queue after the other, so that each is asked again after a time and the commands are spread over
/// it.
///
/// | queues | each is asked every | queues in a step |
/// |---|---|---|
/// | up to 10 | 5 s | 1 |
/// | up to 60 | 0.5 s for each of them | 1, every 0.5 s |
/// | more | 30 s | as many as it takes, every 0.5 s |
pub(super) struct Rotation {
    queues: usize,
    /// The pause between two steps.
    pub(super) step: Duration,
    in_a_step: usize,
    next: usize,
}

impl Rotation {
    pub(super) fn new(queues: usize) -> Self {
        let count = u32::try_from(queues.max(1)).unwrap_or(u32::MAX);
        let step = (SHORTEST_ROTATION / count).max(SHORTEST_STEP);
        let steps = (LONGEST_ROTATION.as_millis() / step.as_millis()) as usize;
        Self {
            queues,
            step,
            in_a_step: queues.div_ceil(steps),
            next: 0,
        }
    }

    /// The queues of the next step.
    pub(super) fn next(&mut self) -> Vec<usize> {
        let first = self.next;
        self.next = (first + self.in_a_step) % self.queues.max(1);
        (first..first + self.in_a_step)
            .map(|queue| queue % self.queues)
            .collect()
    }
}

/// What is known of one queue.
///
/// For fetching, one key at a time is tracked: the pending list of an empty queue, or the flag of a
/// paused queue.
#[derive(Debug, Default)]
pub(super) struct QueueWatch {
    /// A fetch has drained the queue, and no [`Signal::Ready`] has followed.
    idle: bool,
    paused: bool,
    /// The key whose read waits for its pause or is in flight: the pending list or the flag. A second read
    /// of the same key is not sent.
    reading: Option<Role>,
    /// How many of the last fetches that drained the queue were empty, in a row.
    empty_fetches: u32,
    /// The first scores of *scheduled* and *retry*.
    first_due: [Option<i64>; 2],
    /// The first score of *completed*.
    first_expiry: Option<i64>,
    /// Since the last read of a delayed set, Redis has notified of a change.
    notified: [bool; 2],
    /// How many notifications were in vain since they were last counted.
    vain: usize,
}

impl QueueWatch {
    /// A fetch has drained the queue.
    pub(super) fn drained(&mut self, paused: bool, empty_fetch: bool) -> Option<Read> {
        self.empty_fetches = match empty_fetch {
            true => self.empty_fetches.saturating_add(1),
            false => 0,
        };
        self.vain += usize::from(self.empty_fetches > 1);
        self.idle = true;
        self.paused = paused;
        let pause = herd_pause(self.empty_fetches);
        self.read_awaited(clock::jitter(pause, 0.5..1.5))
    }

    /// The awaited key, whose change ends the idle state: the flag of a paused queue, or the pending list
    /// of an empty queue.
    pub(super) fn awaited(&self) -> Option<Role> {
        match (self.paused, self.idle) {
            (true, _) => Some(Role::Paused),
            (false, true) => Some(Role::Pending),
            (false, false) => None,
        }
    }

    /// A notification may have been lost. The awaited key is read again.
    pub(super) fn recheck(&mut self) -> Option<Read> {
        self.read_awaited(Duration::ZERO)
    }

    fn read_awaited(&mut self, after: Duration) -> Option<Read> {
        let role = self.awaited()?;
        let before = self.reading.replace(role);
        (before != Some(role)).then_some(Read { role, after })
    }

    /// A read has its reply.
    pub(super) fn on_contents(
        &mut self,
        queue: usize,
        role: Role,
        contents: Contents,
    ) -> Option<Signal> {
        match (role, contents) {
            (Role::Pending, Contents::Exists(exists)) => {
                self.read_ended(role);
                exists.then(|| self.ready(queue))
            }
            (Role::Paused, Contents::Exists(exists)) => {
                self.read_ended(role);
                self.paused = exists;
                (!exists).then(|| self.ready(queue))
            }
            (Role::Completed, Contents::FirstScore(at)) => {
                self.first_expiry = at;
                Some(Signal::Expires(queue, at.map(millis)))
            }
            (Role::Delayed(set), Contents::FirstScore(at)) => {
                let before = std::mem::replace(&mut self.first_due[set as usize], at);
                let notified = std::mem::take(&mut self.notified[set as usize]);
                self.vain += usize::from(notified && before == at);
                Some(Signal::Due(queue, set, at.map(millis)))
            }
            _ => None,
        }
    }

    /// A read was sent on to another node of the cluster, where nothing notifies of changes. The queue is asked
    /// instead.
    pub(super) fn redirected(&mut self, queue: usize, role: Role) -> Signal {
        match role {
            Role::Pending | Role::Paused => {
                self.read_ended(role);
                self.paused = false;
                self.ready(queue)
            }
            Role::Delayed(set) => Signal::Due(queue, set, Some(0)),
            Role::Completed => Signal::Expires(queue, Some(0)),
        }
    }

    /// A tracked key has changed.
    pub(super) fn on_change(&mut self, queue: usize, role: Role) -> (Option<Signal>, Option<Read>) {
        match role {
            // Nothing can be fetched before the queue is resumed.
            Role::Pending if self.paused => (None, None),
            Role::Pending | Role::Paused => {
                self.paused = false;
                (Some(self.ready(queue)), None)
            }
            Role::Delayed(set) => {
                self.notified[set as usize] = true;
                (None, Some(Read::after_a_change(role)))
            }
            // A time in the past: the janitor's next pass looks at this queue.
            Role::Completed => (Some(Signal::Expires(queue, Some(0))), None),
        }
    }

    /// The known number of sorted sets of this queue: how many of *scheduled*, *retry* and *completed* exist.
    pub(super) fn sets(&self) -> i64 {
        let first_scores = self.first_due.iter().chain([&self.first_expiry]);
        first_scores.flatten().count() as i64
    }

    /// How many notifications were in vain since the last call: nothing was found in the queue, or the first
    /// score of the set was the same as before.
    pub(super) fn take_vain(&mut self) -> usize {
        std::mem::take(&mut self.vain)
    }

    fn read_ended(&mut self, role: Role) {
        if self.reading == Some(role) {
            self.reading = None;
        }
    }

    fn ready(&mut self, queue: usize) -> Signal {
        self.idle = false;
        Signal::Ready(queue)
    }
}

impl Read {
    pub(super) fn now(role: Role) -> Self {
        let after = Duration::ZERO;
        Self { role, after }
    }

    pub(super) fn after_a_change(role: Role) -> Self {
        let after = CHANGED_SET_PAUSE;
        Self { role, after }
    }
}

/// A score (unix s) in unix ms.
fn millis(at_unix_secs: i64) -> i64 {
    at_unix_secs.saturating_mul(1000)
}

/// How long a server waits before it subscribes to an empty queue again: 5 ms after the second empty
/// fetch in a row, doubled with each further empty fetch, at most 100 ms.
///
/// When many idle servers are woken for one task (a thundering herd), all but one find nothing. With the
/// pause, a server that finds nothing several times in a row leaves the queue to the others for a while.
fn herd_pause(empty_fetches: u32) -> Duration {
    let Some(doublings) = empty_fetches.checked_sub(2) else {
        return Duration::ZERO;
    };
    let pause = FIRST_HERD_PAUSE * (1 << doublings.min(10));
    pause.min(LONGEST_HERD_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drained_and_read(watch: &mut QueueWatch) {
        let read = watch.drained(false, false);
        assert_eq!(read, Some(Read::now(Role::Pending)));
        let empty = Contents::Exists(false);
        assert_eq!(watch.on_contents(0, Role::Pending, empty), None);
    }

    #[test]
    fn a_rotation_asks_a_few_queues_every_5_s_and_many_within_30_s() {
        for (queues, seconds) in [(1, 5), (10, 5), (20, 10), (60, 30), (61, 30), (2_000, 30)] {
            let mut rotation = Rotation::new(queues);
            let (mut asked, mut took) = (vec![0; queues], Duration::ZERO);
            while took < Duration::from_secs(seconds) {
                took += rotation.step;
                rotation
                    .next()
                    .into_iter()
                    .for_each(|queue| asked[queue] += 1);
            }
            assert!(
                asked.iter().all(|times| (1..=2).contains(times)),
                "{queues}"
            );
        }
    }

    #[test]
    fn an_empty_queue_awaits_its_pending_list() {
        let mut watch = QueueWatch::default();
        assert_eq!(watch.awaited(), None);
        drained_and_read(&mut watch);
        assert_eq!(watch.awaited(), Some(Role::Pending));
        let (signal, read) = watch.on_change(3, Role::Pending);
        assert_eq!((signal, read), (Some(Signal::Ready(3)), None));
        assert_eq!(watch.awaited(), None);
    }

    #[test]
    fn a_task_that_came_before_the_read_is_found_by_it() {
        let mut watch = QueueWatch::default();
        watch.drained(false, false);
        let found = watch.on_contents(1, Role::Pending, Contents::Exists(true));
        assert_eq!(found, Some(Signal::Ready(1)));
    }

    #[test]
    fn a_paused_queue_awaits_its_flag_and_ignores_new_tasks() {
        let mut watch = QueueWatch::default();
        let read = watch.drained(true, false);
        assert_eq!(read, Some(Read::now(Role::Paused)));
        let flag = Contents::Exists(true);
        assert_eq!(watch.on_contents(0, Role::Paused, flag), None);
        assert_eq!(watch.on_change(0, Role::Pending), (None, None));
        let (signal, _) = watch.on_change(0, Role::Paused);
        assert_eq!(signal, Some(Signal::Ready(0)));
    }

    #[test]
    fn a_queue_that_was_resumed_before_the_read_is_ready() {
        let mut watch = QueueWatch::default();
        watch.drained(true, false);
        let signal = watch.on_contents(0, Role::Paused, Contents::Exists(false));
        assert_eq!(signal, Some(Signal::Ready(0)));
    }

    #[test]
    fn one_read_at_a_time_is_in_flight() {
        let mut watch = QueueWatch::default();
        assert!(watch.drained(false, false).is_some());
        assert_eq!(watch.drained(false, false), None);
        assert_eq!(watch.recheck(), None);
        watch.on_contents(0, Role::Pending, Contents::Exists(false));
        assert_eq!(watch.recheck(), Some(Read::now(Role::Pending)));
    }

    #[test]
    fn a_queue_that_is_paused_during_a_read_of_its_list_awaits_its_flag() {
        let mut watch = QueueWatch::default();
        watch.drained(false, false);
        assert_eq!(watch.drained(true, true), Some(Read::now(Role::Paused)));
        let absent = Contents::Exists(false);
        assert_eq!(watch.on_contents(0, Role::Pending, absent), None);
        assert_eq!(watch.recheck(), None, "the flag is being read");
        assert_eq!(watch.awaited(), Some(Role::Paused));
    }

    #[test]
    fn only_an_idle_queue_is_rechecked() {
        let mut watch = QueueWatch::default();
        assert_eq!(watch.recheck(), None);
        drained_and_read(&mut watch);
        watch.on_change(0, Role::Pending);
        assert_eq!(watch.recheck(), None);
    }

    #[test]
    fn pauses_grow_with_empty_fetches_and_end_with_a_task() {
        let ms = |n| Duration::from_millis(n);
        let pauses: Vec<_> = (0..9).map(herd_pause).collect();
        let expected = [0, 0, 5, 10, 20, 40, 80, 100, 100];
        assert_eq!(pauses, expected.map(ms));
        let mut watch = QueueWatch::default();
        for _ in 0..5 {
            watch.drained(false, true);
            watch.on_contents(0, Role::Pending, Contents::Exists(false));
        }
        let read = watch.drained(false, true).expect("a read");
        assert!(read.after >= ms(40), "{read:?}");
        watch.on_contents(0, Role::Pending, Contents::Exists(false));
        assert_eq!(watch.drained(false, false), Some(Read::now(Role::Pending)));
    }

    #[test]
    fn each_delayed_set_has_a_first_due_time_of_its_own() {
        let mut watch = QueueWatch::default();
        let [scheduled, retry] = DelayedSet::ALL;
        for (set, score) in [(retry, 100), (scheduled, 90)] {
            let signal =
                watch.on_contents(2, Role::Delayed(set), Contents::FirstScore(Some(score)));
            assert_eq!(signal, Some(Signal::Due(2, set, Some(score * 1000))));
        }
        assert_eq!(watch.sets(), 2);
        let none = Contents::FirstScore(None);
        let signal = watch.on_contents(2, Role::Delayed(retry), none);
        assert_eq!(signal, Some(Signal::Due(2, retry, None)));
        assert_eq!(watch.sets(), 1);
    }

    #[test]
    fn a_changed_delayed_set_is_read_again_after_a_pause() {
        let mut watch = QueueWatch::default();
        for set in DelayedSet::ALL {
            let (signal, read) = watch.on_change(0, Role::Delayed(set));
            assert_eq!(signal, None);
            assert_eq!(read.expect("a read").after, CHANGED_SET_PAUSE);
        }
    }

    #[test]
    fn a_changed_completed_set_expires_now() {
        let mut watch = QueueWatch::default();
        let (signal, read) = watch.on_change(0, Role::Completed);
        assert_eq!((signal, read), (Some(Signal::Expires(0, Some(0))), None));
        let score = Contents::FirstScore(Some(7));
        let signal = watch.on_contents(0, Role::Completed, score);
        assert_eq!(signal, Some(Signal::Expires(0, Some(7_000))));
        assert_eq!(watch.sets(), 1);
    }

    #[test]
    fn a_notification_without_a_change_is_in_vain() {
        let mut watch = QueueWatch::default();
        let retry = Role::Delayed(DelayedSet::Retry);
        let score = |at| Contents::FirstScore(Some(at));
        watch.on_contents(0, retry, score(5));
        watch.on_contents(0, retry, score(5));
        assert_eq!(watch.take_vain(), 0, "no notification came between these");
        watch.on_change(0, retry);
        watch.on_contents(0, retry, score(4));
        assert_eq!(watch.take_vain(), 0);
        watch.on_change(0, retry);
        watch.on_contents(0, retry, score(4));
        assert_eq!(watch.take_vain(), 1);
        for vain in [0, 1, 1] {
            watch.drained(false, true);
            assert_eq!(watch.take_vain(), vain);
        }
    }
}
