//! A digest of notifications: each user gets one mail for all that has happened since the last one, and not a mail for
//! each thing. The notifications of a user are a group, and a server makes one task out of each group.
//!
//! Run it with `cargo run --example digest`. It uses the Redis at `REDIS_URL`, by default
//! `redis://localhost`. `dev/with-redis cargo run --example digest` starts a private Redis server.
//!
//! It prints Ada's mail at once, because five notifications are enough for one. It prints Grace's mail after two seconds
//! without another notification for her. It stops at Ctrl-C, or after four seconds.
#![expect(clippy::print_stdout, reason = "an example")]

use std::time::Duration;

use rasynq::{Client, Connection, Mux, Server, Task, TaskContext, TaskKind};
use serde::{Deserialize, Serialize};

const QUEUE: &str = "example:digest";

/// What has happened. It waits in the group of its user.
#[derive(Serialize, Deserialize, TaskKind)]
#[task(type = "notification", queue = "example:digest")]
struct Notification {
    text: String,
}

/// One mail for one user.
#[derive(Serialize, Deserialize, TaskKind)]
#[task(type = "email:digest", max_retry = 5)]
struct Digest {
    user: String,
    texts: Vec<String>,
}

/// Makes one mail out of all notifications of a user. It has no effects: if it fails, it is called again.
async fn digest(user: String, notifications: Vec<Notification>) -> rasynq::Result<Task> {
    let texts = notifications.into_iter().map(|one| one.text).collect();
    Task::typed(&Digest { user, texts })
}

/// Sends a mail.
#[rasynq::debug_handler]
async fn send(_cx: TaskContext, mail: Digest) -> anyhow::Result<()> {
    let Digest { user, texts } = mail;
    println!(
        "to {user}: {} things have happened: {}",
        texts.len(),
        texts.join(", ")
    );
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let uri = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://localhost".into());
    let redis = Connection::from_uri(&uri)?;
    let server = Server::new(&redis)
        .queue(QUEUE, 1)
        .aggregate_typed(digest)
        .group_max_size(5)
        .group_grace_period(Duration::from_secs(2))
        .start(Mux::new().handle(send))
        .await?;

    let client = Client::connect(&redis).await?;
    for (user, things) in [("ada", 5), ("grace", 3)] {
        for n in 1..=things {
            let text = format!("comment {n}");
            client.enqueue(Notification { text }).group(user).await?;
        }
    }

    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = tokio::time::sleep(Duration::from_secs(4)) => {}
    }
    server.shutdown().await;
    Ok(())
}
