//! Ends the runs of tasks that are cancelled. asynq: `subscriber`.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio_util::sync::CancellationToken;

use crate::background::{Backoff, Service, ToldFailures};
use crate::broker::{Broker, Subscription};
use crate::clock;
use crate::error::{Error, warn_if};
use crate::run::RunEnded;
use crate::server::owner::Listing;
use crate::server::run::HeldRuns;

/// How many confirmations wait for Redis at most. Those beyond are not sent.
const MOST_CONFIRMATIONS: usize = 100;

pub(in crate::server) struct Subscriber {
    pub(in crate::server) broker: Broker,
    pub(in crate::server) held: Arc<HeldRuns>,
    pub(in crate::server) listing: Arc<Listing>,
}

impl Service for Subscriber {
    const NAME: &'static str = "subscriber";

    async fn run(self, stop: CancellationToken) {
        stop.run_until_cancelled(self.subscribe_forever()).await;
    }
}

impl Subscriber {
    async fn subscribe_forever(&self) {
        let (mut backoff, mut told) = (Backoff::new(), ToldFailures::default());
        loop {
            let subscribed = self.broker.subscribe_cancellations(self.listing.name());
            let (error, worked_for) = match subscribed.await {
                Ok(mut subscription) => {
                    self.listing.set_listens(subscription.listens);
                    let began = clock::monotonic();
                    let error = self.cancel_until_an_error(&mut subscription).await;
                    (error, clock::monotonic() - began)
                }
                Err(error) => (error, Duration::ZERO),
            };
            self.listing.set_listens(false);
            if worked_for >= Backoff::STABLE {
                told.succeeded(&());
            }
            let is_news = told.failed((), &error);
            warn_if!(is_news, %error, "not subscribed to cancellations, will subscribe again");
            tokio::time::sleep(backoff.pause_after(worked_for)).await;
        }
    }

    async fn cancel_until_an_error(&self, subscription: &mut Subscription) -> Error {
        let mut confirmations = FuturesUnordered::new();
        loop {
            tokio::select! {
                received = subscription.next() => match received {
                    Ok(id) => {
                        if self.cancel(&id) && confirmations.len() < MOST_CONFIRMATIONS {
                            confirmations.push(self.confirm(id));
                        }
                    }
                    Err(error) => return error,
                },
                Some(()) = confirmations.next() => {}
            }
        }
    }

    /// Tells who has asked for the cancellation that this server has heard it.
    async fn confirm(&self, id: String) {
        let confirmed = self.broker.confirm_cancellation(&id, self.listing.name());
        if let Err(error) = confirmed.await {
            tracing::debug!(task_id = id, %error, "could not confirm a cancellation");
        }
    }

    /// Ends the runs of tasks with this id. Several queues may have a task with the same id, and the
    /// message on the channel does not name a queue. Returns whether there were any.
    fn cancel(&self, id: &str) -> bool {
        let mut found = false;
        for run in self.held.all() {
            if &*run.id == id && !run.has_finished() {
                tracing::info!(task_id = id, queue = run.queue.name(), "cancelled");
                run.context.end(RunEnded::Canceled);
                found = true;
            }
        }
        found
    }
}
