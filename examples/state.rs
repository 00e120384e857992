//! State without global variables: a value of the mux, which handlers ask for by its type, and a handler
//! that is a struct with fields.
//!
//! Run it with `cargo run --example state`. It uses the Redis at `REDIS_URL`, by default
//! `redis://localhost`. `dev/with-redis cargo run --example state` starts a private Redis server.
//!
//! It prints one mail and, after a second, the number of clicks that the handlers counted.
#![expect(clippy::print_stdout, reason = "an example")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use rasynq::{Answer, Client, Connection, Handler, Mux, Server, Task, TaskContext};

/// The state that all handlers of the mux share.
#[derive(Default)]
struct Counters {
    clicks: AtomicU64,
}

async fn click(cx: TaskContext, _task: Task) -> anyhow::Result<()> {
    let counters = cx.state::<Counters>().context("the mux has counters")?;
    counters.clicks.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// A handler with fields.
struct Mailer {
    from: &'static str,
}

impl Handler for Mailer {
    async fn run(&self, _cx: TaskContext, task: Task) -> anyhow::Result<Answer> {
        println!("{} writes to {:?}", self.from, task.payload_bytes());
        Ok(Answer::Done)
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let uri = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://localhost".into());
    let redis = Connection::from_uri(&uri)?;
    let client = Client::connect(&redis).await?;
    let mut tasks = vec![Task::new("page:click", "").queue("example:state"); 100];
    tasks.push(Task::new("mail:send", "ann@example.org").queue("example:state"));
    for stored in client.enqueue_batch(tasks).await {
        stored?;
    }
    let counters = Arc::new(Counters::default());
    let mux = Mux::new()
        .state(Arc::clone(&counters))
        .route("page:click", click)
        .route("mail:", Mailer { from: "us" });
    Server::new(&redis)
        .queue("example:state", 1)
        .serve_until(mux, tokio::time::sleep(Duration::from_secs(1)))
        .await?;
    println!("{} clicks", counters.clicks.load(Ordering::Relaxed));
    Ok(())
}
