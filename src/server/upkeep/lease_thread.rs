//! The thread that renews leases, so that handlers which block every thread of the server's runtime do not stop
//! the heartbeat.

use std::time::Duration;

use futures_util::future::join3;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::block_watch::BlockWatch;
use super::heartbeater::Heartbeater;
use super::lease_renewer::LeaseRenewer;
use crate::background::{Every, Periodic, Service, ServiceThread};
use crate::error::{Error, ErrorKind, Result};

/// How often it looks for handlers that block their threads.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// A thread with a connection of its own, for the heartbeater and the
/// lease renewer. If it is dropped, the thread ends at once, as after
/// a crash: the server's entry stays until it expires.
pub(in crate::server) struct LeaseThread(ServiceThread);

impl LeaseThread {
    /// Starts the thread, and returns after the first heartbeat. The next ones come at the interval. `failed` fires
    /// if the thread panics.
    ///
    /// # Errors
    /// Those of the connection and of the first heartbeat.
    pub(in crate::server) async fn start(
        heartbeater: Heartbeater,
        renewer: LeaseRenewer,
        interval: Duration,
        watch: BlockWatch,
        failed: CancellationToken,
    ) -> Result<Self> {
        let (first, first_heartbeat) = oneshot::channel();
        let thread = ServiceThread::start("rasynq leases", failed, move |stop| async move {
            let (mut heartbeater, mut renewer) = (heartbeater, renewer);
            let broker = match heartbeater.broker.separate().await {
                Ok(broker) => broker,
                Err(error) => return drop(first.send(Err(error))),
            };
            heartbeater.broker = broker.clone();
            renewer.broker = broker.clone();
            let made = match heartbeater.pass().await {
                // The server's entry is on a node that does not answer now. The queues of others do not wait.
                Err(error) if error.is_transient() && broker.is_cluster() => {
                    tracing::debug!(%error, "could not write the server's entry, it will be written later");
                    Ok(())
                }
                made => made,
            };
            let goes_on = made.is_ok();
            if first.send(made).is_ok() && goes_on {
                let heartbeats = Every::new(interval, heartbeater).run(stop.clone());
                let renewals = Every::new(interval, renewer).run(stop.clone());
                let looks = Every::new(WATCH_INTERVAL, watch).run(stop);
                join3(heartbeats, renewals, looks).await;
            }
            broker.close().await;
        })?;
        let ended = |_| {
            Err(Error::new(
                ErrorKind::Internal,
                "the thread for leases has ended",
            ))
        };
        first_heartbeat.await.unwrap_or_else(ended)?;
        Ok(Self(thread))
    }

    /// Asks the heartbeater to stop, and waits until it has removed the server's entry. Returns whether that was
    /// done before the deadline.
    pub(in crate::server) async fn stop(&self, deadline: Instant) -> bool {
        self.0.stop(deadline).await
    }
}
