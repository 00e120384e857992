//! Two servers in one process. Each has its own queues, concurrency and settings, so that tasks of a
//! slow queue do not take the slots of a fast one.
//!
//! Run it with `cargo run --example several_servers`. It uses the Redis at `REDIS_URL`, by default
//! `redis://localhost`. `dev/with-redis cargo run --example several_servers` starts a private Redis server.
//!
//! It prints the ids of the servers, the four fast tasks at once, and two of the slow tasks after each
//! second. It stops at Ctrl-C, or after three seconds.
#![expect(clippy::print_stdout, reason = "an example")]

use std::time::Duration;

use rasynq::{Client, Connection, Mux, Server, Task, TaskContext};

async fn slow(cx: TaskContext, _task: Task) -> anyhow::Result<()> {
    tokio::time::sleep(Duration::from_secs(1)).await;
    println!("slow {}", cx.task_id());
    Ok(())
}

async fn fast(cx: TaskContext, _task: Task) -> anyhow::Result<()> {
    println!("fast {}", cx.task_id());
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let uri = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://localhost".into());
    let redis = Connection::from_uri(&uri)?;
    let client = Client::connect(&redis).await?;
    for n in 0..4 {
        for name in ["slow", "fast"] {
            let task = Task::new(name, "").task_id(format!("{}-{n}", std::process::id()));
            client
                .enqueue(task)
                .queue(format!("example:{name}"))
                .await?;
        }
    }
    let one = Server::new(&redis)
        .concurrency(2)
        .queue("example:slow", 1)
        .start(Mux::new().route("slow", slow))
        .await?;
    let other = Server::new(&redis)
        .concurrency(20)
        .queue("example:fast", 1)
        .start(Mux::new().route("fast", fast))
        .await?;
    println!("servers {} and {}", one.server_id(), other.server_id());

    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = tokio::time::sleep(Duration::from_secs(3)) => {}
    }
    // Both stop at the same time.
    tokio::join!(one.shutdown(), other.shutdown());
    Ok(())
}
