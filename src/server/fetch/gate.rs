//! From which queues tasks may be fetched, and why not from the others.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::background::Backoff;

/// The gate of a queue is closed while this many of its held runs, or more, have refused acknowledgements.
const MAX_REFUSED: usize = 1_000;

/// The state of one queue. Times are passed in.
struct Gate {
    drained: bool,
    /// The end of the pause after a failed fetch.
    backs_off_until: Option<Instant>,
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
    fn is_open(&self, now: Instant) -> bool {
        let backs_off = self.backs_off_until.is_some_and(|until| now < until);
        !self.drained && !backs_off && self.refused < MAX_REFUSED
    }

    /// Whether another fetch should ask this queue. Two fetches ask the same queue only if the last
    /// one got as many tasks as it asked for. Otherwise the second one would find nothing.
    fn takes_a_fetch(&self, now: Instant) -> bool {
        self.is_open(now) && (self.fetches == 0 || self.has_plenty)
    }

    /// A fetch has failed. A failure during the pause does not lengthen the pause.
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
fn to_ask(gates: &[Gate], strict: bool, now: Instant) -> impl Iterator<Item = usize> {
    let open = gates
        .iter()
        .enumerate()
        .filter(move |(_, gate)| gate.is_open(now));
    open.take_while(move |(_, gate)| !strict || gate.takes_a_fetch(now))
        .filter(move |(_, gate)| gate.takes_a_fetch(now))
        .map(|(queue, _)| queue)
}

/// The gates of all queues of a server, by the index of the queue.
pub(in crate::server) struct Gates {
    gates: Mutex<Vec<Gate>>,
    /// A gate may have opened.
    opened: Notify,
}

impl Gates {
    /// Gates for this many queues, all open.
    pub(in crate::server) fn new(queues: usize) -> Self {
        Self {
            gates: Mutex::new((0..queues).map(|_| Gate::new()).collect()),
            opened: Notify::new(),
        }
    }

    /// Waits until a gate may have opened. Cancel-safe: a gate that opens while nobody waits is not missed.
    pub(super) async fn opened(&self) {
        self.opened.notified().await;
    }

    /// The queues that the next sweep asks, by descending weight.
    pub(super) fn to_ask(&self, strict: bool, now: Instant) -> Vec<usize> {
        to_ask(&self.lock(), strict, now).collect()
    }

    /// Whether there is a queue that the next sweep can ask.
    pub(super) fn any_to_ask(&self, strict: bool, now: Instant) -> bool {
        to_ask(&self.lock(), strict, now).next().is_some()
    }

    /// Whether a fetch should ask this queue.
    pub(super) fn takes_a_fetch(&self, queue: usize, now: Instant) -> bool {
        self.lock()[queue].takes_a_fetch(now)
    }

    /// The earliest time at which a pause after a failed fetch ends.
    pub(super) fn first_pause_end(&self, now: Instant) -> Option<Instant> {
        let gates = self.lock();
        let ends = gates.iter().filter_map(|gate| gate.backs_off_until);
        ends.filter(|until| *until > now).min()
    }

    /// A fetch from a queue starts.
    pub(super) fn fetch_started(&self, queue: usize) {
        self.lock()[queue].fetches += 1;
    }

    /// A fetch from a queue is over. `has_plenty`: it got as many tasks as it asked for.
    pub(super) fn fetch_ended(&self, queue: usize, has_plenty: bool) {
        let mut gates = self.lock();
        gates[queue].fetches -= 1;
        gates[queue].has_plenty = has_plenty;
    }

    /// A fetch from a queue got a reply without an error.
    pub(super) fn fetch_succeeded(&self, queue: usize) {
        self.lock()[queue].backoff.reset();
    }

    /// A fetch from a queue failed.
    pub(super) fn fetch_failed(&self, queue: usize, now: Instant) {
        self.lock()[queue].back_off(now);
    }

    /// No task can be fetched from a queue until tasks may be pending again.
    pub(in crate::server) fn close_drained(&self, queue: usize) {
        self.lock()[queue].drained = true;
    }

    /// Tasks may be pending in a queue. Its gate opens, unless another reason keeps it closed.
    pub(in crate::server) fn open(&self, queue: usize) {
        self.lock()[queue].drained = false;
        self.opened.notify_one();
    }

    /// Tasks may be pending in every queue.
    pub(in crate::server) fn open_all(&self) {
        for gate in self.lock().iter_mut() {
            gate.drained = false;
        }
        self.opened.notify_one();
    }

    /// One more held run of a queue has a refused acknowledgement.
    pub(in crate::server) fn one_refused_more(&self, queue: usize) {
        self.lock()[queue].refused += 1;
    }

    /// Redis has confirmed a refused acknowledgement of a queue.
    pub(in crate::server) fn one_refused_less(&self, queue: usize) {
        self.lock()[queue].refused -= 1;
        self.opened.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Gate>> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock;

    #[test]
    fn the_gate_of_a_drained_queue_is_closed_until_a_notification() {
        let (gates, now) = (Gates::new(2), clock::monotonic());
        gates.close_drained(0);
        assert_eq!(gates.to_ask(false, now), [1]);
        gates.open(0);
        assert_eq!(gates.to_ask(false, now), [0, 1]);
    }

    #[test]
    fn a_second_fetch_asks_only_a_queue_that_has_plenty() {
        let (gates, now) = (Gates::new(1), clock::monotonic());
        gates.fetch_started(0);
        assert!(!gates.takes_a_fetch(0, now));
        gates.fetch_started(0);
        gates.fetch_ended(0, true);
        assert!(gates.takes_a_fetch(0, now));
        gates.fetch_ended(0, false);
        assert!(gates.takes_a_fetch(0, now));
        gates.fetch_started(0);
        assert!(!gates.takes_a_fetch(0, now));
    }

    #[test]
    fn strict_order_never_passes_a_queue_that_takes_no_fetch() {
        let (gates, now) = (Gates::new(3), clock::monotonic());
        gates.close_drained(0);
        assert_eq!(gates.to_ask(true, now), [1, 2]);
        gates.fetch_started(1);
        assert_eq!(gates.to_ask(true, now), [0; 0]);
        assert_eq!(gates.to_ask(false, now), [2]);
    }

    #[test]
    fn failed_fetches_close_a_queue_for_one_growing_pause() {
        let (gates, now) = (Gates::new(1), clock::monotonic());
        gates.fetch_failed(0, now);
        let end = gates.first_pause_end(now).expect("a pause");
        gates.fetch_failed(0, now);
        assert_eq!(gates.first_pause_end(now), Some(end));
        assert_eq!(gates.to_ask(false, now), [0; 0]);
        // A notification does not cut the pause short.
        gates.open(0);
        assert_eq!(gates.to_ask(false, now), [0; 0]);
        assert_eq!(gates.to_ask(false, end), [0]);
        let mut longest = Duration::ZERO;
        let mut at = end;
        for _ in 0..8 {
            gates.fetch_failed(0, at);
            let next = gates.first_pause_end(at).expect("a pause");
            longest = longest.max(next - at);
            at = next;
        }
        assert!(longest > Duration::from_secs(3), "{longest:?}");
        gates.fetch_succeeded(0);
        gates.fetch_failed(0, at);
        let next = gates.first_pause_end(at).expect("a pause");
        assert!(next - at < Duration::from_millis(130));
    }

    #[test]
    fn refused_acknowledgements_close_a_queue_at_their_limit() {
        let (gates, now) = (Gates::new(1), clock::monotonic());
        for _ in 0..MAX_REFUSED {
            assert!(gates.takes_a_fetch(0, now));
            gates.one_refused_more(0);
        }
        assert!(!gates.takes_a_fetch(0, now));
        gates.one_refused_less(0);
        assert!(gates.takes_a_fetch(0, now));
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
