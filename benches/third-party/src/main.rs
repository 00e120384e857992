//! A peer (see `compat/PEER.md`) of other task queues for Rust. It has the requests that the benchmarks
//! need: `hello`, `enqueue_many` without batches, `serve` with handlers that return at once, and
//! `handled`, which answers how many handlers have run.
//!
//! Usage: `third-party asynqrs|apalis --redis URI`.

mod apalis_queue;
mod asynqrs_queue;

use std::io::{BufRead, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// The number of handlers that have run.
static HANDLED: AtomicU64 = AtomicU64::new(0);

/// The library that this peer uses.
#[derive(Clone, Copy)]
enum Library {
    Asynqrs,
    Apalis,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [library, flag, uri] = &args[..] else {
        bail!("usage: third-party asynqrs|apalis --redis URI");
    };
    let library = match (library.as_str(), flag.as_str()) {
        ("asynqrs", "--redis") => Library::Asynqrs,
        ("apalis", "--redis") => Library::Apalis,
        _ => bail!("unknown arguments"),
    };
    // the scheme that the crate redis uses
    let uri = uri.replace("redis-socket://", "unix://");
    // a thread reads stdin, so that it does not block the servers
    let (sender, mut requests) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    while let Some(line) = requests.recv().await {
        let request: Value = serde_json::from_str(&line)?;
        let answer = match answer(library, &uri, &request).await {
            Ok(value) => json!({"id": request["id"], "ok": value}),
            Err(error) => {
                let msg = format!("{error:#}");
                json!({"id": request["id"], "err": {"kind": "other", "msg": msg}})
            }
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

async fn answer(library: Library, uri: &str, request: &Value) -> Result<Value> {
    match request["op"].as_str() {
        Some("hello") => Ok(json!({"impl": "third-party", "peer": 1})),
        Some("enqueue_many") => enqueue_many(library, uri, request).await,
        Some("serve") => {
            let workers = request["config"]["concurrency"].as_u64().unwrap_or(1);
            let workers = usize::try_from(workers)?;
            match library {
                Library::Asynqrs => asynqrs_queue::serve(uri, workers).await?,
                Library::Apalis => apalis_queue::serve(uri, workers).await?,
            }
            Ok(Value::Null)
        }
        Some("handled") => Ok(HANDLED.load(Ordering::Relaxed).into()),
        _ => bail!("unknown op {}", request["op"]),
    }
}

/// Enqueues `n` tasks with `callers` callers. Stops at the first error.
async fn enqueue_many(library: Library, uri: &str, request: &Value) -> Result<Value> {
    let n = request["n"].as_u64().context("n")?;
    let callers = request["callers"].as_u64().unwrap_or(1).clamp(1, n.max(1));
    let payload = request["task"]["payload"]["utf8"]
        .as_str()
        .unwrap_or_default();
    let payload: Arc<str> = payload.into();
    let left = Arc::new(AtomicU64::new(n));
    let mut running = JoinSet::new();
    let begin;
    match library {
        Library::Asynqrs => {
            let clients = asynqrs_queue::clients(uri, callers).await?;
            begin = Instant::now();
            for client in clients {
                running.spawn(asynqrs_queue::enqueue(
                    client,
                    Arc::clone(&left),
                    Arc::clone(&payload),
                ));
            }
        }
        Library::Apalis => {
            let storage = apalis_queue::storage(uri, 64).await?;
            begin = Instant::now();
            for _ in 0..callers {
                running.spawn(apalis_queue::enqueue(
                    storage.clone(),
                    Arc::clone(&left),
                    Arc::clone(&payload),
                ));
            }
        }
    }
    while let Some(caller) = running.join_next().await {
        caller??;
    }
    Ok(json!({"ok": n, "err": 0, "seconds": begin.elapsed().as_secs_f64()}))
}

/// Takes one of the tasks that are left; returns whether there was one.
fn take(left: &AtomicU64) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
        .is_ok()
}
