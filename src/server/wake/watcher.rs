//! Tracks the queues, and passes the signals on to gates and wakeups.
//!
//! While tracking is not available, the parts poll at their intervals. Tracking is tried again: soon if the
//! connection failed, once a minute if Redis or the user's permissions forbid it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Wakeups;
use crate::background::{Backoff, Service};
use crate::broker::{Broker, Changes, Report, Signal};
use crate::error::Result;
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
    /// The key of the server's entry, which the heartbeater renews.
    pub(in crate::server) server_key: String,
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
        let mut backoff = Backoff::new();
        loop {
            let Err(error) = self.track(&mut backoff).await else {
                continue;
            };
            self.wakeups.set_tracking(false);
            tracing::warn!(%error, "cannot track the queues, polling them at intervals instead");
            let pause = match error.is_transient() {
                true => backoff.pause(),
                false => FORBIDDEN_PAUSE,
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Tracks the queues. Returns when tracking has to start over.
    async fn track(&mut self, backoff: &mut Backoff) -> Result<()> {
        let keys = self.queues.all().map(|queue| queue.keys.clone());
        let mut changes = self
            .broker
            .track(keys.collect(), self.server_key.clone())
            .await?;
        backoff.reset();
        // Every queue is asked once. A fetch that finds it empty subscribes to it.
        self.wakeups.set_tracking(true);
        self.pass_on(&mut changes).await
    }

    async fn pass_on(&mut self, changes: &mut Changes) -> Result<()> {
        loop {
            tokio::select! {
                signal = changes.next() => match signal? {
                    Signal::Ready(queue) => self.gates.open(queue),
                    Signal::Due(queue, set, at_ms) => self.wakeups.set_due(queue, set, at_ms),
                    Signal::Expires(queue, at_ms) => self.wakeups.set_expiry(queue, at_ms),
                    Signal::Reset => return Ok(()),
                },
                Some(report) = self.reports.recv() => changes.report(report),
            }
        }
    }
}
