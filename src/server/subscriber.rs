//! Ends runs that people cancel.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::runs::Runs;
use super::service::Backoff;
use crate::broker::Broker;
use crate::run::RunEnded;

/// Listens for cancellations until `stop`. asynq: `subscriber`.
pub(super) async fn listen(broker: Broker, runs: Arc<Runs>, stop: CancellationToken) {
    let mut backoff = Backoff::new();
    let work = async {
        loop {
            let error = match broker.subscribe_cancellations().await {
                Ok(mut subscription) => loop {
                    backoff.reset();
                    match subscription.next().await {
                        Ok(id) => cancel(&runs, &id),
                        Err(error) => break error,
                    }
                },
                Err(error) => error,
            };
            tracing::warn!(%error, "not listening for cancellations, will subscribe again");
            tokio::time::sleep(backoff.pause()).await;
        }
    };
    stop.run_until_cancelled(work).await;
}

fn cancel(runs: &Runs, id: &str) {
    // one id may be running in several queues; the message does not say which is meant
    for run in runs.all() {
        if &*run.id == id && !run.has_ended() {
            tracing::info!(task_id = id, queue = run.queue.queue(), "cancelled");
            run.context.end(RunEnded::Canceled);
        }
    }
}
