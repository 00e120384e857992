//! The delay from a failed run to the next run of the task.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::clock;
use crate::pattern::is_odd;
use crate::task::Task;

/// The longest delay: 100 years of 365 days. Redis and Go programs may not handle later
/// times correctly.
pub const MAX_DELAY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The delay from a failed run to the next run of the task. It is a function of the number of counted
/// retries so far, the error, and the task. asynq: `RetryDelayFunc`.
///
/// A delay above [`MAX_DELAY`] is cut to [`MAX_DELAY`]. The server makes 1 s of a delay below 1 s. Zero means at
/// once, except after an error that does not [count](crate::Server::is_failure): then it is 1 s too, because
/// nothing would end the retries. The time at which the task is due is cut to a whole second, so the task may run
/// up to a second early.
///
/// ```
/// use rasynq::RetryDelay;
/// use std::time::Duration;
///
/// let delay = RetryDelay::by_type(
///     [
///         ("email:", RetryDelay::constant(Duration::from_secs(10))),
///         ("email:digest", RetryDelay::fibonacci(Duration::from_secs(60)).at_most(Duration::from_secs(3600))),
///     ],
///     RetryDelay::exponential(),
/// );
/// ```
#[derive(Clone)]
pub struct RetryDelay(Arc<DelayFunction>);

type DelayFunction = dyn Fn(u32, &anyhow::Error, &Task) -> Duration + Send + Sync;

impl RetryDelay {
    /// Uses your own function. Its arguments are the number of counted retries so far (0 after the
    /// first run), the error of the run, and the task.
    ///
    /// ```
    /// use rasynq::RetryDelay;
    /// use std::time::Duration;
    /// let linear = RetryDelay::new(|retried, _error, _task| Duration::from_secs(30) * (retried + 1));
    /// ```
    pub fn new(
        function: impl Fn(u32, &anyhow::Error, &Task) -> Duration + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(function))
    }

    /// `n⁴ + 15 + r·(n + 1)` seconds, where `n` is the number of counted retries so far and `r` a
    /// random integer from 0 to 29.
    ///
    /// The first delay is 15 s to 44 s; the delays of the default 25 retries add up to about 20
    /// days. This is the default of a server. asynq: `DefaultRetryDelayFunc`.
    pub fn exponential() -> Self {
        Self::new(|retried, _, _| exponential(retried, clock::draw(0..30)))
    }

    /// The same delay after each failure.
    pub fn constant(delay: Duration) -> Self {
        Self::new(move |_, _, _| delay)
    }

    /// 1, 1, 2, 3, 5, 8, … times `unit`.
    pub fn fibonacci(unit: Duration) -> Self {
        Self::new(move |retried, _, _| fibonacci(unit, retried))
    }

    /// Chooses a delay by the task's type: the longest of the given prefixes with which the type
    /// begins decides. If the type begins with none of them, `fallback` decides. If a prefix is given
    /// twice, its first delay counts, and a warning is logged. A prefix is plain text: one with `*`, `^` or a blank
    /// is logged as a warning.
    pub fn by_type<P: Into<String>>(
        delays: impl IntoIterator<Item = (P, Self)>,
        fallback: Self,
    ) -> Self {
        let mut delays: Vec<(String, Self)> = delays
            .into_iter()
            .map(|(prefix, delay)| (prefix.into(), delay))
            .collect();
        for (prefix, _) in delays.iter().filter(|(prefix, _)| is_odd(prefix)) {
            tracing::warn!(
                prefix,
                "the prefix of a delay is plain text: `*`, `^` and blanks in it stand for themselves"
            );
        }
        for (n, (prefix, _)) in delays.iter().enumerate() {
            if delays[..n].iter().any(|(earlier, _)| earlier == prefix) {
                tracing::warn!(prefix, "a prefix is given twice, its first delay counts");
            }
        }
        delays.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Self::new(move |retried, error, task| {
            delays
                .iter()
                .find(|(prefix, _)| task.task_type().starts_with(prefix.as_str()))
                .map_or(&fallback, |(_, delay)| delay)
                .delay(retried, error, task)
        })
    }

    /// Limits the delay to `longest`.
    #[must_use]
    pub fn at_most(self, longest: Duration) -> Self {
        Self::new(move |retried, error, task| self.delay(retried, error, task).min(longest))
    }

    /// The delay after a run of `task` that failed with `error`. `retried` is the number of counted
    /// retries so far.
    pub fn delay(&self, retried: u32, error: &anyhow::Error, task: &Task) -> Duration {
        (self.0)(retried, error, task).min(MAX_DELAY)
    }
}

/// The default is [`RetryDelay::exponential`].
impl Default for RetryDelay {
    fn default() -> Self {
        Self::exponential()
    }
}

impl fmt::Debug for RetryDelay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryDelay").finish_non_exhaustive()
    }
}

fn exponential(retried: u32, random: u64) -> Duration {
    let n = u64::from(retried);
    Duration::from_secs(
        n.saturating_pow(4)
            .saturating_add(15)
            .saturating_add(random * (n + 1)),
    )
}

fn fibonacci(unit: Duration, retried: u32) -> Duration {
    // 100 steps are enough: a sequence from 1 ns exceeds MAX_DELAY before that, and one from zero
    // stays zero.
    let (mut this, mut next) = (unit, unit);
    for _ in 0..retried.min(100) {
        (this, next) = (next, this.saturating_add(next));
    }
    this
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(delay: &RetryDelay, retried: u32, task_type: &str) -> Duration {
        let error = anyhow::anyhow!("boom");
        delay.delay(retried, &error, &Task::new(task_type, ""))
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    // asynq: DefaultRetryDelayFunc
    #[test]
    fn exponential_delay_is_asynqs_from_bound_to_bound() {
        for (retried, least, most) in [
            (0, 15, 15 + 29),
            (1, 1 + 15, 1 + 15 + 29 * 2),
            (2, 16 + 15, 16 + 15 + 29 * 3),
            (10, 10_000 + 15, 10_000 + 15 + 29 * 11),
            (25, 390_625 + 15, 390_625 + 15 + 29 * 26),
        ] {
            assert_eq!(exponential(retried, 0), secs(least));
            assert_eq!(exponential(retried, 29), secs(most));
            let step = u64::from(retried) + 1;
            for _ in 0..200 {
                let delay = after(&RetryDelay::exponential(), retried, "any").as_secs();
                assert!((least..=most).contains(&delay), "{delay} for {retried}");
                assert_eq!((delay - least) % step, 0);
            }
        }
    }

    #[test]
    fn no_delay_is_longer_than_a_century() {
        let presets = [
            RetryDelay::exponential(),
            RetryDelay::fibonacci(secs(1)),
            RetryDelay::fibonacci(Duration::from_nanos(1)),
            RetryDelay::fibonacci(Duration::MAX),
            RetryDelay::constant(Duration::MAX),
        ];
        for delay in presets {
            assert_eq!(after(&delay, u32::MAX, "any"), MAX_DELAY);
        }
    }

    #[test]
    fn fibonacci_delay_adds_the_last_two() {
        let delay = RetryDelay::fibonacci(secs(10));
        let delays: Vec<_> = (0..8).map(|n| after(&delay, n, "any").as_secs()).collect();
        assert_eq!(delays, [10, 10, 20, 30, 50, 80, 130, 210]);
        assert_eq!(
            after(&RetryDelay::fibonacci(Duration::ZERO), u32::MAX, "any"),
            Duration::ZERO
        );
    }

    #[test]
    fn delay_by_type_takes_the_longest_prefix_and_else_the_fallback() {
        let delay = RetryDelay::by_type(
            [
                ("email:", RetryDelay::constant(secs(1))),
                ("email:digest:", RetryDelay::constant(secs(2))),
                ("email:digest:", RetryDelay::constant(secs(9))),
            ],
            RetryDelay::constant(secs(3)),
        );
        assert_eq!(after(&delay, 0, "email:welcome"), secs(1));
        assert_eq!(after(&delay, 0, "email:digest:weekly"), secs(2));
        assert_eq!(after(&delay, 0, "image:resize"), secs(3));
    }

    #[test]
    fn a_delay_can_be_bounded() {
        let delay = RetryDelay::fibonacci(secs(1)).at_most(secs(4));
        assert_eq!(after(&delay, 3, "any"), secs(3));
        assert_eq!(after(&delay, 30, "any"), secs(4));
    }
}
