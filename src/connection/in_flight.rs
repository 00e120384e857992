//! How much is in flight on one connection: commands that are written and not answered yet.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use std::time::Duration;

use parking_lot::Mutex;
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
    next_number: AtomicU64,
    /// Commands that nobody waits for any more, although they are not answered.
    abandoned: Mutex<Vec<Taken>>,
    any_abandoned: AtomicBool,
}

/// What one command takes.
#[derive(Clone, Copy)]
struct Taken {
    /// In the order in which the commands are written.
    number: u64,
    bytes: usize,
}

/// The room of one command, until it is answered. If it is dropped before, the command may have been written
/// all the same: it counts as in flight until a later command is answered, or the connection is lost.
pub(super) struct Room<'f> {
    in_flight: &'f InFlight,
    taken: Taken,
    is_answered: bool,
}

impl InFlight {
    pub(super) fn new() -> Self {
        Self {
            room: Semaphore::new(MOST_IN_FLIGHT),
            bytes: AtomicUsize::new(0),
            next_number: AtomicU64::new(0),
            abandoned: Mutex::default(),
            any_abandoned: AtomicBool::new(false),
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

    /// All that was written before now is answered, or will not be: the connection is lost, or has answered
    /// a command that was written now.
    pub(super) fn release_abandoned(&self) {
        self.release_before(u64::MAX);
    }

    /// The commands that were written before the one with this number are answered: replies come in order.
    fn release_before(&self, number: u64) {
        if !self.any_abandoned.load(Ordering::Acquire) {
            return;
        }
        let mut abandoned = self.abandoned.lock();
        abandoned.retain(|taken| {
            let stays = taken.number >= number;
            if !stays {
                self.release(*taken);
            }
            stays
        });
        self.any_abandoned
            .store(!abandoned.is_empty(), Ordering::Release);
    }

    fn release(&self, taken: Taken) {
        self.bytes.fetch_sub(taken.bytes, Ordering::Relaxed);
        self.room.add_permits(permits(taken.bytes) as usize);
    }

    fn room_of<'f>(&'f self, bytes: usize, permit: SemaphorePermit<'f>) -> Room<'f> {
        // `release` gives it back.
        permit.forget();
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        Room {
            in_flight: self,
            taken: Taken { number, bytes },
            is_answered: false,
        }
    }
}

impl Room<'_> {
    /// The command is answered, or was not written.
    pub(super) fn free(mut self) {
        self.is_answered = true;
    }

    /// The command is answered, and with it all that were written before.
    pub(super) fn answered(self) {
        self.in_flight.release_before(self.taken.number);
        self.free();
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        if self.is_answered {
            self.in_flight.release(self.taken);
        } else {
            self.in_flight.abandoned.lock().push(self.taken);
            self.in_flight.any_abandoned.store(true, Ordering::Release);
        }
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
        small.into_iter().for_each(Room::free);
        let large = in_flight.try_take(10 * MOST_IN_FLIGHT);
        assert!(large.is_some() && in_flight.try_take(0).is_none());
        assert_eq!(in_flight.link_time(0), Duration::from_secs(80));
        large.into_iter().for_each(Room::free);
        assert_eq!(in_flight.link_time(MOST_IN_FLIGHT), Duration::from_secs(8));
    }

    #[test]
    fn a_command_that_nobody_waits_for_is_in_flight_until_a_later_one_is_answered() {
        let in_flight = InFlight::new();
        let earlier = in_flight.try_take(0);
        drop(in_flight.try_take(MOST_IN_FLIGHT / 2));
        assert!(in_flight.try_take(MOST_IN_FLIGHT / 2).is_none());
        earlier.into_iter().for_each(Room::answered);
        assert!(in_flight.try_take(MOST_IN_FLIGHT / 2).is_none());
        in_flight.try_take(0).into_iter().for_each(Room::answered);
        let room = in_flight.try_take(MOST_IN_FLIGHT / 2);
        assert!(room.is_some());
        drop(room);
        in_flight.release_abandoned();
        assert_eq!(in_flight.link_time(0), Duration::ZERO);
    }
}
