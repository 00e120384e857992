//! Sends acknowledgements to Redis until Redis has confirmed them. asynq: `syncer`, and the part of
//! `processor` that acknowledges.
//!
//! Acknowledgements accumulate while calls are in flight, and the next call takes them. If no call is in
//! flight, a single acknowledgement is sent at once, unless the next fetch can carry it.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio_util::sync::CancellationToken;

use super::{Acknowledgements, Batch, MAX_BATCH};
use crate::background::Service;
use crate::broker::{Authority, Broker};
use crate::clock;

/// How many times the acknowledger yields before a call, as long as that makes the batch larger.
const MAX_YIELDS: usize = 4;

pub(in crate::server) struct Acknowledger {
    pub(in crate::server) broker: Broker,
    pub(in crate::server) acknowledgements: Arc<Acknowledgements>,
}

impl Service for Acknowledger {
    const NAME: &'static str = "acknowledger";

    /// `stop` fires when no more acknowledgements will be added. The service ends when Redis has confirmed
    /// all that wait.
    async fn run(self, stop: CancellationToken) {
        let mut calls: FuturesUnordered<BoxFuture<'_, ()>> = FuturesUnordered::new();
        loop {
            let closing = stop.is_cancelled();
            if closing {
                self.acknowledgements.close();
            }
            let (batches, resume_at) = self.acknowledgements.take_due();
            for batch in batches {
                calls.push(Box::pin(self.call(batch)));
            }
            if closing && self.acknowledgements.is_empty() {
                return;
            }
            tokio::select! {
                biased;
                Some(()) = calls.next(), if !calls.is_empty() => {}
                () = self.acknowledgements.changed() => self.yield_to_handlers().await,
                () = clock::sleep_until(resume_at) => {}
                () = stop.cancelled(), if !closing => {}
            }
        }
    }
}

impl Acknowledger {
    /// Yields, so that runs that are about to finish can join the next batch.
    async fn yield_to_handlers(&self) {
        let mut before = self.acknowledgements.count();
        for _ in 0..MAX_YIELDS {
            tokio::task::yield_now().await;
            let now = self.acknowledgements.count();
            if now <= before || before >= MAX_BATCH {
                break;
            }
            before = now;
        }
    }

    async fn call(&self, batch: Batch<'_>) {
        let authority = Authority::Owner(batch.active_range());
        let result = self
            .broker
            .acknowledge(
                batch.queue(),
                &batch.acknowledgements(),
                authority,
                self.broker.clock().now(),
            )
            .await;
        batch.finish(result);
    }
}
