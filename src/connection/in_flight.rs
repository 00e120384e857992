//! How much is in flight on one connection: commands that are written and not answered yet.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

/// How many bytes of requests and replies are in flight on one connection at most. A larger command goes alone.
const MOST_IN_FLIGHT: usize = 1 << 20;
/// What a command costs beside its bytes. So at most 4,096 commands are in flight on one connection.
const COMMAND_COST: usize = 256;
/// The slowest link that is waited for (bytes a second).
const SLOWEST: f64 = (128 << 10) as f64;

pub(super) struct InFlight {
    room: Semaphore,
    bytes: AtomicUsize,
}

/// The room of one command, until it is answered.
pub(super) struct Room<'f> {
    in_flight: &'f InFlight,
    bytes: usize,
    _permit: SemaphorePermit<'f>,
}

impl InFlight {
    pub(super) fn new() -> Self {
        Self {
            room: Semaphore::new(MOST_IN_FLIGHT),
            bytes: AtomicUsize::new(0),
        }
    }

    /// Room for a command of this many bytes, if there is some now.
    pub(super) fn try_take(&self, bytes: usize) -> Option<Room<'_>> {
        let permit = self.room.try_acquire_many(permits(bytes)).ok()?;
        Some(self.room_of(bytes, permit))
    }

    /// Waits in line for room. Cancel-safe.
    pub(super) async fn take(&self, bytes: usize) -> Option<Room<'_>> {
        // The semaphore is never closed.
        let permit = self.room.acquire_many(permits(bytes)).await.ok()?;
        Some(self.room_of(bytes, permit))
    }

    /// How long a slow link needs for all that is in flight, and for this many bytes more.
    pub(super) fn link_time(&self, more: usize) -> Duration {
        let bytes = self.bytes.load(Ordering::Relaxed) + more;
        Duration::from_secs_f64(bytes as f64 / SLOWEST)
    }

    fn room_of<'f>(&'f self, bytes: usize, permit: SemaphorePermit<'f>) -> Room<'f> {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Room {
            in_flight: self,
            bytes,
            _permit: permit,
        }
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.in_flight
            .bytes
            .fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

fn permits(bytes: usize) -> u32 {
    (bytes + COMMAND_COST).min(MOST_IN_FLIGHT) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_flight_is_bounded_and_a_larger_command_goes_alone() {
        let in_flight = InFlight::new();
        let small: Vec<_> = std::iter::from_fn(|| in_flight.try_take(0)).collect();
        assert_eq!(small.len(), MOST_IN_FLIGHT / COMMAND_COST);
        assert!(in_flight.try_take(10 * MOST_IN_FLIGHT).is_none());
        drop(small);
        let large = in_flight.try_take(10 * MOST_IN_FLIGHT);
        assert!(large.is_some() && in_flight.try_take(0).is_none());
        assert_eq!(in_flight.link_time(0), Duration::from_secs(80));
        drop(large);
        assert_eq!(in_flight.link_time(MOST_IN_FLIGHT), Duration::from_secs(8));
    }
}
