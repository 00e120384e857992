//! From which queues tasks may be fetched, and why not from the others.

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::background::{Backoff, ToldFailures};
use crate::error::Error;

/// The gate of a queue is closed while this many of its held runs, or more, have refused acknowledgements.
const MAX_REFUSED: usize = 1_000;
/// How many fetches ask the same queue at once.
const MAX_FETCHES: usize = 2;

/// The state of one queue. Times are passed in.
struct Gate {
    drained: bool,
    /// The end of the pause after a failed fetch or probe. The gate stays closed until a probe succeeds.
    backs_off_until: Option<Instant>,
    /// A probe is in flight.
    is_probed: bool,
    /// Starts over only after a fetch has succeeded.
    backoff: Backoff,
    /// How many held runs of the queue have refused acknowledgements.
    refused: usize,
    /// How many fetches from the queue are in flight.
    fetches: usize,
    /// The last fetch got as many tasks as it asked for, so there may be more.
    has_plenty: bool,
}

impl Gate {
    fn new() -> Self {
        Self {
            drained: false,
            backs_off_until: None,
            is_probed: false,
            backoff: Backoff::new(),
            refused: 0,
            fetches: 0,
            has_plenty: false,
        }
    }

    /// Whether tasks may be fetched. Each of these three closes the gate:
    ///
    /// - The queue is drained.
    /// - The server backs off after a failed fetch.
    /// - Redis has refused too many acknowledgements.
    fn is_open(&self) -> bool {
        !self.drained && self.backs_off_until.is_none() && self.refused < MAX_REFUSED
    }

    /// Whether another fetch should ask this queue. Two fetches ask the same queue only if the last
    /// one got as many tasks as it asked for. Otherwise the second one would find nothing.
    fn takes_a_fetch(&self) -> bool {
        let fetches = if self.has_plenty { MAX_FETCHES } else { 1 };
        self.is_open() && self.fetches < fetches
    }

    /// A fetch or a probe has failed. A failure during the pause does not lengthen the pause.
    fn back_off(&mut self, now: Instant) {
        if self.backs_off_until.is_none_or(|until| until <= now) {
            self.backs_off_until = Some(now + self.backoff.pause());
        }
        // After the pause the queue is asked, even if it was drained before.
        self.drained = false;
    }
}

/// The queues that the next sweep asks, by descending weight. In strict order, the list ends before the
/// first open queue that takes no fetch now.
fn to_ask(gates: &[Gate], strict: bool) -> impl Iterator<Item = usize> {
    let open = gates.iter().enumerate().filter(|(_, gate)| gate.is_open());
    open.take_while(move |(_, gate)| !strict || gate.takes_a_fetch())
        .filter(|(_, gate)| gate.takes_a_fetch())
        .map(|(queue, _)| queue)
}

/// The gates of all queues of a server, by the index of the queue.
pub(in crate::server) struct Gates {
    gates: Mutex<Vec<Gate>>,
    /// The queues whose fetches fail.
    told: Mutex<ToldFailures<usize>>,
    /// A gate may have opened.
    opened: Notify,
}

impl Gates {
    /// Gates for this many queues, all open.
    pub(in crate::server) fn new(queues: usize) -> Self {
        Self {
            gates: Mutex::new((0..queues).map(|_| Gate::new()).collect()),
            told: Mutex::default(),
            opened: Notify::new(),
        }
    }

    /// Waits until a gate may have opened. Cancel-safe: a gate that opens while nobody waits is not missed.
    pub(super) async fn opened(&self) {
        self.opened.notified().await;
    }

    /// The queues that the next sweep asks, by descending weight.
    pub(super) fn to_ask(&self, strict: bool) -> Vec<usize> {
        to_ask(&self.gates.lock(), strict).collect()
    }

    /// Whether there is a queue that the next sweep can ask.
    pub(super) fn any_to_ask(&self, strict: bool) -> bool {
        to_ask(&self.gates.lock(), strict).next().is_some()
    }

    /// Keeps those of the queues that a fetch should ask.
    pub(super) fn retain_to_ask(&self, queues: &mut Vec<usize>) {
        let gates = self.gates.lock();
        queues.retain(|queue| gates[*queue].takes_a_fetch());
    }

    /// Whether tasks may be fetched from a queue.
    pub(super) fn is_open(&self, queue: usize) -> bool {
        self.gates.lock()[queue].is_open()
    }

    /// Whether a fetch should ask this queue.
    pub(super) fn takes_a_fetch(&self, queue: usize) -> bool {
        self.gates.lock()[queue].takes_a_fetch()
    }

    /// The earliest time at which a pause after a failure ends.
    pub(super) fn first_pause_end(&self) -> Option<Instant> {
        let gates = self.gates.lock();
        let paused = gates.iter().filter(|gate| !gate.is_probed);
        paused.filter_map(|gate| gate.backs_off_until).min()
    }

    /// The queues to probe: their pauses after a failure have ended. A probe takes no slot, so a queue that
    /// does not answer keeps no slot from the others.
    pub(super) fn to_probe(&self, now: Instant) -> Vec<usize> {
        let mut gates = self.gates.lock();
        let due = gates.iter_mut().enumerate().filter(|(_, gate)| {
            !gate.is_probed && gate.backs_off_until.is_some_and(|until| until <= now)
        });
        due.map(|(queue, gate)| {
            gate.is_probed = true;
            queue
        })
        .collect()
    }

    /// A probe is over. If it got an answer, fetches ask the queue again.
    pub(super) fn probe_ended(&self, queue: usize, answered: bool, now: Instant) {
        let mut gates = self.gates.lock();
        let gate = &mut gates[queue];
        gate.is_probed = false;
        match answered {
            true => gate.backs_off_until = None,
            false => gate.back_off(now),
        }
    }

    /// A fetch from a queue starts.
    pub(super) fn fetch_started(&self, queue: usize) {
        self.gates.lock()[queue].fetches += 1;
    }

    /// A fetch from a queue is over. `has_plenty`: it got as many tasks as it asked for.
    pub(super) fn fetch_ended(&self, queue: usize, has_plenty: bool) {
        let mut gates = self.gates.lock();
        gates[queue].fetches -= 1;
        gates[queue].has_plenty = has_plenty;
    }

    /// A fetch from a queue got a reply without an error. Returns whether it is the first one after a
    /// failure.
    pub(super) fn fetch_succeeded(&self, queue: usize) -> bool {
        self.told.lock().succeeded(&queue);
        self.gates.lock()[queue].backoff.reset()
    }

    /// A fetch from a queue failed.
    pub(super) fn fetch_failed(&self, queue: usize, now: Instant) {
        self.gates.lock()[queue].back_off(now);
    }

    /// Whether the log should warn of this failure of a fetch or a probe.
    pub(super) fn is_news(&self, queue: usize, error: &Error) -> bool {
        self.told.lock().failed(queue, error)
    }

    /// No task can be fetched from a queue until tasks may be pending again.
    pub(in crate::server) fn close_drained(&self, queue: usize) {
        self.gates.lock()[queue].drained = true;
    }

    /// Tasks may be pending in a queue. Its gate opens, unless another reason keeps it closed.
    pub(in crate::server) fn open(&self, queue: usize) {
        self.gates.lock()[queue].drained = false;
        self.opened.notify_one();
    }

    /// Tasks may be pending in every queue.
    pub(in crate::server) fn open_all(&self) {
        for gate in self.gates.lock().iter_mut() {
            gate.drained = false;
        }
        self.opened.notify_one();
    }

    /// One more held run of a queue has a refused acknowledgement.
    pub(in crate::server) fn one_refused_more(&self, queue: usize) {
        self.gates.lock()[queue].refused += 1;
    }

    /// Redis has confirmed a refused acknowledgement of a queue.
    pub(in crate::server) fn one_refused_less(&self, queue: usize) {
        self.gates.lock()[queue].refused -= 1;
        self.opened.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock;

    #[test]
    fn the_gate_of_a_drained_queue_is_closed_until_a_notification() {
        let gates = Gates::new(2);
        gates.close_drained(0);
        assert_eq!(gates.to_ask(false), [1]);
        gates.open(0);
        assert_eq!(gates.to_ask(false), [0, 1]);
    }

    #[test]
    fn a_second_fetch_asks_only_a_queue_that_has_plenty_and_a_third_one_none() {
        let gates = Gates::new(1);
        gates.fetch_started(0);
        assert!(!gates.takes_a_fetch(0));
        gates.fetch_started(0);
        gates.fetch_ended(0, true);
        assert!(gates.takes_a_fetch(0));
        gates.fetch_started(0);
        assert!(!gates.takes_a_fetch(0));
        gates.fetch_ended(0, true);
        gates.fetch_ended(0, false);
        assert!(gates.takes_a_fetch(0));
        gates.fetch_started(0);
        assert!(!gates.takes_a_fetch(0));
    }

    #[test]
    fn strict_order_never_passes_a_queue_that_takes_no_fetch() {
        let gates = Gates::new(3);
        gates.close_drained(0);
        assert_eq!(gates.to_ask(true), [1, 2]);
        gates.fetch_started(1);
        assert_eq!(gates.to_ask(true), [0; 0]);
        assert_eq!(gates.to_ask(false), [2]);
    }

    #[test]
    fn failed_fetches_close_a_queue_for_one_growing_pause() {
        let (gates, now) = (Gates::new(2), clock::monotonic());
        gates.fetch_failed(0, now);
        let end = gates.first_pause_end().expect("a pause");
        gates.fetch_failed(0, now);
        assert_eq!(gates.first_pause_end(), Some(end));
        // Even in strict order, the other queue is asked meanwhile.
        assert_eq!(gates.to_ask(true), [1]);
        // A notification does not cut the pause short.
        gates.open(0);
        assert_eq!(gates.to_ask(true), [1]);
        let mut longest = Duration::ZERO;
        let mut at = end;
        for _ in 0..8 {
            assert_eq!(gates.to_probe(at), [0]);
            gates.probe_ended(0, true, at);
            gates.fetch_failed(0, at);
            let next = gates.first_pause_end().expect("a pause");
            longest = longest.max(next - at);
            at = next;
        }
        assert!(longest > Duration::from_secs(3), "{longest:?}");
        assert!(gates.fetch_succeeded(0));
        assert!(!gates.fetch_succeeded(0));
        gates.probe_ended(0, true, at);
        gates.fetch_failed(0, at);
        let next = gates.first_pause_end().expect("a pause");
        assert!(next - at < Duration::from_millis(130));
    }

    #[test]
    fn after_a_failure_a_queue_is_asked_once_a_probe_has_been_answered() {
        let (gates, now) = (Gates::new(2), clock::monotonic());
        gates.fetch_failed(1, now);
        assert_eq!(gates.to_probe(now), [0; 0]);
        let end = gates.first_pause_end().expect("a pause");
        assert_eq!(gates.to_probe(end), [1]);
        assert_eq!(gates.to_probe(end), [0; 0], "one probe at a time");
        assert_eq!(gates.first_pause_end(), None);
        assert_eq!(gates.to_ask(false), [0]);
        gates.probe_ended(1, false, end);
        let end = gates.first_pause_end().expect("a pause");
        assert_eq!(gates.to_probe(end), [1]);
        gates.probe_ended(1, true, end);
        assert_eq!(gates.to_ask(false), [0, 1]);
    }

    #[test]
    fn refused_acknowledgements_close_a_queue_at_their_limit() {
        let gates = Gates::new(1);
        for _ in 0..MAX_REFUSED {
            assert!(gates.takes_a_fetch(0));
            gates.one_refused_more(0);
        }
        assert!(!gates.takes_a_fetch(0));
        gates.one_refused_less(0);
        assert!(gates.takes_a_fetch(0));
    }

    #[tokio::test]
    async fn waiting_ends_when_a_gate_opens() {
        let gates = Gates::new(1);
        gates.open(0);
        gates.opened().await;
        gates.one_refused_more(0);
        gates.one_refused_less(0);
        gates.opened().await;
        gates.open_all();
        gates.opened().await;
    }
}
