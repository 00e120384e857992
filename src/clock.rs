//! Time and randomness: the source of the current time and of random numbers for the whole crate.
//!
//! The wall clock of this machine may differ from Redis'. What is stored, shown to other programs or
//! compared with stored times is Redis' time: see `RedisClock` in the broker.
//!
//! Callers read the time once and pass it on, so that code which decides by time can be tested with
//! the test's own times. Other sleeps and timeouts are tokio's.

use std::ops::Range;
use std::sync::LazyLock;
use std::time::Duration;

use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use rand::rngs::{OsRng, StdRng};
use rand::{Rng, RngCore, SeedableRng, TryRngCore};
use tokio::time::Instant;

/// The time of this machine's wall clock.
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}

/// The time of the monotonic clock, for durations within this process.
pub(crate) fn monotonic() -> Instant {
    Instant::now()
}

/// The time of both clocks.
pub(crate) fn both() -> BothClocks {
    both_at(now())
}

/// The time of both clocks, where the wall clock has just been read.
pub(crate) fn both_at(wall: DateTime<Utc>) -> BothClocks {
    static ORIGIN: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);
    BothClocks {
        monotonic_ms: ORIGIN.elapsed().as_millis() as i64,
        wall_unix_ms: wall.timestamp_millis(),
    }
}

/// The time of both clocks at one moment, in whole milliseconds. A wall clock that is set, and a
/// machine that was suspended, show as a change of their difference.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BothClocks {
    /// Since some moment in this process.
    pub(crate) monotonic_ms: i64,
    /// Since the Unix epoch.
    pub(crate) wall_unix_ms: i64,
}

/// Sleeps until a time; without a time, forever. For loops that have a next time only now and then.
pub(crate) async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// A random integer in this range.
pub(crate) fn draw(range: Range<u64>) -> u64 {
    rand::rng().random_range(range)
}

/// `duration` times a random factor in this range: `jitter(d, 0.5..1.5)` is `d` on average.
pub(crate) fn jitter(duration: Duration, factor: Range<f64>) -> Duration {
    duration.mul_f64(rand::rng().random_range(factor))
}

/// Draws version 4 UUIDs, for one client or server.
///
/// Each client and each server has a generator of its own, seeded by the operating system. One generator
/// for the whole process would draw the same ids in the parent and in the child after a fork. A client
/// cannot be used after a fork, so its generator cannot either.
#[derive(Debug)]
pub(crate) struct Uuids(Mutex<StdRng>);

impl Uuids {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(StdRng::from_os_rng()))
    }

    pub(crate) fn next(&self) -> String {
        let mut bytes = [0; 16];
        let mut generator = self.0.lock();
        generator.fill_bytes(&mut bytes);
        drop(generator);
        uuid::Builder::from_random_bytes(bytes)
            .into_uuid()
            .to_string()
    }
}

/// A short name that is unique among all servers: 64 random bits of the operating system, in
/// hexadecimal.
pub(crate) fn unique_name() -> String {
    format!("{:x}", OsRng.unwrap_err().next_u64())
}
