//! How many tasks one sweep asks for. No I/O.

/// How many sweeps may be in flight at once.
const MAX_SWEEPS: usize = 2;
/// Below this size the fixed cost of a call exceeds that of its tasks.
const WORTH_A_CALL: usize = 16;
/// The bounds of the largest sweep. Between them it is a sixteenth of the capacity.
const LOWEST_MAX: usize = 128;
const HIGHEST_MAX: usize = 1_000;

/// The sizes of sweeps, by the settings of a server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::server) struct Sizing {
    /// How many tasks may run or wait here for their run: P = concurrency + prefetch. There is a slot for
    /// each.
    pub(in crate::server) capacity: usize,
    /// How many runs may be held at once, without those whose acknowledgement Redis has refused:
    /// concurrency + P.
    max_held: usize,
    /// The most tasks of one sweep: `min(max(⌈P/2⌉, min(16, P)), clamp(P/16, 128, 1000))`. At half the
    /// capacity, the tasks for one half of the slots are fetched while those of the other half run.
    max_sweep: usize,
    /// `min(16, P)`. A sweep for fewer tasks yields first, so that it can also use the slots of runs that
    /// are about to finish.
    worth_a_call: usize,
}

/// What a server does at the moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Load {
    /// How many held runs count for the limit: all but those whose acknowledgement Redis has refused.
    pub(super) held: usize,
    /// How many tasks the sweeps in flight may bring.
    pub(super) requested: usize,
    /// How many sweeps are in flight.
    pub(super) sweeps: usize,
}

impl Sizing {
    pub(in crate::server) fn new(concurrency: usize, prefetch: usize) -> Self {
        let capacity = concurrency + prefetch;
        let worth_a_call = WORTH_A_CALL.min(capacity);
        Self {
            capacity,
            max_held: concurrency + capacity,
            max_sweep: capacity
                .div_ceil(MAX_SWEEPS)
                .max(worth_a_call)
                .min((capacity / 16).clamp(LOWEST_MAX, HIGHEST_MAX)),
            worth_a_call,
        }
    }

    /// How many more tasks the server may hold.
    pub(super) fn headroom(&self, load: Load) -> usize {
        self.max_held.saturating_sub(load.held + load.requested)
    }

    /// How many slots must be free before the next sweep starts. `None`: no sweep may start now.
    ///
    /// The first sweep needs one slot. A second sweep beside it needs half of the largest sweep, but no more
    /// than the headroom: a smaller sweep would not be worth its calls.
    pub(super) fn slots_needed(&self, load: Load) -> Option<usize> {
        let headroom = self.headroom(load);
        if load.sweeps >= MAX_SWEEPS || headroom == 0 {
            return None;
        }
        Some(match load.sweeps {
            0 => 1,
            _ => (self.max_sweep / 2).clamp(1, headroom),
        })
    }

    /// How many tasks a sweep asks for, if it has `taken` slots already and `free` more slots are free.
    pub(super) fn size(&self, load: Load, taken: usize, free: usize) -> usize {
        let most = self.max_sweep.min(self.headroom(load));
        taken + free.min(most.saturating_sub(taken))
    }

    /// Whether a sweep for this many tasks should start without yielding first.
    pub(super) fn is_worth_a_call(&self, tasks: usize) -> bool {
        tasks >= self.worth_a_call
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(held: usize, requested: usize, sweeps: usize) -> Load {
        Load {
            held,
            requested,
            sweeps,
        }
    }

    #[test]
    fn the_largest_sweep_is_half_the_capacity_within_bounds() {
        for (concurrency, prefetch, max_sweep) in [
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
            assert_eq!(sizing.max_sweep, max_sweep, "{concurrency} + {prefetch}");
        }
    }

    #[test]
    fn a_first_sweep_needs_one_slot_and_a_second_one_half_of_the_largest() {
        let sizing = Sizing::new(100, 0);
        assert_eq!(sizing.slots_needed(load(0, 0, 0)), Some(1));
        assert_eq!(sizing.slots_needed(load(0, 50, 1)), Some(25));
        assert_eq!(sizing.slots_needed(load(0, 100, 2)), None);
    }

    #[test]
    fn tasks_that_are_not_acknowledged_count_up_to_twice_the_concurrency() {
        let sizing = Sizing::new(10, 0);
        assert_eq!(sizing.slots_needed(load(19, 0, 0)), Some(1));
        assert_eq!(sizing.slots_needed(load(20, 0, 0)), None);
        assert_eq!(sizing.slots_needed(load(15, 5, 1)), None);
        assert_eq!(sizing.slots_needed(load(15, 3, 1)), Some(2));
    }

    #[test]
    fn prefetched_tasks_add_to_what_may_be_held() {
        let sizing = Sizing::new(10, 5);
        assert_eq!(sizing.capacity, 15);
        assert_eq!(sizing.headroom(load(24, 0, 0)), 1);
        assert_eq!(sizing.headroom(load(26, 0, 0)), 0);
    }

    #[test]
    fn a_sweep_asks_for_all_free_slots_up_to_the_largest_sweep_and_the_headroom() {
        let sizing = Sizing::new(100, 0);
        assert_eq!(sizing.size(load(0, 0, 0), 1, 9), 10);
        assert_eq!(sizing.size(load(0, 0, 0), 1, 99), 50);
        assert_eq!(sizing.size(load(190, 0, 0), 1, 99), 10);
    }

    #[test]
    fn a_small_sweep_yields_first() {
        let sizing = Sizing::new(100, 0);
        assert!(!sizing.is_worth_a_call(15));
        assert!(sizing.is_worth_a_call(16));
        assert!(Sizing::new(4, 0).is_worth_a_call(4));
    }
}
