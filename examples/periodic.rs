//! Periodic tasks from a YAML file, in the form of asynq's tutorial. The file is watched: an entry that is added
//! or changed takes effect within a second, without a restart.
//!
//! Run it with `cargo run --example periodic --features yaml`, or with the path of another file after `--`. It
//! uses the Redis at `REDIS_URL`, by default `redis://localhost`. `dev/with-redis cargo run --example periodic
//! --features yaml` starts a private Redis server.
//!
//! It prints a digest every two seconds and a report every minute, until Ctrl-C. Add an entry to
//! `examples/periodic.yaml` meanwhile, or make a mistake in it: the log names its line.
#![expect(clippy::print_stdout, reason = "an example")]

use rasynq::{Connection, PeriodicTaskManager, Scheduler, Server, Task, TaskContext, YamlFile};

async fn print(cx: TaskContext, task: Task) -> anyhow::Result<()> {
    let payload = String::from_utf8_lossy(task.payload());
    println!("{} {payload:?}, task {}", task.task_type(), cx.task_id());
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().init();
    let uri = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://localhost".into());
    let redis = Connection::from_uri(&uri)?;
    let file = std::env::args().nth(1);
    let file = file.unwrap_or_else(|| "examples/periodic.yaml".into());
    let manager = PeriodicTaskManager::new(Scheduler::new(&redis), YamlFile::new(file))
        .start()
        .await?;
    // Usually this is another program.
    let server = Server::new(&redis)
        .queue("example:periodic", 1)
        .start(print)
        .await?;

    tokio::signal::ctrl_c().await?;
    manager.shutdown().await;
    server.shutdown().await;
    Ok(())
}
