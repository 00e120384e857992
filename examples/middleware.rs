//! Middleware: tower layers around all handlers of a mux, and around one handler.
//!
//! Run it with `cargo run --example middleware`. It uses the Redis at `REDIS_URL`, by default
//! `redis://localhost`. `dev/with-redis cargo run --example middleware` starts a private Redis server.
//!
//! It prints the duration and the result of each run. At most two images run at a time, so that the
//! third one takes twice as long. The task of the type `unknown` fails, because no handler takes it.
#![expect(clippy::print_stdout, reason = "an example")]

use std::time::{Duration, Instant};

use rasynq::{
    Answer, Client, Connection, HandlerError, HandlerService, IntoHandler, Mux, Run, Server, Task,
    TaskContext,
};
use tower::limit::ConcurrencyLimitLayer;
use tower::{ServiceExt, layer::layer_fn, service_fn};

async fn resize(_cx: TaskContext, _task: Task) -> anyhow::Result<()> {
    tokio::time::sleep(Duration::from_millis(300)).await;
    Ok(())
}

/// Prints how long a run took, and whether it succeeded.
async fn timed(inner: HandlerService, run: Run) -> Result<Answer, HandlerError> {
    let (begin, task_type) = (Instant::now(), run.task.task_type().to_owned());
    let answer = inner.oneshot(run).await;
    let result = if answer.is_ok() {
        "succeeded"
    } else {
        "failed"
    };
    println!("{task_type} {result} after {:?}", begin.elapsed());
    answer
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let uri = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://localhost".into());
    let redis = Connection::from_uri(&uri)?;
    let client = Client::connect(&redis).await?;
    for task_type in ["image:icon", "image:photo", "image:poster", "unknown"] {
        let task = Task::new(task_type, "").max_retry(0);
        client.enqueue(task).queue("example:middleware").await?;
    }
    let mux = Mux::new()
        .layer(layer_fn(|inner: HandlerService| {
            service_fn(move |run| timed(inner.clone(), run))
        }))
        // At most two images at a time, whatever the concurrency of the server.
        .route("image:", resize.layered(ConcurrencyLimitLayer::new(2)));
    Server::new(&redis)
        .concurrency(10)
        .queue("example:middleware", 1)
        .serve_until(mux, tokio::time::sleep(Duration::from_secs(2)))
        .await?;
    Ok(())
}
