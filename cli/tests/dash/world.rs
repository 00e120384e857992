//! A private Redis with queues, tasks, a server and a scheduler, for the dashboard to show.

use std::time::Duration;

use rasynq::{
    Client, Connection, Entry, Inspector, Progress, RetryDelay, RunningScheduler, RunningServer,
    Scheduler, Server, Task, TaskContext, TaskInfo, TaskState,
};

use crate::common::{
    Command, DEADLINE, Proxy, RedisServer, RedisServerBuilder, Size, Terminal, eventually,
};

/// How long tasks are kept that must not change during a test.
pub const HOUR: Duration = Duration::from_secs(3600);

/// The size that must be enough.
pub const SIZE: Size = (80, 24);

/// `rasynq dash` with these arguments and variables in a terminal. After its end, the shell that has started it prints
/// `code=` with its exit code, the settings of the terminal, and `all told`. It has at most 4 GB of address space.
///
/// `None`: there is no tmux here.
pub fn dash(arguments: &[&str], variables: &[(&str, &str)]) -> Option<Terminal> {
    let arguments: Vec<String> = arguments.iter().map(|word| format!("'{word}'")).collect();
    let script = format!(
        "echo before; ulimit -v 4000000; sh -c 'echo $$ >\"$PID_FILE\"; exec \"$@\"' sh '{}' dash {}; echo code=$?; stty -a; echo all told; exec cat",
        Command::binary(),
        arguments.join(" ")
    );
    Terminal::start(SIZE, &script, variables)
}

fn dash_of(uri: &str, variables: &[(&str, &str)]) -> Option<Terminal> {
    dash(&["--uri", uri, "--refresh", "200ms"], variables)
}

pub struct World {
    pub redis: RedisServer,
    pub client: Client,
    pub inspector: Inspector,
}

impl World {
    pub async fn new() -> Self {
        Self::on(RedisServer::builder().tcp()).await
    }

    pub async fn on(builder: RedisServerBuilder) -> Self {
        let redis = builder.start().await;
        let connection = Connection::from_uri(&redis.uri()).unwrap();
        Self {
            client: Client::connect(&connection).await.unwrap(),
            inspector: Inspector::connect(&connection).await.unwrap(),
            redis,
        }
    }

    pub fn connection(&self) -> Connection {
        Connection::from_uri(&self.redis.uri()).unwrap()
    }

    /// One with a task `a` in the queue `default`, and the dashboard that shows the queue.
    pub async fn with_a_task() -> Option<(Self, Terminal)> {
        let world = Self::new().await;
        world.enqueue("a", Task::new("email:send", "{}")).await;
        let terminal = world.dash()?;
        terminal.shows(&["default", "live"]).await;
        Some((world, terminal))
    }

    /// The dashboard on this Redis.
    pub fn dash(&self) -> Option<Terminal> {
        self.dash_with(&[])
    }

    /// The same with these variables of the environment.
    pub fn dash_with(&self, variables: &[(&str, &str)]) -> Option<Terminal> {
        dash_of(&self.redis.uri(), variables)
    }

    /// The dashboard by a proxy.
    pub fn dash_by(&self, proxy: &Proxy) -> Option<Terminal> {
        dash_of(&format!("redis://127.0.0.1:{}", proxy.port()), &[])
    }

    /// The dashboard as the user `reader` with the password `secret`.
    pub fn dash_of_reader(&self) -> Option<Terminal> {
        dash_of(&self.redis.uri_with("reader:secret@"), &[])
    }

    /// A server of the queues `default` and `mail`. Tasks `video:encode` run until they are canceled, tasks `report:…`
    /// fail, all others succeed with a result.
    pub async fn serve(&self) -> RunningServer {
        let server = Server::new(&self.connection())
            .concurrency(10)
            .queue("default", 3)
            .queue("mail", 1)
            .retry_delay(RetryDelay::constant(HOUR))
            .task_check_interval(Duration::from_millis(20))
            .delayed_task_check_interval(Duration::from_millis(20))
            .shutdown_timeout(Duration::from_secs(2));
        server.start(handle).await.unwrap()
    }

    /// A scheduler with two entries. One ticks every second.
    pub async fn schedule(&self) -> RunningScheduler {
        let beat = Task::new("heartbeat", r#"{"from":"scheduler"}"#);
        let nightly = Task::new("report:nightly", "{}");
        Scheduler::new(&self.connection())
            .heartbeat_interval(Duration::from_secs(1))
            .register(Entry::new("@every 1s", beat).queue("beats"))
            .register(Entry::new("0 3 * * *", nightly).queue("mail"))
            .start()
            .await
            .unwrap()
    }

    pub async fn enqueue(&self, id: &str, task: Task) -> TaskInfo {
        self.client.enqueue(task.task_id(id)).await.unwrap()
    }

    /// Waits until the task is in this state.
    pub async fn is_in(&self, queue: &str, id: &str, state: TaskState) {
        let what = format!("task {id} of {queue} is {state}");
        eventually(&what, DEADLINE, || async {
            let info = self.inspector.task_info(queue, id).await;
            info.is_ok_and(|info| info.state == state)
        })
        .await;
    }

    /// Waits until the queue has this many tasks in this state.
    pub async fn has(&self, queue: &str, state: TaskState, count: u64) {
        let what = format!("{queue} has {count} tasks {state}");
        eventually(&what, DEADLINE, || async {
            let counted = self.inspector.tasks(queue, state).count().await;
            counted.is_ok_and(|counted| counted == count)
        })
        .await;
    }
}

async fn handle(cx: TaskContext, task: Task) -> anyhow::Result<()> {
    match task.task_type() {
        "video:encode" => {
            let progress = Progress::new(1_250, 5_000).message("encoding");
            cx.progress(progress).await?;
            cx.cancellation().cancelled().await;
            anyhow::bail!("canceled")
        }
        name if name.starts_with("report:") => {
            anyhow::bail!("dial tcp 10.0.0.7:25: no route to host")
        }
        _ => {
            cx.write_result(r#"{"sent":true}"#).await?;
            Ok(())
        }
    }
}
