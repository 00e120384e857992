//! How many tasks one fetch asks for. Pure.

/// How many fetches may be in flight at once.
const MAX_FETCHES: usize = 2;
/// Below this size the fixed cost of a call exceeds that of its tasks.
const WORTH_A_CALL: usize = 16;
/// The bounds of the largest fetch. Between them it is a sixteenth of the capacity.
const LOWEST_MAX: usize = 128;
const HIGHEST_MAX: usize = 1_000;

/// The sizes of fetches, by the settings of a server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::server) struct Sizing {
    /// How many tasks may run or wait here for their run: P = concurrency + prefetch.
    pub(in crate::server) capacity: usize,
    /// How many tasks may be held at once, including those whose acknowledgement is in flight or
    /// waits: concurrency + P.
    max_held: usize,
    /// The most tasks of one fetch: half the capacity, so that one half is fetched while the other
    /// runs; `min(max(⌈P/2⌉, 16), clamp(P/16, 128, 1000))`.
    max_fetch: usize,
    /// A fetch for fewer tasks than this yields first, so that handlers that are about to finish
    /// can join it: `min(16, P)`.
    worth_a_call: usize,
}

/// What a server does at the moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Load {
    /// How many tasks the server holds.
    pub(super) held: usize,
    /// How many tasks the fetches in flight may bring.
    pub(super) requested: usize,
    /// How many fetches are in flight.
    pub(super) fetches: usize,
}

impl Sizing {
    pub(in crate::server) fn new(concurrency: usize, prefetch: usize) -> Self {
        let capacity = concurrency + prefetch;
        let worth_a_call = WORTH_A_CALL.min(capacity);
        Self {
            capacity,
            max_held: concurrency + capacity,
            max_fetch: capacity
                .div_ceil(MAX_FETCHES)
                .max(worth_a_call)
                .min((capacity / 16).clamp(LOWEST_MAX, HIGHEST_MAX)),
            worth_a_call,
        }
    }

    /// How many more tasks the server may hold.
    pub(super) fn room(&self, load: Load) -> usize {
        self.max_held.saturating_sub(load.held + load.requested)
    }

    /// How many slots must be free before the next fetch is sent. `None`: no fetch may be sent now.
    ///
    /// Beside another fetch only a large one is worth a call: at least half of the largest.
    pub(super) fn least(&self, load: Load) -> Option<usize> {
        let room = self.room(load);
        if load.fetches >= MAX_FETCHES || room == 0 {
            return None;
        }
        Some(match load.fetches {
            0 => 1,
            _ => (self.max_fetch / 2).clamp(1, room),
        })
    }

    /// How many tasks a fetch asks for, which has `taken` slots already while `free` more are free.
    pub(super) fn size(&self, load: Load, taken: usize, free: usize) -> usize {
        let most = self.max_fetch.min(self.room(load));
        taken + free.min(most.saturating_sub(taken))
    }

    /// Whether a fetch for this many tasks should be sent without yielding first.
    pub(super) fn is_worth_a_call(&self, tasks: usize) -> bool {
        tasks >= self.worth_a_call
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(held: usize, requested: usize, fetches: usize) -> Load {
        Load {
            held,
            requested,
            fetches,
        }
    }

    #[test]
    fn the_largest_fetch_is_half_the_capacity_within_bounds() {
        for (concurrency, prefetch, max_fetch) in [
            (1, 0, 1),
            (10, 0, 10),
            (16, 0, 16),
            (20, 0, 16),
            (100, 0, 50),
            (100, 50, 75),
            (1_000, 0, 128),
            (4_096, 0, 256),
            (100_000, 0, 1_000),
        ] {
            let sizing = Sizing::new(concurrency, prefetch);
            assert_eq!(sizing.max_fetch, max_fetch, "{concurrency} + {prefetch}");
        }
    }

    #[test]
    fn a_first_fetch_needs_one_slot_and_a_second_one_half_of_the_largest() {
        let sizing = Sizing::new(100, 0);
        assert_eq!(sizing.least(load(0, 0, 0)), Some(1));
        assert_eq!(sizing.least(load(0, 50, 1)), Some(25));
        assert_eq!(sizing.least(load(0, 100, 2)), None);
    }

    #[test]
    fn tasks_that_are_not_acknowledged_count_up_to_twice_the_concurrency() {
        let sizing = Sizing::new(10, 0);
        assert_eq!(sizing.least(load(19, 0, 0)), Some(1));
        assert_eq!(sizing.least(load(20, 0, 0)), None);
        assert_eq!(sizing.least(load(15, 5, 1)), None);
        assert_eq!(sizing.least(load(15, 3, 1)), Some(2));
    }

    #[test]
    fn prefetched_tasks_add_to_what_may_be_held() {
        let sizing = Sizing::new(10, 5);
        assert_eq!(sizing.capacity, 15);
        assert_eq!(sizing.room(load(24, 0, 0)), 1);
        assert_eq!(sizing.room(load(26, 0, 0)), 0);
    }

    #[test]
    fn a_fetch_asks_for_all_free_slots_up_to_the_largest_fetch_and_the_room() {
        let sizing = Sizing::new(100, 0);
        assert_eq!(sizing.size(load(0, 0, 0), 1, 9), 10);
        assert_eq!(sizing.size(load(0, 0, 0), 1, 99), 50);
        assert_eq!(sizing.size(load(190, 0, 0), 1, 99), 10);
    }

    #[test]
    fn a_small_fetch_yields_first() {
        let sizing = Sizing::new(100, 0);
        assert!(!sizing.is_worth_a_call(15));
        assert!(sizing.is_worth_a_call(16));
        assert!(Sizing::new(4, 0).is_worth_a_call(4));
    }
}
