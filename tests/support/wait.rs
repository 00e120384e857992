//! Waiting for a condition instead of a fixed time.

use std::future::Future;
use std::time::{Duration, Instant};

/// How long a test waits for a condition. It should take milliseconds; the limit allows for a busy
/// machine.
pub const DEADLINE: Duration = Duration::from_secs(60);

const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Polls `check` until it is true; panics with `what` when it is not true within `deadline`.
#[track_caller]
pub fn eventually<F, Fut>(
    what: &str,
    deadline: Duration,
    mut check: F,
) -> impl Future<Output = ()> + use<F, Fut>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    poll_until(what, deadline, move || {
        let checking = check();
        async move { checking.await.then_some(()) }
    })
}

/// Polls `probe` until it gives a value; panics with `what` when there is none within `deadline`.
#[track_caller]
pub fn poll_until<T, F, Fut>(
    what: &str,
    deadline: Duration,
    mut probe: F,
) -> impl Future<Output = T> + use<T, F, Fut>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let caller = std::panic::Location::caller();
    let what = what.to_owned();
    async move {
        let started = Instant::now();
        loop {
            if let Some(value) = probe().await {
                return value;
            }
            assert!(
                started.elapsed() < deadline,
                "{caller}: not within {deadline:?}: {what}"
            );
            // the interval of the poll; the loop ends at the deadline
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
}
