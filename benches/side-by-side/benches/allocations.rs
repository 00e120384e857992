//! How often the library allocates for a task, and how much: on the way in and on the way out, what
//! its Redis client does for it included. Counts, not times.
//!
//! Redis is that of `REDIS_URL`, which has to be empty; `dev/bench --pure` starts one.
#![expect(clippy::print_stdout, reason = "the result of the program")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, ensure};
use dhat::HeapStats;
use rasynq::{Client, Connection, Server, Task, TaskContext};
use tokio::sync::Notify;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// How many tasks are counted, after as many that are not.
const TASKS: u64 = 10_000;
const BATCH: u64 = 1_000;
const PAYLOAD: usize = 100;

/// Counts what was allocated since the last time.
struct Counter(HeapStats);

impl Counter {
    fn begin() -> Self {
        Self(HeapStats::get())
    }

    fn tell(self, what: &str, tasks: u64) {
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

/// Runs what is pending on handlers that do nothing.
struct Worker {
    runs: AtomicU64,
    all: Notify,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let _profiler = dhat::Profiler::builder().testing().build();
    let uri = std::env::var("REDIS_URL").context("REDIS_URL names the Redis to use")?;
    let connection = Connection::from_uri(&uri)?;
    let client = Client::connect(&connection).await?;
    println!("| a task of {PAYLOAD} bytes | allocations | bytes |\n|---|---:|---:|");

    one_by_one(&client).await?;
    let counter = Counter::begin();
    one_by_one(&client).await?;
    counter.tell("enqueued alone", TASKS);
    let counter = Counter::begin();
    in_batches(&client).await?;
    counter.tell("enqueued in batches of 1,000", TASKS);

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
    // the first tasks, and what happens once, are not counted
    let server = Server::new(&connection)
        .concurrency(100)
        .start(handler)
        .await?;
    while worker.runs.load(Ordering::Relaxed) < 2 * TASKS {
        tokio::task::yield_now().await;
    }
    let counter = Counter::begin();
    let left = 3 * TASKS - worker.runs.load(Ordering::Relaxed);
    worker.all.notified().await;
    counter.tell("processed, 100 handlers that do nothing", left);
    let runs = worker.runs.load(Ordering::Relaxed);
    ensure!(runs == 3 * TASKS, "{runs} tasks were there");
    server.shutdown().await;
    Ok(())
}
