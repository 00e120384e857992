//! Tracks the queues, and passes the signals on to gates and wakeups.
//!
//! While tracking is not available, the parts poll at their intervals. Tracking is tried again: after pauses that
//! grow if the connection failed, once a minute if Redis or the user's permissions forbid it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{GroupEvent, Wakeups};
use crate::background::{Backoff, Service};
use crate::broker::{Broker, Report, Signal, TrackingOptions};
use crate::error::{Error, Result, warn_unless_outage};
use crate::server::fetch::Gates;
use crate::server::queues::Queues;

/// The pause before tracking is tried again if it is forbidden.
const FORBIDDEN_PAUSE: Duration = Duration::from_secs(60);

pub(in crate::server) struct Watcher {
    pub(in crate::server) broker: Broker,
    pub(in crate::server) queues: Queues,
    pub(in crate::server) gates: Arc<Gates>,
    pub(in crate::server) wakeups: Arc<Wakeups>,
    pub(in crate::server) reports: mpsc::UnboundedReceiver<Report>,
    /// The heartbeater renews the key of the server's entry.
    pub(in crate::server) options: TrackingOptions,
}

impl Service for Watcher {
    const NAME: &'static str = "watcher";

    async fn run(mut self, stop: CancellationToken) {
        let wakeups = Arc::clone(&self.wakeups);
        stop.run_until_cancelled(self.track_forever()).await;
        wakeups.set_tracking(false);
    }
}

impl Watcher {
    async fn track_forever(&mut self) {
        let mut failures = Failures::default();
        loop {
            let ended = self.track(&mut failures).await;
            self.wakeups.set_tracking(false);
            let pause = failures.pause(ended.err());
            tokio::time::sleep(pause).await;
        }
    }

    /// Tracks the queues. Returns when tracking has to start over.
    async fn track(&mut self, failures: &mut Failures) -> Result<()> {
        let keys = self.queues.all().map(|queue| queue.keys.clone());
        let tracking = self.broker.track(keys.collect(), self.options.clone());
        let mut tracking = tracking.await?;
        // Every queue is asked once. A fetch that finds it empty subscribes to it.
        self.wakeups.set_tracking(true);
        let mut stable = pin!(tokio::time::sleep(Backoff::STABLE));
        loop {
            tokio::select! {
                signal = tracking.next() => match signal? {
                    Signal::Ready(queue) => self.gates.open(queue),
                    Signal::Due(queue, set, at_ms) => self.wakeups.set_due(queue, set, at_ms),
                    Signal::Expires(queue, at_ms) => self.wakeups.set_expiry(queue, at_ms),
                    Signal::Groups(queue, signal) => {
                        self.wakeups.group_event(GroupEvent::Signal(queue, signal));
                    }
                    Signal::Reset => return Ok(()),
                },
                Some(report) = self.reports.recv() => tracking.report(report),
                () = self.wakeups.data_lost() => return Ok(()),
                () = &mut stable, if !stable.is_elapsed() => failures.ended(),
            }
        }
    }
}

/// Attempts in a row that have failed, or that have not worked for long.
#[derive(Default)]
struct Failures {
    backoff: Backoff,
    /// The log says that the queues are polled.
    told: bool,
}

impl Failures {
    /// The pause after another attempt. `error`: why it has failed, unless tracking only has to start over.
    fn pause(&mut self, error: Option<Error>) -> Duration {
        let pause = self.backoff.pause();
        let Some(error) = error else {
            return pause;
        };
        if self.told {
            tracing::debug!(%error, "still cannot track the queues");
        } else {
            warn_unless_outage!(error, %error, "cannot track the queues, polling them at intervals instead");
        }
        self.told |= !error.is_outage();
        match error.is_transient() {
            true => pause,
            false => FORBIDDEN_PAUSE,
        }
    }

    /// Tracking has worked for a while.
    fn ended(&mut self) {
        self.backoff.reset();
        if std::mem::take(&mut self.told) {
            tracing::info!("tracking the queues again");
        }
    }
}
