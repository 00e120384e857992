//! The loop that the parts of a server share.

use std::future::Future;
use std::time::Duration;

use rand::Rng;
use tokio_util::sync::CancellationToken;

use crate::error::Result;

/// The shortest pause after a failure.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause after failures in a row.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A part that does one thing again and again.
pub(super) trait Part: Send {
    /// Its name in logs.
    const NAME: &'static str;

    /// Does it once. May be dropped at any `.await` when the server shuts down.
    fn run_once(&mut self) -> impl Future<Output = Result<()>> + Send;
}

/// Runs a part every `interval`, at once first if `at_start`, until `stop`; returns it then.
///
/// A failure is logged and tried again at the next turn.
pub(super) async fn repeat<P: Part>(
    mut part: P,
    interval: Duration,
    at_start: bool,
    stop: CancellationToken,
) -> P {
    let work = async {
        if !at_start {
            tokio::time::sleep(interval).await;
        }
        loop {
            if let Err(error) = part.run_once().await {
                tracing::warn!(part = P::NAME, %error, "failed, will be tried again");
            }
            tokio::time::sleep(interval).await;
        }
    };
    stop.run_until_cancelled(work).await;
    part
}

/// Pauses between attempts that fail in a row: each twice as long, with jitter, up to a limit.
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { next: FIRST_PAUSE }
    }

    pub(super) fn reset(&mut self) {
        self.next = FIRST_PAUSE;
    }

    pub(super) fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(LONGEST_PAUSE);
        pause.mul_f64(rand::rng().random_range(0.75..1.25))
    }
}

/// A duration between half of `interval` and one and a half.
pub(super) fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(rand::rng().random_range(0.5..1.5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_after_failures_double_up_to_a_limit_and_begin_anew_after_a_success() {
        let mut backoff = Backoff::new();
        let pauses: Vec<_> = (0..10).map(|_| backoff.pause()).collect();
        assert!(pauses[0] < Duration::from_millis(126), "{pauses:?}");
        assert!(pauses[9] >= LONGEST_PAUSE.mul_f64(0.75), "{pauses:?}");
        assert!(pauses[9] <= LONGEST_PAUSE.mul_f64(1.25), "{pauses:?}");
        backoff.reset();
        assert!(backoff.pause() < Duration::from_millis(126));
    }
}
