//! The scenario of asynq's tutorial: a welcome now, a reminder in 24 hours, and two tasks again and again, one by
//! a cron spec and one by an interval.
//!
//! Run it with `cargo run --example scheduler`. It uses the Redis at `REDIS_URL`, by default `redis://localhost`.
//! `dev/with-redis cargo run --example scheduler` starts a private Redis server.
//!
//! It prints the welcome at once, when the scheduler will enqueue what, and each task that comes, until Ctrl-C.
//! The reminder stays in Redis: another program with a server may send it a day later.
#![expect(clippy::print_stdout, reason = "an example")]

use std::time::Duration;

use rasynq::{Client, Connection, Entry, Mux, Scheduler, Server, TaskContext, TaskKind, Tz};
use serde::{Deserialize, Serialize};

const QUEUE: &str = "example:scheduler";

#[derive(Serialize, Deserialize, TaskKind)]
#[task(type = "email:welcome", queue = "example:scheduler")]
struct Welcome {
    user_id: u64,
}

#[derive(Serialize, Deserialize, TaskKind)]
#[task(type = "email:reminder", queue = "example:scheduler")]
struct Reminder {
    user_id: u64,
}

/// What the scheduler enqueues.
#[derive(Serialize, Deserialize, TaskKind)]
#[task(type = "report", queue = "example:scheduler")]
struct Report {
    of: String,
}

async fn welcome(_cx: TaskContext, mail: Welcome) -> anyhow::Result<()> {
    println!("welcome, user {}", mail.user_id);
    Ok(())
}

async fn remind(_cx: TaskContext, mail: Reminder) -> anyhow::Result<()> {
    println!("do not forget us, user {}", mail.user_id);
    Ok(())
}

async fn report(_cx: TaskContext, report: Report) -> anyhow::Result<()> {
    println!("a report of {}", report.of);
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let uri = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://localhost".into());
    let redis = Connection::from_uri(&uri)?;

    let client = Client::connect(&redis).await?;
    client.enqueue(Welcome { user_id: 42 }).await?;
    let day = Duration::from_secs(24 * 60 * 60);
    client
        .enqueue(Reminder { user_id: 42 })
        .process_in(day)
        .await?;

    let report_of = |what: &str| Report { of: what.into() };
    let scheduler = Scheduler::new(&redis)
        .location(Tz::Europe__Berlin)
        .register(Entry::new("* * * * *", report_of("the last minute")))
        .register(Entry::new("@every 30s", report_of("the last 30 s")))
        // At 9:30 on working days. A report of the last one is not needed when the next one comes.
        .register(Entry::new("30 9 * * 1-5", report_of("yesterday")).unique(day))
        .after_enqueue(|entry, result| {
            if let Err(error) = result {
                println!("{} at {:?}: {error}", entry.task_type, entry.spec);
            }
        })
        .start()
        .await?;
    for entry in scheduler.entries() {
        if let Some(next) = entry.next {
            println!("{:?}: {} comes next at {next}", entry.spec, entry.task_type);
        }
    }

    // Usually this is another program.
    let handlers = Mux::new().handle(welcome).handle(remind).handle(report);
    let server = Server::new(&redis).queue(QUEUE, 1).start(handlers).await?;

    tokio::signal::ctrl_c().await?;
    scheduler.shutdown().await;
    server.shutdown().await;
    Ok(())
}
