//! State that handlers share without globals: given to the mux, asked for by type; or held by a
//! handler that is a struct.
#![expect(clippy::print_stdout, reason = "an example")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use rasynq::{Answer, Client, Connection, Handler, Mux, Server, Task, TaskContext};

/// What all handlers of the mux share.
#[derive(Default)]
struct Counters {
    clicks: AtomicU64,
}

async fn click(cx: TaskContext, _task: Task) -> anyhow::Result<()> {
    let counters = cx.state::<Counters>().context("the mux has counters")?;
    counters.clicks.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// A handler with fields of its own.
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
