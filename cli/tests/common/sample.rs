//! A Redis with tasks in all states, a server that runs one of them, and a scheduler.

use std::time::Duration;

use rasynq::{
    Client, Connection, Entry, Inspector, RetryDelay, RunningScheduler, RunningServer, Scheduler,
    Server, Task, TaskContext, TaskState,
};
use tokio::sync::Notify;

use super::{Command, DEADLINE, RedisServer, eventually};

const HOUR: Duration = Duration::from_secs(3600);

/// The sample, and the command on it.
///
/// Queue `default`: `mail-1` and `mail-2` are pending, `report-1` is scheduled, `digest-1` and `digest-2` aggregate,
/// `image-1` is archived, `image-2` waits for a retry, `export-1` is completed, `video-1` runs. Queue `low`: `mail-3`
/// is pending, and the queue is paused.
pub struct Sample {
    pub command: Command,
    pub inspector: Inspector,
    pub client: Client,
    pub redis: RedisServer,
    server: RunningServer,
    scheduler: RunningScheduler,
}

impl Sample {
    pub async fn new() -> Self {
        let redis = RedisServer::start().await;
        let connection = Connection::from_uri(&redis.uri()).unwrap();
        let client = Client::connect(&connection).await.unwrap();
        let inspector = Inspector::connect(&connection).await.unwrap();
        let server = Server::new(&connection)
            .concurrency(1)
            .task_check_interval(Duration::from_millis(20))
            .retry_delay(RetryDelay::constant(HOUR))
            .start(handle)
            .await
            .unwrap();
        let enqueue = async |task: Task| client.enqueue(task).await.unwrap();
        let image = || Task::new("image:resize", r#"{"width":640}"#);
        enqueue(image().task_id("image-1").max_retry(0)).await;
        enqueue(image().task_id("image-2").max_retry(3)).await;
        let export = Task::new("report:export", r#"{"year":2026}"#).retention(24 * HOUR);
        enqueue(export.task_id("export-1")).await;
        let has_state = async |id: &str, state: TaskState| {
            let reached = async || {
                let info = inspector.task_info("default", id).await;
                info.is_ok_and(|info| info.state == state)
            };
            eventually(&format!("{id} is {state}"), DEADLINE, reached).await;
        };
        has_state("image-1", TaskState::Archived).await;
        has_state("image-2", TaskState::Retry).await;
        has_state("export-1", TaskState::Completed).await;
        enqueue(Task::new("video:encode", r#"{"file":"a.mkv"}"#).task_id("video-1")).await;
        has_state("video-1", TaskState::Active).await;
        // The only slot is taken, so these stay where they are.
        let mail = |user: u64| Task::new("email:welcome", format!(r#"{{"user":{{"id":{user}}}}}"#));
        enqueue(mail(42).task_id("mail-1").header("tenant", "acme")).await;
        enqueue(mail(43).task_id("mail-2").unique(HOUR)).await;
        enqueue(mail(44).task_id("mail-3").queue("low")).await;
        let far = "2099-01-01T00:00:00Z".parse().unwrap();
        enqueue(
            Task::new("report:daily", "")
                .task_id("report-1")
                .process_at(far),
        )
        .await;
        for id in ["digest-1", "digest-2"] {
            enqueue(Task::new("digest", "x").task_id(id).group("digests")).await;
        }
        inspector.pause_queue("low").await.unwrap();
        let scheduler = Scheduler::new(&connection)
            .register(Entry::new("30 9 * * 1-5", Task::new("report:daily", "{}")).queue("low"))
            .start()
            .await
            .unwrap();
        let is_shown = async || {
            inspector
                .scheduler_entries()
                .await
                .is_ok_and(|found| !found.is_empty())
        };
        eventually("the entry is shown", DEADLINE, is_shown).await;
        let runs = async || {
            let servers = inspector.servers().await.unwrap_or_default();
            servers
                .iter()
                .any(|server| !server.active_workers.is_empty())
        };
        eventually("the server shows its run", DEADLINE, runs).await;
        Self {
            command: Command::on(&redis),
            inspector,
            client,
            redis,
            server,
            scheduler,
        }
    }

    /// Stops the server and the scheduler.
    pub async fn end(self) {
        self.scheduler.shutdown().await;
        self.server.shutdown().await;
    }
}

async fn handle(cx: TaskContext, task: Task) -> anyhow::Result<()> {
    match task.task_type() {
        "image:resize" => anyhow::bail!("exit status 3"),
        "report:export" => {
            cx.write_result("17 pages").await?;
            Ok(())
        }
        _ => {
            Notify::new().notified().await;
            Ok(())
        }
    }
}
