//! Pauses between attempts that fail in a row.

use std::time::Duration;

use crate::clock;

/// The pause after the first failure.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause after failures in a row.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Pauses that double from 100 ms to 5 s, each with 25 % jitter.
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Self { next: FIRST_PAUSE }
    }

    /// Starts over after a success. Returns whether there was a failure before.
    pub(crate) fn reset(&mut self) -> bool {
        let had_failed = self.next != FIRST_PAUSE;
        self.next = FIRST_PAUSE;
        had_failed
    }

    /// The pause after another failure.
    pub(crate) fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(LONGEST_PAUSE);
        clock::jitter(pause, 0.75..1.25)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit_and_start_over_after_a_success() {
        let mut backoff = Backoff::new();
        let pauses: Vec<_> = (0..10).map(|_| backoff.pause()).collect();
        assert!(pauses[0] < Duration::from_millis(126), "{pauses:?}");
        assert!(pauses[9] >= LONGEST_PAUSE.mul_f64(0.75), "{pauses:?}");
        assert!(pauses[9] <= LONGEST_PAUSE.mul_f64(1.25), "{pauses:?}");
        assert!(backoff.reset());
        assert!(!backoff.reset());
        assert!(backoff.pause() < Duration::from_millis(126));
    }
}
