//! `asynqrs`, which uses the data format of asynq.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use asynqrs::{
    Config, HandlerError, ProcessingContext, RedisBackedClient, RedisBackedServerBuilder, ServeMux,
    Task,
};

use crate::{HANDLED, take};

/// Opens `n` clients, each with its own connection, because enqueueing needs exclusive access to a client.
pub(crate) async fn clients(uri: &str, n: u64) -> Result<Vec<RedisBackedClient>> {
    let mut clients = Vec::new();
    for _ in 0..n {
        let redis = redis::Client::open(uri)?;
        clients.push(RedisBackedClient::from_redis_client(redis).await?);
    }
    Ok(clients)
}

/// Enqueues one task after the other until none is left.
pub(crate) async fn enqueue(
    mut client: RedisBackedClient,
    left: Arc<AtomicU64>,
    payload: Arc<str>,
) -> Result<()> {
    while take(&left) {
        let task = Task::new("task", payload.as_bytes().to_vec());
        client.enqueue_async(&task).await?;
    }
    Ok(())
}

/// Starts a server on the queue `default` whose handlers return at once. It is never stopped.
/// Its `start` takes no mux, so `run` is spawned, and this function returns before the server runs.
pub(crate) async fn serve(uri: &str, workers: usize) -> Result<()> {
    let config = Config::builder()
        .concurrency(workers)
        .try_queue("default", 1_usize)?
        .try_build()?;
    let redis = redis::Client::open(uri)?;
    let mux = ServeMux::new().route_fn("task", nothing);
    let server = RedisBackedServerBuilder::from_redis_client(redis, config);
    tokio::spawn(async move {
        if let Err(error) = server.run(mux).await {
            eprintln!("the server failed: {error}");
        }
    });
    Ok(())
}

fn nothing(_: &Task, _: &ProcessingContext) -> Result<(), HandlerError> {
    HANDLED.fetch_add(1, Ordering::Relaxed);
    Ok(())
}
