//! A Redis with tasks of all states in several queues, a server and a scheduler.

use std::time::Duration;

use fred::interfaces::ClientLike;
use fred::types::{ClusterHash, CustomCommand, Value};
use rasynq::{
    Client, Connection, Entry, Inspector, RetryDelay, RunningScheduler, RunningServer, Scheduler,
    Server, Task, TaskContext,
};

use crate::support::{DEADLINE, RedisServer, eventually};

const HOUR: Duration = Duration::from_secs(3600);
/// A name that must be escaped.
pub(crate) const ODD: &str = "b \"2\"";

/// Queue `a`: 10 tasks are done and 5 retried, 5 archived, 10 completed, 10 scheduled, 3 run, and 3 aggregate in a
/// group each. Queue [`ODD`]: 3 tasks are pending, it is paused, and no server serves it.
pub(crate) struct Sample {
    pub(crate) redis: RedisServer,
    _server: RunningServer,
    _scheduler: RunningScheduler,
}

impl Sample {
    pub(crate) async fn new() -> Self {
        let redis = RedisServer::builder().tcp().start().await;
        let connection = Connection::from_uri(&redis.uri()).unwrap();
        let client = Client::connect(&connection).await.unwrap();
        let handler = async |_: TaskContext, task: Task| match task.task_type() {
            "fails" => anyhow::bail!("boom"),
            "runs" => std::future::pending().await,
            _ => anyhow::Ok(()),
        };
        let server = Server::new(&connection).concurrency(30).queue("a", 1);
        let server = server.retry_delay(RetryDelay::constant(HOUR));
        let server = server.start(handler).await.unwrap();
        let enqueue = async |task: Task| client.enqueue(task.queue("a")).await.unwrap();
        for n in 0..10 {
            enqueue(Task::new("fails", "").max_retry(n % 2)).await;
            enqueue(Task::new("done", "x".repeat(100 * n as usize))).await;
            enqueue(Task::new("kept", "").retention(HOUR)).await;
            enqueue(Task::new("later", "").process_in(HOUR)).await;
        }
        for n in 0..3 {
            enqueue(Task::new("runs", "")).await;
            enqueue(Task::new("grouped", "").group(format!("group {n}"))).await;
            client
                .enqueue(Task::new("waits", ""))
                .queue(ODD)
                .await
                .unwrap();
        }
        let scheduler = Scheduler::new(&connection)
            .register(Entry::new("@every 24h", Task::new("daily", "")))
            .start()
            .await
            .unwrap();
        let inspector = Inspector::connect(&connection).await.unwrap();
        inspector.pause_queue(ODD).await.unwrap();
        let is_complete = || async {
            let info = inspector.queue_info("a").await.unwrap();
            let servers = inspector.servers().await.unwrap();
            let shown: usize = servers
                .iter()
                .map(|server| server.active_workers.len())
                .sum();
            let entries = inspector.scheduler_entries().await.unwrap();
            (info.processed_total, info.pending, shown, entries.len()) == (30, 0, 3, 1)
        };
        eventually("all is there", DEADLINE, is_complete).await;
        Self {
            redis,
            _server: server,
            _scheduler: scheduler,
        }
    }
}

/// Runs a Redis command.
pub(crate) async fn run(redis: &RedisServer, words: &[&str]) -> Value {
    let client = redis.client().await;
    let mut words = words.iter().map(|word| (*word).to_owned());
    let command = CustomCommand::new(words.next().unwrap(), ClusterHash::FirstKey, false);
    let words: Vec<String> = words.collect();
    client.custom(command, words).await.unwrap()
}
