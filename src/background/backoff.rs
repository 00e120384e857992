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
    /// What has worked for this long does not fail in a row.
    pub(crate) const STABLE: Duration = Duration::from_secs(10);

    pub(crate) fn new() -> Self {
        Self { next: FIRST_PAUSE }
    }

    /// Starts over after a success. Returns whether there was a failure before.
    pub(crate) fn reset(&mut self) -> bool {
        let had_failed = self.next != FIRST_PAUSE;
        self.next = FIRST_PAUSE;
        had_failed
    }

    /// The pause after something has ended that had worked for this time. The pauses start over only if it was
    /// long enough: a connection that is opened again and again, and ends at once each time, has not worked.
    pub(crate) fn pause_after(&mut self, worked_for: Duration) -> Duration {
        if worked_for >= Self::STABLE {
            self.reset();
        }
        self.pause()
    }

    /// The pause after another failure.
    pub(crate) fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(LONGEST_PAUSE);
        clock::jitter(pause, 0.75..1.25)
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
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

    #[test]
    fn what_ends_soon_after_it_began_does_not_start_the_pauses_over() {
        let mut backoff = Backoff::new();
        for _ in 0..10 {
            backoff.pause_after(Duration::from_secs(1));
        }
        assert!(backoff.pause_after(Duration::ZERO) >= LONGEST_PAUSE.mul_f64(0.75));
        assert!(backoff.pause_after(Backoff::STABLE) < Duration::from_millis(126));
    }
}
