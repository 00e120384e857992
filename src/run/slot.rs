//! The permits that one run holds (its slot and, if it was prefetched, its permit to run), and who uses
//! them.
//!
//! The server releases a run's slot when the run is over. A blocking handler borrows the slot for its
//! thread: while the slot is borrowed, `release` frees nothing, and the last borrower frees the
//! permits. So a server never works on more tasks than its concurrency, although a thread cannot be
//! stopped.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::OwnedSemaphorePermit;

/// A run's permits. A clone of its `Arc` keeps no permit: only the slot and its borrowers count.
#[derive(Debug)]
pub(crate) struct Slot(Mutex<SlotState>);

/// The permit of a task that the server has fetched and, if the server prefetches, a second permit
/// that lets the run begin.
type Permits = [Option<OwnedSemaphorePermit>; 2];

#[derive(Debug)]
struct SlotState {
    permits: Permits,
    /// How many [`BorrowedSlot`]s there are.
    borrowed: usize,
    /// Whether the run is over.
    released: bool,
}

impl Slot {
    /// Creates the slot of a new run. Without a permit it is the slot of a run in a test.
    pub(crate) fn new(permit: Option<OwnedSemaphorePermit>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(SlotState {
            permits: [permit, None],
            borrowed: 0,
            released: false,
        })))
    }

    /// Adds the second permit: a prefetched task may run now. If the slot is already released, the
    /// permit is freed at once.
    pub(crate) fn add(&self, permit: OwnedSemaphorePermit) {
        let mut state = self.0.lock();
        if !state.released {
            let [_, second] = &mut state.permits;
            *second = Some(permit);
        }
    }

    /// Borrows the slot, so that the permits stay taken until the value is dropped. `None` after the
    /// release: the run is over.
    pub(crate) fn borrow(self: &Arc<Self>) -> Option<BorrowedSlot> {
        let mut state = self.0.lock();
        if state.released {
            return None;
        }
        state.borrowed += 1;
        drop(state);
        Some(BorrowedSlot(Arc::clone(self)))
    }

    /// Releases the slot: the run is over. Another call changes nothing.
    ///
    /// The permits become free when the caller drops the returned value. If the slot is borrowed, they
    /// become free when the last borrower is dropped.
    pub(crate) fn release(&self) -> Released {
        let mut state = self.0.lock();
        state.released = true;
        let freed_now = state.borrowed == 0;
        Released {
            freed_now,
            _permits: if freed_now {
                std::mem::take(&mut state.permits)
            } else {
                Permits::default()
            },
        }
    }
}

/// A slot after its run. Dropping it frees the permits, unless they are still borrowed.
#[must_use = "dropping it frees the permits: choose when"]
#[derive(Debug)]
pub(crate) struct Released {
    /// Whether the permits become free with this value, because nobody borrows them.
    pub(crate) freed_now: bool,
    _permits: Permits,
}

/// Keeps the permits of a slot taken, even after its run is over.
#[derive(Debug)]
pub(crate) struct BorrowedSlot(Arc<Slot>);

impl Drop for BorrowedSlot {
    fn drop(&mut self) {
        let mut state = self.0.0.lock();
        state.borrowed -= 1;
        let freed = if state.released && state.borrowed == 0 {
            std::mem::take(&mut state.permits)
        } else {
            Permits::default()
        };
        // A freed permit wakes the processor. Unlock before that.
        drop(state);
        drop(freed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;

    fn slot_of(semaphore: &Arc<Semaphore>) -> Arc<Slot> {
        Slot::new(Some(permit_of(semaphore)))
    }

    fn permit_of(semaphore: &Arc<Semaphore>) -> OwnedSemaphorePermit {
        Arc::clone(semaphore)
            .try_acquire_owned()
            .expect("a free permit")
    }

    #[test]
    fn a_slot_is_free_once_its_release_is_dropped() {
        let (held, running) = (Arc::new(Semaphore::new(1)), Arc::new(Semaphore::new(1)));
        let slot = slot_of(&held);
        slot.add(permit_of(&running));
        let released = slot.release();
        assert!(released.freed_now);
        assert_eq!(held.available_permits(), 0);
        drop(released);
        assert_eq!(held.available_permits(), 1);
        assert_eq!(running.available_permits(), 1);
    }

    #[test]
    fn the_last_borrower_frees_the_slot_of_a_run_that_is_over() {
        let semaphore = Arc::new(Semaphore::new(1));
        let slot = slot_of(&semaphore);
        let first = slot.borrow().expect("the run goes on");
        let second = slot.borrow().expect("the run goes on");
        let released = slot.release();
        assert!(!released.freed_now);
        drop(released);
        drop(first);
        assert_eq!(semaphore.available_permits(), 0);
        drop(second);
        assert_eq!(semaphore.available_permits(), 1);
    }

    #[test]
    fn a_borrower_that_returns_before_the_release_frees_nothing() {
        let semaphore = Arc::new(Semaphore::new(1));
        let slot = slot_of(&semaphore);
        drop(slot.borrow());
        assert_eq!(semaphore.available_permits(), 0);
        assert!(slot.release().freed_now);
        assert_eq!(semaphore.available_permits(), 1);
    }

    #[test]
    fn a_released_slot_cannot_be_borrowed_and_takes_no_permit() {
        let semaphore = Arc::new(Semaphore::new(1));
        let slot = Slot::new(None);
        let borrowed = slot.borrow().expect("the run goes on");
        drop(slot.release());
        assert!(slot.borrow().is_none());
        drop(borrowed);
        assert!(slot.borrow().is_none());
        slot.add(permit_of(&semaphore));
        assert_eq!(semaphore.available_permits(), 1);
    }
}
