//! The number and the size of allocations per task, when it is enqueued and when it is processed. Those of
//! the Redis client are included.
//!
//! It needs an empty Redis at `REDIS_URL`. `dev/bench --pure` starts one.
#![expect(clippy::print_stdout, reason = "the result of the program")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, ensure};
use dhat::HeapStats;
use rasynq::{Client, Connection, Server, Task, TaskContext};
use tokio::sync::Notify;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// The number of tasks of each measurement. As many run before, to warm up.
const TASKS: u64 = 10_000;
const BATCH: u64 = 1_000;
const PAYLOAD: usize = 100;

/// The allocations since `start`.
struct Counter(HeapStats);

impl Counter {
    fn start() -> Self {
        Self(HeapStats::get())
    }

    fn print(self, what: &str, tasks: u64) {
        let now = HeapStats::get();
        let blocks = now.total_blocks - self.0.total_blocks;
        let bytes = now.total_bytes - self.0.total_bytes;
        let per_task = |n: u64| n as f64 / tasks as f64;
        println!(
            "| {what} | {:.1} | {:.0} |",
            per_task(blocks),
            per_task(bytes)
        );
    }
}

fn task() -> Task {
    Task::new("task", vec![b'x'; PAYLOAD])
}

async fn one_by_one(client: &Client) -> Result<()> {
    for _ in 0..TASKS {
        client.enqueue(task()).await?;
    }
    Ok(())
}

async fn in_batches(client: &Client) -> Result<()> {
    for _ in 0..TASKS / BATCH {
        for result in client.enqueue_batch((0..BATCH).map(|_| task())).await {
            result?;
        }
    }
    Ok(())
}

/// Counts the runs of a handler that does nothing.
struct Worker {
    runs: AtomicU64,
    all: Notify,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let _profiler = dhat::Profiler::builder().testing().build();
    let uri =
        std::env::var("REDIS_URL").context("REDIS_URL must be the address of an empty Redis")?;
    let connection = Connection::from_uri(&uri)?;
    let client = Client::connect(&connection).await?;
    println!("| a task of {PAYLOAD} bytes | allocations | bytes |\n|---|---:|---:|");

    one_by_one(&client).await?;
    let counter = Counter::start();
    one_by_one(&client).await?;
    counter.print("enqueued alone", TASKS);
    let counter = Counter::start();
    in_batches(&client).await?;
    counter.print("enqueued in batches of 1,000", TASKS);

    let worker = Arc::new(Worker {
        runs: AtomicU64::new(0),
        all: Notify::new(),
    });
    let handler = {
        let worker = Arc::clone(&worker);
        move |_: TaskContext, _: Task| {
            if worker.runs.fetch_add(1, Ordering::Relaxed) + 1 == 3 * TASKS {
                worker.all.notify_one();
            }
            std::future::ready(anyhow::Ok(()))
        }
    };
    // the first tasks, and allocations that happen only once, are not counted
    let server = Server::new(&connection)
        .concurrency(100)
        .start(handler)
        .await?;
    while worker.runs.load(Ordering::Relaxed) < 2 * TASKS {
        tokio::task::yield_now().await;
    }
    let counter = Counter::start();
    let left = 3 * TASKS - worker.runs.load(Ordering::Relaxed);
    worker.all.notified().await;
    counter.print("processed, 100 handlers that do nothing", left);
    let runs = worker.runs.load(Ordering::Relaxed);
    ensure!(runs == 3 * TASKS, "{runs} tasks were processed");
    server.shutdown().await;
    Ok(())
}
