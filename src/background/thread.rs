//! A service on a thread of its own, for work that blocked threads of the caller's runtime must not hold up.

use std::future::Future;
use std::thread;

use tokio::runtime::Builder;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::error::{Error, ErrorKind, Result};
use crate::guard::{CallersLog, caught};

/// A thread with a tokio runtime of its own, on which one service works. If the handle is dropped, the service is
/// aborted: the thread drops its future and ends.
pub(crate) struct ServiceThread {
    stop: CancellationToken,
    /// Fires when the thread has ended.
    ended: CancellationToken,
    _abort: DropGuard,
}

impl ServiceThread {
    /// Starts a thread of this name. It polls the future of `work` until that has completed.
    ///
    /// `work` gets a token that fires when the service is to stop. If it panics, this is logged, and `failed` fires. The log lines of the thread go to the caller's
    /// subscriber.
    pub(crate) fn start<F: Future<Output = ()>>(
        name: &'static str,
        failed: CancellationToken,
        work: impl FnOnce(CancellationToken) -> F + Send + 'static,
    ) -> Result<Self> {
        let not_started = |error| {
            let text = format!("cannot start the thread {name:?}");
            Error::new(ErrorKind::Unavailable, text).with_source(error)
        };
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(not_started)?;
        let (stop, abort, ended) =
            <(CancellationToken, CancellationToken, CancellationToken)>::default();
        let (stopped, aborted, end) = (stop.clone(), abort.clone(), ended.clone().drop_guard());
        let log = CallersLog::here();
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let _log = log.enter();
                let _end = end;
                let worked =
                    caught(|| runtime.block_on(aborted.run_until_cancelled(work(stopped))));
                if let Err(panic) = worked {
                    failed.cancel();
                    let error = panic.logged_text();
                    tracing::error!(service = name, error, "a service panicked");
                }
                // Does not wait for a name lookup that hangs.
                runtime.shutdown_background();
            })
            .map_err(not_started)?;
        Ok(Self {
            stop,
            ended,
            _abort: abort.drop_guard(),
        })
    }

    /// Asks the service to stop and waits until the thread has ended. Returns whether it ended before
    /// `deadline`. If not, it is aborted when the handle is dropped.
    pub(crate) async fn stop(&self, deadline: Instant) -> bool {
        self.stop.cancel();
        timeout_at(deadline, self.ended.cancelled()).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::*;
    use crate::clock;

    fn in_ten_seconds() -> Instant {
        clock::monotonic() + Duration::from_secs(10)
    }

    #[tokio::test]
    async fn a_service_works_while_the_thread_of_its_owner_is_blocked_and_ends_when_it_is_asked() {
        let (tick, ticks) = std::sync::mpsc::channel();
        let service = ServiceThread::start("ticks", CancellationToken::new(), |stop| async move {
            while !stop.is_cancelled() {
                tokio::time::sleep(Duration::from_millis(1)).await;
                let _ = tick.send(());
            }
        });
        let service = service.expect("a thread");
        for _ in 0..3 {
            // Blocks the only thread of this runtime.
            ticks
                .recv_timeout(Duration::from_secs(10))
                .expect("the service works");
        }
        assert!(service.stop(in_ten_seconds()).await);
        assert!(service.stop(in_ten_seconds()).await, "again");
    }

    #[tokio::test]
    async fn a_service_is_aborted_when_its_handle_is_dropped() {
        let (held, dropped) = oneshot::channel::<()>();
        let service =
            ServiceThread::start("stubborn", CancellationToken::new(), |_stop| async move {
                let _held = held;
                std::future::pending().await
            });
        drop(service.expect("a thread"));
        let ended = tokio::time::timeout(Duration::from_secs(10), dropped).await;
        assert!(ended.expect("it ends").is_err());
    }

    #[tokio::test]
    async fn a_service_that_panics_has_ended_and_failed() {
        let failed = CancellationToken::new();
        let service = ServiceThread::start("wrong", failed.clone(), |_stop| async {
            panic!("on purpose")
        });
        let service = service.expect("a thread");
        assert!(service.stop(in_ten_seconds()).await);
        assert!(failed.is_cancelled());
    }
}
