//! A handler that blocks its thread. Each run gets a thread of its own. At the timeout the run has
//! failed, but its slot is free only when the function returns.
//!
//! Run it with `cargo run --example blocking`. It uses the Redis at `REDIS_URL`, by default
//! `redis://localhost`. `dev/with-redis cargo run --example blocking` starts a private Redis server.
//!
//! It prints the sum of a short payload. Then a long payload runs into its timeout of one second: it
//! prints the error, and after how many bytes the function stopped.
#![expect(clippy::print_stdout, reason = "an example")]

use std::time::Duration;

use rasynq::{Client, Connection, Mux, Server, Task, TaskContext, blocking};

fn crunch(cx: TaskContext, task: Task) -> anyhow::Result<()> {
    let mut sum = 0u64;
    for (i, byte) in task.payload().iter().enumerate() {
        // Nothing can stop a thread from outside, so the function asks whether it should stop.
        if cx.cancellation().is_cancelled() {
            println!("{}: stopped after {i} bytes", cx.task_id());
            anyhow::bail!("stopped half-way");
        }
        std::thread::sleep(Duration::from_millis(100));
        sum += u64::from(*byte);
    }
    println!("{}: the sum is {sum}", cx.task_id());
    // This is how a blocking function awaits a future.
    tokio::runtime::Handle::current().block_on(cx.write_result(sum.to_string()))?;
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let uri = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://localhost".into());
    let redis = Connection::from_uri(&uri)?;
    let client = Client::connect(&redis).await?;
    for bytes in [5, 50] {
        let task = Task::new("bytes:sum", vec![1; bytes])
            .queue("example:blocking")
            .timeout(Duration::from_secs(1))
            .max_retry(0);
        client.enqueue(task).await?;
    }
    Server::new(&redis)
        .queue("example:blocking", 1)
        .error_handler(|cx, _, error| println!("{}: {error:#}", cx.task_id()))
        .serve_until(
            Mux::new().route("bytes:", blocking(crunch)),
            tokio::time::sleep(Duration::from_secs(2)),
        )
        .await?;
    Ok(())
}
