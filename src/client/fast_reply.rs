//! Waiting awake for a reply that comes soon.
//!
//! From a Redis on the same machine a reply comes within some ten microseconds. If the caller's thread goes to
//! sleep meanwhile, Redis must wake it, and both often take longer than the reply itself. A lone caller can stay
//! awake instead: it lets other tokio tasks and other programs run, and looks again. On a busy machine, where
//! both share a CPU, sleeping is faster. So both ways are measured now and then, and the faster one is taken.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures_util::poll;

use crate::clock;

/// A reply that takes longer than this (ns) is not waited for awake.
const FAST: u32 = 100_000;
/// How often the caller looks before it sleeps. This takes about as long as a fast reply.
const LOOKS: u32 = 100;
/// Of so many calls, the first ones measure both ways.
const PERIOD: u32 = 512;
/// How many calls measure each way.
const MEASURED: u32 = 8;

/// How long replies have taken of late (ns), asleep and awake. Zero: not measured yet.
#[derive(Default)]
pub(super) struct FastReplies {
    calls: AtomicU32,
    asleep: AtomicU32,
    awake: AtomicU32,
}

impl FastReplies {
    /// Waits for the reply to a call.
    pub(super) async fn wait<T>(&self, mut call: Pin<&mut impl Future<Output = T>>) -> T {
        let n = self.calls.fetch_add(1, Ordering::Relaxed);
        let (asleep, awake) = (load(&self.asleep), load(&self.awake));
        let stays_awake = stays_awake(n, asleep, awake);
        let begin = clock::monotonic();
        let mut looks = if stays_awake { LOOKS } else { 0 };
        let reply = loop {
            if looks == 0 {
                break call.await;
            }
            if let Poll::Ready(reply) = poll!(call.as_mut()) {
                break reply;
            }
            looks -= 1;
            tokio::task::yield_now().await;
            // Redis may be waiting for this CPU.
            std::thread::yield_now();
        };
        let (time, known) = match stays_awake {
            true => (&self.awake, awake),
            false => (&self.asleep, asleep),
        };
        time.store(
            average(known, clock::monotonic() - begin),
            Ordering::Relaxed,
        );
        reply
    }
}

fn load(time: &AtomicU32) -> u32 {
    time.load(Ordering::Relaxed)
}

/// Whether the caller of the `n`-th call stays awake.
fn stays_awake(n: u32, asleep: u32, awake: u32) -> bool {
    let is_fast = asleep < FAST;
    match n % PERIOD {
        ..MEASURED => false,
        n if n < 2 * MEASURED => is_fast,
        // It must be worth the CPU time.
        _ => is_fast && awake < asleep / 8 * 7,
    }
}

/// The moving average with another time. A caller that was interrupted for long counts as a slow one.
fn average(known: u32, took: Duration) -> u32 {
    let took = u32::try_from(took.as_nanos()).unwrap_or(u32::MAX);
    let took = took.clamp(1, 2 * FAST);
    match known {
        0 => took,
        known => known / 8 * 7 + took / 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_are_measured_and_the_faster_one_is_taken() {
        let awake = |asleep, awake| -> Vec<u32> {
            let calls = 0..PERIOD;
            calls.filter(|n| stays_awake(*n, asleep, awake)).collect()
        };
        let measured: Vec<u32> = (MEASURED..2 * MEASURED).collect();
        let all_others: Vec<u32> = (MEASURED..PERIOD).collect();
        assert_eq!(awake(40_000, 30_000), all_others);
        assert_eq!(awake(30_000, 29_000), measured, "hardly faster");
        assert_eq!(awake(30_000, 40_000), measured);
        assert!(awake(500_000, 400_000).is_empty(), "Redis is far away");
    }

    #[test]
    fn the_average_follows_and_one_interruption_does_not_decide_for_long() {
        let micros = Duration::from_micros;
        assert_eq!(average(0, micros(40)), 40_000);
        assert_eq!(average(40_000, micros(48)), 41_000);
        let interrupted = average(40_000, micros(1_000_000));
        assert!(interrupted <= 60_000, "{interrupted}");
    }
}
