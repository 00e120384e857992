//! The slots of a server's jobs: so many sets are aggregated at once.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How long a call to Redis keeps the slot of its job. After that another job gets it, because Redis may not answer for
/// long.
const LONGEST_CALL: Duration = Duration::from_secs(1);

/// The slot of a job.
pub(super) struct JobSlot {
    slots: Arc<Semaphore>,
    /// `None`: it was given away.
    permit: Option<OwnedSemaphorePermit>,
}

impl JobSlot {
    /// A slot that is free now.
    pub(super) fn free(slots: &Arc<Semaphore>) -> Option<Self> {
        let permit = Arc::clone(slots).try_acquire_owned().ok();
        permit.map(|permit| Self {
            slots: Arc::clone(slots),
            permit: Some(permit),
        })
    }

    /// Makes calls to Redis. If they take long, the slot is given away.
    pub(super) async fn lent_during<F: Future>(&mut self, calls: F) -> F::Output {
        let mut calls = pin!(calls);
        if let Ok(output) = timeout(LONGEST_CALL, &mut calls).await {
            return output;
        }
        self.permit = None;
        calls.await
    }

    /// Waits until the job has its slot again, if it was given away.
    pub(super) async fn taken_back(&mut self) {
        if self.permit.is_none() {
            self.permit = Arc::clone(&self.slots).acquire_owned().await.ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_call_that_takes_long_gives_its_slot_away_until_it_is_taken_back() {
        let slots = Arc::new(Semaphore::new(1));
        let mut slot = JobSlot::free(&slots).expect("it is free");
        assert_eq!(slot.lent_during(ready(7)).await, 7);
        assert!(JobSlot::free(&slots).is_none(), "the call was short");
        let call = tokio::time::sleep(LONGEST_CALL * 2);
        slot.lent_during(call).await;
        let other = JobSlot::free(&slots).expect("the call was long");
        let taken_back = timeout(LONGEST_CALL, slot.taken_back());
        assert!(taken_back.await.is_err(), "another job has it");
        drop(other);
        slot.taken_back().await;
        assert!(JobSlot::free(&slots).is_none());
    }
}
