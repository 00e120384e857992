//! The slots for which fetches ask.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::OwnedSemaphorePermit;

/// The slots for which a sweep or a fetch asks.
pub(super) struct AskedSlots<'p> {
    permits: OwnedSemaphorePermit,
    /// How many tasks all sweeps in flight may bring.
    requested: &'p AtomicUsize,
}

impl<'p> AskedSlots<'p> {
    pub(super) fn new(permits: OwnedSemaphorePermit, requested: &'p AtomicUsize) -> Self {
        requested.fetch_add(permits.num_permits(), Ordering::Relaxed);
        Self { permits, requested }
    }

    pub(super) fn count(&self) -> usize {
        self.permits.num_permits()
    }

    /// Splits off up to `most` slots. `None` if that is none at all.
    pub(super) fn split(&mut self, most: usize) -> Option<Self> {
        let slots = most.min(self.count());
        let permits = self.permits.split(slots).filter(|_| slots > 0)?;
        let requested = self.requested;
        Some(Self { permits, requested })
    }

    pub(super) fn merge(&mut self, mut other: Self) {
        if let Some(permits) = other.permits.split(other.count()) {
            self.permits.merge(permits);
        }
    }

    /// Takes the slot of a run.
    pub(super) fn take_one(&mut self) -> Option<OwnedSemaphorePermit> {
        let permit = self.permits.split(1)?;
        self.requested.fetch_sub(1, Ordering::Relaxed);
        Some(permit)
    }
}

/// Slots that no task has taken become free.
impl Drop for AskedSlots<'_> {
    fn drop(&mut self) {
        self.requested.fetch_sub(self.count(), Ordering::Relaxed);
    }
}
