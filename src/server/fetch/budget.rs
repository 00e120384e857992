//! How many bytes a fetch may bring. No I/O.
//!
//! A queue with large messages gets a larger budget, as long as the link carries it in time. What has timed out
//! is asked for in a smaller size.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::broker::{FetchLimits, PendingTask};
use crate::metrics;

/// The first budget. So small a reply does not delay others on the same connection for long.
const FIRST: usize = 96 << 10;
/// The largest budget: what a connection has in flight at most, without the cost of a command.
const MOST: usize = (1 << 20) - 256;
/// The smallest budget.
const LEAST: usize = 8 << 10;
/// A reply is expected to have no less than this.
const LEAST_EXPECTED: usize = 1 << 10;

/// The budget of the fetches from one queue.
pub(super) struct FetchBudget {
    bytes: AtomicUsize,
    expected: AtomicUsize,
}

/// The budgets of all queues of a server.
pub(in crate::server) struct FetchBudgets(Vec<FetchBudget>);

impl FetchBudgets {
    /// Budgets for this many queues.
    pub(in crate::server) fn new(queues: usize) -> Self {
        Self((0..queues).map(|_| FetchBudget::new()).collect())
    }

    /// The budget of the queue with this index.
    pub(super) fn of(&self, queue: usize) -> &FetchBudget {
        &self.0[queue]
    }
}

impl FetchBudget {
    pub(super) fn new() -> Self {
        Self {
            bytes: AtomicUsize::new(FIRST),
            expected: AtomicUsize::new(LEAST_EXPECTED),
        }
    }

    /// The limits of the next fetch, which asks for this many tasks.
    pub(super) fn limits(&self, tasks: usize) -> FetchLimits {
        let bytes = self.bytes();
        FetchLimits {
            tasks,
            bytes,
            expected_bytes: self.expected.load(Ordering::Relaxed).min(bytes),
            with_since: metrics::ON,
        }
    }

    /// The size in which a part of a large message is asked for.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// A fetch has brought these tasks. `was_full`: the budget ended it.
    pub(super) fn was_answered(&self, tasks: &[PendingTask], was_full: bool) {
        if was_full {
            self.was_full();
        } else {
            let brought = tasks.iter().map(|pending| pending.task.message.len());
            self.was_enough(brought.sum());
        }
    }

    /// What was brought was as much as the budget allowed.
    pub(super) fn was_full(&self) {
        let bytes = (self.bytes() * 2).min(MOST);
        self.set(bytes, bytes);
    }

    /// A fetch has brought all that was asked for, with this many bytes.
    fn was_enough(&self, brought: usize) {
        let mut bytes = self.bytes();
        if brought < bytes / 4 && bytes > FIRST {
            bytes = (bytes / 2).max(FIRST);
        }
        self.set(bytes, (brought * 2).max(LEAST_EXPECTED));
    }

    /// What was asked for has not arrived in time.
    pub(super) fn timed_out(&self) {
        let bytes = (self.bytes() / 2).max(LEAST);
        self.set(bytes, bytes);
    }

    fn set(&self, bytes: usize, expected: usize) {
        self.bytes.store(bytes, Ordering::Relaxed);
        self.expected.store(expected, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_grows_while_it_is_too_small_and_shrinks_after_a_timeout_or_for_small_messages() {
        let budget = FetchBudget::new();
        let grown: Vec<usize> = (0..5)
            .map(|_| {
                budget.was_full();
                budget.bytes()
            })
            .collect();
        assert_eq!(grown, [2 * FIRST, 4 * FIRST, 8 * FIRST, MOST, MOST]);
        assert_eq!(budget.limits(3).expected_bytes, MOST);
        budget.timed_out();
        assert_eq!(budget.bytes(), MOST / 2);
        budget.was_enough(MOST / 3);
        assert_eq!(budget.bytes(), MOST / 2);
        for _ in 0..5 {
            budget.was_enough(100);
        }
        assert_eq!(budget.bytes(), FIRST);
        assert_eq!(budget.limits(3).expected_bytes, LEAST_EXPECTED);
        for _ in 0..9 {
            budget.timed_out();
        }
        assert_eq!(budget.bytes(), LEAST);
    }
}
