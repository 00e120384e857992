//! Payloads that are protobuf messages of the crate prost. The bytes are those that Go's `proto.Marshal`
//! writes.
//!
//! Run it with `cargo run --example protobuf`. It uses the Redis at `REDIS_URL`, by default
//! `redis://localhost`. `dev/with-redis cargo run --example protobuf` starts a private Redis server.
//!
//! It prints the number and the amount of one invoice, then stops after a second.
#![expect(clippy::print_stdout, reason = "an example")]

use std::time::Duration;

use rasynq::{Client, Connection, Mux, Protobuf, Server, TaskContext, TaskKind};

/// Usually prost-build generates this from a `.proto` file.
#[derive(Clone, PartialEq, prost::Message)]
struct Invoice {
    #[prost(string, tag = "1")]
    number: String,
    #[prost(int64, tag = "2")]
    cents: i64,
}
impl TaskKind<Protobuf> for Invoice {
    const TYPE: &'static str = "invoice:send";
}

async fn send(cx: TaskContext, invoice: Invoice) -> anyhow::Result<()> {
    let (number, cents) = (&invoice.number, invoice.cents);
    println!("{}: invoice {number} of {cents} cents", cx.task_id());
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let uri = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://localhost".into());
    let redis = Connection::from_uri(&uri)?;
    let client = Client::connect(&redis).await?;
    let invoice = Invoice {
        number: "2026-17".into(),
        cents: 129_900,
    };
    client.enqueue(invoice).queue("example:protobuf").await?;

    Server::new(&redis)
        .queue("example:protobuf", 1)
        .serve_until(
            Mux::new().handle(send),
            tokio::time::sleep(Duration::from_secs(1)),
        )
        .await?;
    Ok(())
}
