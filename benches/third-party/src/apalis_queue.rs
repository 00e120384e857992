//! `apalis-redis`, which has its own data format.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, anyhow};
use apalis::prelude::*;
use apalis_redis::{Config, RedisStorage};

use crate::{HANDLED, take};

/// Opens the storage. All clones share one connection.
pub(crate) async fn storage(uri: &str, batch: usize) -> Result<RedisStorage<String>> {
    let connection = apalis_redis::connect(uri).await?;
    let config = Config {
        batch_size: batch,
        ..Config::default()
    };
    Ok(RedisStorage::new(connection).with_config(config))
}

/// Enqueues one task after the other until none is left.
pub(crate) async fn enqueue(
    mut storage: RedisStorage<String>,
    left: Arc<AtomicU64>,
    payload: Arc<str>,
) -> Result<()> {
    while take(&left) {
        storage
            .push(payload.to_string())
            .await
            .map_err(|error| anyhow!("push: {error:?}"))?;
    }
    Ok(())
}

/// Starts a worker whose handlers return at once. It is never stopped.
pub(crate) async fn serve(uri: &str, workers: usize) -> Result<()> {
    let storage = storage(uri, workers.min(64)).await?;
    let worker = WorkerBuilder::new("bench")
        .backend(storage)
        .concurrency(workers)
        .build(nothing);
    tokio::spawn(async move {
        if let Err(error) = worker.run().await {
            eprintln!("the worker failed: {error}");
        }
    });
    Ok(())
}

async fn nothing(_: String) -> Result<(), BoxDynError> {
    HANDLED.fetch_add(1, Ordering::Relaxed);
    Ok(())
}
