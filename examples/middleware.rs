//! Middleware are tower layers: around all handlers of a mux, or around one.
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

/// Says how long a run took, and how it ended. A layer is a function from a handler to a service.
async fn timed(inner: HandlerService, run: Run) -> Result<Answer, HandlerError> {
    let (begin, task_type) = (Instant::now(), run.task.task_type().to_owned());
    let answer = inner.oneshot(run).await;
    let how = if answer.is_ok() { "well" } else { "badly" };
    println!("{task_type} ended {how} after {:?}", begin.elapsed());
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
