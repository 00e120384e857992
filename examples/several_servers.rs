//! Several servers in one process: each with its own queues, concurrency and settings. Here a slow
//! queue cannot take the workers of a fast one. Ends at Ctrl-C, or after three seconds.
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
    // Both at once: the longer of the two decides how long it takes.
    tokio::join!(one.shutdown(), other.shutdown());
    Ok(())
}
