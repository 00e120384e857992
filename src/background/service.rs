//! Services: how they start, run and stop.

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::ToldFailures;
use crate::error::{Result, warn_if};
use crate::guard::caught_future;

/// How long an aborted service may take to end.
const LAST_POLL: Duration = Duration::from_millis(500);

/// A part that works in the background until it is asked to stop.
pub(crate) trait Service: Send + 'static {
    /// Its name in logs.
    const NAME: &'static str;

    /// Works until `stop` fires, then brings its work to an end and returns.
    ///
    /// The future may be dropped at any `.await` if it takes too long to return.
    fn run(self, stop: CancellationToken) -> impl Future<Output = ()> + Send;
}

/// A part that makes one pass after another, with a pause between them.
pub(crate) trait Periodic: Send + 'static {
    /// Its name in logs.
    const NAME: &'static str;
    /// What a pass did, for trace logs.
    type Done: Debug + Send;

    /// Makes one pass. The future may be dropped at any `.await` when the service is stopped.
    fn pass(&mut self) -> impl Future<Output = Result<Self::Done>> + Send;

    /// Cleans up after the last pass.
    fn finish(&mut self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// A service that makes a pass of `P`, waits for the interval, and makes the next one. A pass that fails or
/// panics is logged.
pub(crate) struct Every<P> {
    part: P,
    interval: Duration,
    first_pass_at_start: bool,
}

impl<P: Periodic> Every<P> {
    /// The first pass comes after one interval.
    pub(crate) fn new(interval: Duration, part: P) -> Self {
        Self {
            part,
            interval,
            first_pass_at_start: false,
        }
    }

    /// The first pass comes at the start.
    pub(crate) fn also_at_start(mut self) -> Self {
        self.first_pass_at_start = true;
        self
    }
}

impl<P: Periodic> Service for Every<P> {
    const NAME: &'static str = P::NAME;

    async fn run(mut self, stop: CancellationToken) {
        let passes = async {
            if !self.first_pass_at_start {
                tokio::time::sleep(self.interval).await;
            }
            let mut told = ToldFailures::default();
            loop {
                match caught_future(self.part.pass()).await {
                    Ok(Ok(done)) => {
                        told.succeeded(&());
                        tracing::trace!(service = P::NAME, ?done, "pass made");
                    }
                    Ok(Err(error)) => {
                        let is_news = told.failed((), &error);
                        warn_if!(is_news, service = P::NAME, %error, "a pass failed, the next one will try again");
                    }
                    Err(panic) => {
                        tracing::error!(
                            service = P::NAME,
                            error = panic.logged_text(),
                            "a pass panicked, the next one will try again"
                        );
                    }
                }
                tokio::time::sleep(self.interval).await;
            }
        };
        stop.run_until_cancelled(passes).await;
        self.part.finish().await;
    }
}

/// A service that was started. If the handle is dropped, the service is aborted.
pub(crate) struct ServiceHandle {
    stop: CancellationToken,
    task: JoinHandle<()>,
    has_ended: bool,
}

impl ServiceHandle {
    /// Starts a service that stops when `stop` fires. If it panics, this is logged, and `failed` fires.
    pub(crate) fn start<S: Service>(
        service: S,
        stop: CancellationToken,
        failed: CancellationToken,
    ) -> Self {
        let work = caught_future(service.run(stop.clone()));
        let supervised = async move {
            if let Err(panic) = work.await {
                failed.cancel();
                let error = panic.logged_text();
                tracing::error!(service = S::NAME, error, "a service panicked");
            }
        };
        Self {
            task: tokio::spawn(supervised),
            stop,
            has_ended: false,
        }
    }

    /// Waits until the service has ended. Cancel-safe.
    pub(crate) async fn ended(&mut self) {
        if self.has_ended {
            return;
        }
        // An error means that the service was aborted.
        let _ = (&mut self.task).await;
        self.has_ended = true;
    }

    /// Asks the service to stop and waits until it has ended. After `deadline` it is aborted.
    /// Returns whether it ended before the deadline.
    pub(crate) async fn stop(&mut self, deadline: Instant) -> bool {
        self.stop.cancel();
        if timeout_at(deadline, self.ended()).await.is_ok() {
            return true;
        }
        self.task.abort();
        // A service cannot end while all threads of the runtime are blocked.
        let _ = timeout(LAST_POLL, self.ended()).await;
        false
    }
}

impl Drop for ServiceHandle {
    fn drop(&mut self) {
        self.stop.cancel();
        self.task.abort();
    }
}

/// Services that stop together.
pub(crate) struct Services {
    stop: CancellationToken,
    failed: CancellationToken,
    started: Vec<ServiceHandle>,
}

impl Services {
    /// No services so far. If one of them panics, `failed` fires.
    pub(crate) fn new(failed: CancellationToken) -> Self {
        Self {
            stop: CancellationToken::new(),
            failed,
            started: Vec::new(),
        }
    }

    /// Starts another service.
    pub(crate) fn start<S: Service>(&mut self, service: S) {
        let (stop, failed) = (self.stop.clone(), self.failed.clone());
        self.started
            .push(ServiceHandle::start(service, stop, failed));
    }

    /// Asks all services to stop and waits until they have ended. After `deadline` they are aborted.
    pub(crate) async fn stop(&mut self, deadline: Instant) {
        let stops = self
            .started
            .iter_mut()
            .map(|service| service.stop(deadline));
        futures_util::future::join_all(stops).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::clock;

    /// Counts its passes, and how often it cleaned up.
    #[derive(Clone, Default)]
    struct Counter {
        passes: Arc<AtomicUsize>,
        finished: Arc<AtomicUsize>,
    }

    impl Periodic for Counter {
        const NAME: &'static str = "counter";
        type Done = usize;

        async fn pass(&mut self) -> Result<usize> {
            Ok(self.passes.fetch_add(1, Ordering::Relaxed))
        }

        async fn finish(&mut self) {
            self.finished.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn services() -> Services {
        Services::new(CancellationToken::new())
    }

    fn in_ten_seconds() -> Instant {
        clock::monotonic() + Duration::from_secs(10)
    }

    #[tokio::test(start_paused = true)]
    async fn passes_come_at_the_interval_until_the_stop_and_the_part_cleans_up_once() {
        let counter = Counter::default();
        let mut services = services();
        services.start(Every::new(Duration::from_secs(1), counter.clone()));
        tokio::time::sleep(Duration::from_millis(3_500)).await;
        assert_eq!(counter.passes.load(Ordering::Relaxed), 3);
        services.stop(in_ten_seconds()).await;
        services.stop(in_ten_seconds()).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(counter.passes.load(Ordering::Relaxed), 3);
        assert_eq!(counter.finished.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_pass_may_come_at_the_start() {
        let counter = Counter::default();
        let mut services = services();
        services.start(Every::new(Duration::from_secs(1), counter.clone()).also_at_start());
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(counter.passes.load(Ordering::Relaxed), 1);
    }

    /// Does not end when it is asked to stop.
    struct Stubborn;

    impl Service for Stubborn {
        const NAME: &'static str = "stubborn";

        async fn run(self, _stop: CancellationToken) {
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_does_not_stop_is_aborted_at_the_deadline() {
        let token = CancellationToken::new;
        let mut service = ServiceHandle::start(Stubborn, token(), token());
        assert!(!service.stop(in_ten_seconds()).await);
    }

    /// Panics at once.
    struct Fragile;

    impl Service for Fragile {
        const NAME: &'static str = "fragile";

        async fn run(self, _stop: CancellationToken) {
            panic!("too fragile");
        }
    }

    /// Panics in each pass, after the pass of the counter.
    impl Periodic for (Fragile, Counter) {
        const NAME: &'static str = "fragile";
        type Done = ();

        async fn pass(&mut self) -> Result<()> {
            self.1.pass().await?;
            panic!("too fragile");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_panics_is_noticed_at_once() {
        let failed = CancellationToken::new();
        let stop = CancellationToken::new();
        let mut service = ServiceHandle::start(Fragile, stop, failed.clone());
        failed.cancelled().await;
        assert!(service.stop(in_ten_seconds()).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pass_that_panics_is_followed_by_the_next_one() {
        let failed = CancellationToken::new();
        let mut services = Services::new(failed.clone());
        let counter = Counter::default();
        services.start(Every::new(
            Duration::from_secs(1),
            (Fragile, counter.clone()),
        ));
        tokio::time::sleep(Duration::from_millis(3_500)).await;
        assert_eq!(counter.passes.load(Ordering::Relaxed), 3);
        assert!(!failed.is_cancelled());
    }
}
