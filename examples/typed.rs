//! Typed payloads: the type name is written once, the payload is JSON as Go's `json.Marshal`
//! writes it. What does not decode is archived here instead of being retried.
#![expect(clippy::print_stdout, reason = "an example")]

use std::time::Duration;

use rasynq::{Client, Connection, Mux, Server, Task, TaskContext, TaskKind, UndecodablePayload};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Welcome {
    user_id: u64,
}
impl TaskKind for Welcome {
    const TYPE: &'static str = "email:welcome";
}

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
    client.enqueue(Welcome { user_id: 42 }).queue(queue).await?;
    client
        .enqueue(&Welcome { user_id: 43 })
        .queue(queue)
        .await?;
    // The untyped road leads to the same handler; this payload is not a `Welcome`.
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
