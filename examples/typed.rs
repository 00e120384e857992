//! Typed payloads. The type name is written once. The payload is JSON, as Go's `json.Marshal` writes it.
//! A payload that does not decode is archived, not retried.
//!
//! Run it with `cargo run --example typed`. It uses the Redis at `REDIS_URL`, by default
//! `redis://localhost`. `dev/with-redis cargo run --example typed` starts a private Redis server.
//!
//! It prints two welcomes, and the error of the payload that is not a `Welcome`. It stops after a second.
#![expect(clippy::print_stdout, reason = "an example")]

use std::time::Duration;

use rasynq::{Client, Connection, Mux, Server, Task, TaskContext, TaskKind, UndecodablePayload};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, TaskKind)]
#[task(type = "email:welcome", queue = "example:typed", max_retry = 5)]
struct Welcome {
    user_id: u64,
}

#[rasynq::debug_handler]
async fn welcome(cx: TaskContext, mail: Welcome) -> anyhow::Result<()> {
    println!("{}: welcome, user {}", cx.task_id(), mail.user_id);
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let uri = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://localhost".into());
    let redis = Connection::from_uri(&uri)?;
    let client = Client::connect(&redis).await?;
    let queue = "example:typed";
    client.enqueue(Welcome { user_id: 42 }).await?;
    client.enqueue(&Welcome { user_id: 43 }).await?;
    // A task without a type of its own reaches the same handler. This payload is not a `Welcome`.
    let wrong = Task::new(Welcome::TYPE, r#"{"user":"ann"}"#);
    client.enqueue(wrong).queue(queue).await?;

    let mux = Mux::new()
        .handle(welcome)
        .on_undecodable(UndecodablePayload::Archive);
    Server::new(&redis)
        .queue(queue, 1)
        .error_handler(|cx, _, error| println!("{}: {error:#}", cx.task_id()))
        .serve_until(mux, tokio::time::sleep(Duration::from_secs(1)))
        .await?;
    Ok(())
}
