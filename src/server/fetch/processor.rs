//! Decides when a sweep starts, and for how many slots. asynq: `processor`.
//!
//! One fetch brings many tasks of one queue. A [sweep](super::sweep) fetches from the open queues. Two sweeps
//! may be in flight at once: the tasks for one half of the slots are fetched while those of the other half
//! run. A sweep holds the permits of the slots for which it asks, so each of its tasks has a slot when it
//! arrives.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::asked_slots::AskedSlots;
use super::sizing::{Load, Sizing};
use super::sweep::Sweeper;
use crate::background::Service;
use crate::clock;

/// How many times a small sweep yields before it starts, as long as that frees more slots.
const MAX_YIELDS: usize = 4;
/// A sweep that takes longer does not count as a sweep in flight any more. A queue that does not answer holds
/// up its own fetch, but not the sweeps that ask the other queues.
const OVERDUE: Duration = Duration::from_secs(1);

pub(in crate::server) struct Processor {
    pub(in crate::server) sweeper: Sweeper,
    pub(in crate::server) sizing: Sizing,
    pub(in crate::server) task_check_interval: Duration,
}

impl Service for Processor {
    const NAME: &'static str = "processor";

    async fn run(self, stop: CancellationToken) {
        let Sweeper {
            queues,
            gates,
            wakeups,
            held,
            acknowledgements,
            ..
        } = &self.sweeper;
        let slots = Arc::new(Semaphore::new(self.sizing.capacity));
        // How many tasks the sweeps in flight may bring.
        let requested = AtomicUsize::new(0);
        let mut sweeps: FuturesUnordered<BoxFuture<'_, Instant>> = FuturesUnordered::new();
        // When the sweeps in flight have started.
        let mut started_at: Vec<Instant> = Vec::new();
        let mut overdue_check = interval(OVERDUE);
        overdue_check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut probes = FuturesUnordered::new();
        // Without tracking, the gates of all drained queues open at this time.
        let mut poll_at = self.next_poll();
        // While it is set, a few acknowledgements of done tasks wait for the next sweep.
        let mut expected = None;
        loop {
            let now = clock::monotonic();
            probes.extend(
                gates
                    .to_probe(now)
                    .into_iter()
                    .map(|queue| self.sweeper.probe(queue)),
            );
            let load = Load {
                held: held.counted_for_limit(),
                requested: requested.load(Ordering::Relaxed),
                sweeps: started_at.iter().filter(|at| now < **at + OVERDUE).count(),
            };
            let any_to_ask = gates.any_to_ask(queues.is_strict());
            let slots_needed = self.sizing.slots_needed(load).filter(|_| any_to_ask);
            match slots_needed {
                // The next free slot starts the sweep.
                Some(1) => {
                    expected.get_or_insert_with(|| acknowledgements.expect_sweep());
                }
                _ => expected = None,
            }
            let pause_end = gates.first_pause_end();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(at) = sweeps.next(), if !sweeps.is_empty() => {
                    if let Some(index) = started_at.iter().position(|other| *other == at) {
                        started_at.swap_remove(index);
                    }
                }
                Some(()) = probes.next(), if !probes.is_empty() => {}
                () = clock::sleep_until(pause_end) => {}
                permits = acquire(&slots, slots_needed.unwrap_or(1)), if slots_needed.is_some() => {
                    let permits = self.add_free_slots(permits, &slots, load).await;
                    let asked = AskedSlots::new(permits, &requested);
                    let (now, expected) = (clock::monotonic(), expected.take());
                    started_at.push(now);
                    let sweeper = &self.sweeper;
                    sweeps.push(Box::pin(async move {
                        sweeper.sweep(asked, expected).await;
                        now
                    }));
                }
                () = held.headroom_changed(), if self.sizing.headroom(load) == 0 => {}
                () = gates.opened(), if !any_to_ask => {}
                _ = overdue_check.tick(), if load.sweeps > 0 => {}
                () = tokio::time::sleep_until(poll_at), if !wakeups.is_tracking() => {
                    poll_at = self.next_poll();
                    gates.open_all();
                }
            }
        }
        drop(expected);
        // The sweeps in flight requeue their tasks.
        while sweeps.next().await.is_some() {}
        acknowledgements.fetching_has_ended();
    }
}

impl Processor {
    /// COMPAT: asynq v0.26.0 also polls after 0.5 to 1.5 times the interval
    fn next_poll(&self) -> Instant {
        clock::monotonic() + clock::jitter(self.task_check_interval, 0.5..1.5)
    }

    /// Adds the permits of the other free slots, as many as one sweep may ask for.
    async fn add_free_slots(
        &self,
        mut permits: OwnedSemaphorePermit,
        slots: &Arc<Semaphore>,
        load: Load,
    ) -> OwnedSemaphorePermit {
        let taken = permits.num_permits();
        for _ in 0..MAX_YIELDS {
            let free = slots.available_permits();
            if self.sizing.is_worth_a_call(taken + free) {
                break;
            }
            // Runs that are about to finish free their slots.
            tokio::task::yield_now().await;
            if slots.available_permits() <= free {
                break;
            }
        }
        let size = self.sizing.size(load, taken, slots.available_permits());
        if let Ok(more) = Arc::clone(slots).try_acquire_many_owned((size - taken) as u32) {
            permits.merge(more);
        }
        permits
    }
}

async fn acquire(slots: &Arc<Semaphore>, least: usize) -> OwnedSemaphorePermit {
    match Arc::clone(slots).acquire_many_owned(least as u32).await {
        Ok(permits) => permits,
        // The semaphore is never closed.
        Err(_) => std::future::pending().await,
    }
}
