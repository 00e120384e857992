//! Client, server and results together, in about five seconds. A client enqueues typed tasks: for now,
//! for later, a duplicate, and some that fail. A server runs them. Then their results are read.
//!
//! Run it with `dev/quickstart`, which starts a private Redis server. `cargo run -p rasynq-quickstart`
//! uses the Redis at `REDIS_URL`, by default `redis://localhost`.
//!
//! It prints one line for each event, the progress of a long task, and at the end a table of all tasks.
//! It uses only queues whose names begin with `quickstart:`. It exits with an error if a task does not
//! reach the state that is planned for it.
#![expect(clippy::print_stdout, reason = "an example")]

use std::process::ExitCode;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rasynq::{
    Client, Connection, Enqueue, ErrorKind, Inspector, Mux, Progress, RetryDelay, Server,
    SkipRetry, Task, TaskContext, TaskInfo, TaskKind, TaskState,
};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

const CRITICAL: &str = "quickstart:critical";
const DEFAULT: &str = "quickstart:default";
/// How long the tasks and their results stay readable after they are completed.
const KEEP: Duration = Duration::from_secs(10 * 60);
/// The longest time to wait for all tasks.
const DEADLINE: Duration = Duration::from_secs(20);

// ---- The tasks: payload and type name -----------------------------------------------------------

#[derive(Serialize, Deserialize, TaskKind)]
#[task(type = "email:welcome")]
struct Welcome {
    user: String,
}

#[derive(Serialize, Deserialize, TaskKind)]
#[task(type = "report:build")]
struct Report {
    month: String,
    /// Differs in each run of this example, so that an earlier report is not a duplicate.
    run: u32,
}

#[derive(Serialize, Deserialize, TaskKind)]
#[task(type = "card:charge")]
struct Charge {
    cents: u64,
    /// How many attempts fail before one succeeds.
    failures: u32,
}

#[derive(Serialize, Deserialize, TaskKind)]
#[task(type = "csv:import")]
struct Import {
    file: String,
}

#[derive(Serialize, Deserialize, TaskKind)]
#[task(type = "video:encode")]
struct Encode {
    frames: u64,
}

// ---- The handlers: async functions of a context and a payload -----------------------------------

async fn welcome(cx: TaskContext, mail: Welcome) -> anyhow::Result<()> {
    sleep(Duration::from_millis(200)).await;
    finish(&cx, format!("sent to {}", mail.user)).await
}

async fn build_report(cx: TaskContext, report: Report) -> anyhow::Result<()> {
    sleep(Duration::from_millis(400)).await;
    finish(&cx, format!("12 pages about {}", report.month)).await
}

async fn charge(cx: TaskContext, charge: Charge) -> anyhow::Result<()> {
    if cx.retried() < charge.failures {
        bail!("the bank does not answer");
    }
    finish(&cx, format!("charged {} cents", charge.cents)).await
}

async fn import(_cx: TaskContext, import: Import) -> Result<(), SkipRetry> {
    // A retry would fail too.
    Err(SkipRetry::new(format!("{} is not a table", import.file)))
}

async fn encode(cx: TaskContext, video: Encode) -> anyhow::Result<()> {
    const STEPS: u64 = 20;
    for step in 1..=STEPS {
        sleep(Duration::from_millis(200)).await;
        let done = video.frames * step / STEPS;
        cx.progress(Progress::new(done, video.frames).message("encoding"))
            .await?;
    }
    finish(&cx, format!("{} frames", video.frames)).await
}

/// A handler without a typed payload. It takes every type that begins with `image:`.
async fn resize(cx: TaskContext, task: Task) -> anyhow::Result<()> {
    sleep(Duration::from_millis(100)).await;
    finish(&cx, format!("{} bytes resized", task.payload().len())).await
}

/// Writes the result. Redis keeps it with the task for the retention.
async fn finish(cx: &TaskContext, result: String) -> anyhow::Result<()> {
    cx.write_result(result.clone()).await?;
    print_event("worker", cx.task_id(), cx.task_type(), &result);
    Ok(())
}

// ---- The client ---------------------------------------------------------------------------------

/// A task that was enqueued, and the state and the number of attempts that are planned for it.
struct Planned {
    id: String,
    queue: String,
    state: TaskState,
    attempts: u32,
}

/// All tasks that this run enqueued.
#[derive(Default)]
struct Plan(Vec<Planned>);

impl Plan {
    /// Enqueues a task that should reach this state after `n` attempts.
    async fn add(&mut self, call: Enqueue<'_>, state: TaskState, n: u32) -> anyhow::Result<String> {
        let info = call.retention(KEEP).await?;
        let id = info.id.clone();
        self.add_stored(&info, state, n);
        Ok(id)
    }

    fn add_stored(&mut self, info: &TaskInfo, state: TaskState, attempts: u32) {
        let when = match info.next_process_at {
            Some(at) if info.state == TaskState::Scheduled => {
                format!("{} for {}", info.state, at.format("%H:%M:%S"))
            }
            _ => info.state.to_string(),
        };
        let text = format!("{when} in {}", info.queue);
        print_event("client", &info.id, &info.task_type, &text);
        self.0.push(Planned {
            id: info.id.clone(),
            queue: info.queue.clone(),
            state,
            attempts,
        });
    }
}

/// Enqueues all tasks. Returns the plan, and the id of the task that reports progress.
// Long, because it is a list: one task after the other.
async fn enqueue_all(client: &Client) -> anyhow::Result<(Plan, String)> {
    use TaskState::{Archived, Completed};
    let mut plan = Plan::default();
    let secs = Duration::from_secs;

    // For now, and for later.
    let mail = |user: &str| Welcome { user: user.into() };
    plan.add(client.enqueue(mail("ann")).queue(CRITICAL), Completed, 1)
        .await?;
    for (user, delay) in [("bob", 1), ("eve", 3)] {
        let call = client.enqueue(mail(user)).queue(CRITICAL);
        plan.add(call.process_in(secs(delay)), Completed, 1).await?;
    }

    // Unique: until the first report is done, a second one with the same payload is refused.
    let report = Report {
        month: "May".into(),
        run: std::process::id(),
    };
    let unique = |report| client.enqueue(report).queue(DEFAULT).unique(secs(60));
    let holder = plan.add(unique(&report), Completed, 1).await?;
    match unique(&report).await {
        Err(error) if error.kind() == ErrorKind::DuplicateTask => {
            let existing = error.task_id().unwrap_or_default();
            ensure!(existing == holder, "the lock belongs to {existing}");
            let text = format!("refused: a duplicate of {}", short(existing));
            print_event("client", "-", Report::TYPE, &text);
        }
        other => bail!("the duplicate was not refused: {other:?}"),
    }

    // Failing: succeeds at the third attempt, fails at every attempt, fails without a retry.
    let flaky = |failures| Charge {
        cents: 1250,
        failures,
    };
    let call = client.enqueue(flaky(2)).queue(CRITICAL);
    plan.add(call.max_retry(5), Completed, 3).await?;
    let call = client.enqueue(flaky(100)).queue(DEFAULT);
    plan.add(call.max_retry(2), Archived, 3).await?;
    let file = "cat.png".to_owned();
    plan.add(client.enqueue(Import { file }).queue(DEFAULT), Archived, 1)
        .await?;

    // A long task with progress.
    let video = Encode { frames: 3000 };
    let long = plan
        .add(client.enqueue(video).queue(DEFAULT), Completed, 1)
        .await?;

    // Three tasks in one round trip. Each has its own result.
    let images = [("icon", 900), ("photo", 48_000), ("poster", 230_000)].map(|(name, size)| {
        Task::new(format!("image:{name}"), vec![0; size])
            .queue(DEFAULT)
            .retention(KEEP)
    });
    for stored in client.enqueue_batch(images).await {
        plan.add_stored(&stored?, Completed, 1);
    }
    Ok((plan, long))
}

// ---- The run of the example ---------------------------------------------------------------------

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(0) => ExitCode::SUCCESS,
        Ok(wrong) => {
            eprintln!("{wrong} tasks did not reach the planned state");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("quickstart: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns how many tasks did not reach the planned state.
async fn run() -> anyhow::Result<usize> {
    let uri = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://localhost".into());
    let redis = Connection::from_uri(&uri)?;
    let client = Client::connect(&redis)
        .await
        .context("set REDIS_URL to the address of Redis, or use dev/quickstart")?;
    let inspector = Inspector::connect(&redis).await?;
    println!("rasynq on {redis}\n");

    let (plan, long) = enqueue_all(&client).await?;

    let mux = Mux::new()
        .handle(welcome)
        .handle(build_report)
        .handle(charge)
        .handle(import)
        .handle(encode)
        .route("image:", resize);
    let server = Server::new(&redis)
        .concurrency(4)
        .queue(CRITICAL, 2)
        .queue(DEFAULT, 1)
        // Used only where Redis cannot notify the server of changes: the polling intervals.
        .delayed_task_check_interval(Duration::from_millis(200))
        .task_check_interval(Duration::from_millis(200))
        // Shorter than in production, so that the example is quick.
        .retry_delay(RetryDelay::constant(Duration::from_secs(1)))
        .error_handler(|cx, task, error| {
            let attempt = cx.retried() + 1;
            let text = format!("attempt {attempt} failed: {error:#}");
            print_event("worker", cx.task_id(), task.task_type(), &text);
        })
        .start(mux)
        .await?;
    print_event("worker", "-", "", "started, runs 4 tasks at a time");

    let last_read = wait_for_all(&inspector, &plan, &long).await;
    server.shutdown().await;
    print_event("worker", "-", "", "shut down");
    let wrong = summary(&plan, &last_read?);
    inspector.close().await;
    client.close().await;
    if wrong == 0 {
        println!(
            "\nAll {} as planned, and one duplicate refused.",
            plan.0.len()
        );
    }
    Ok(wrong)
}

/// Polls all tasks until each is completed or archived, and prints the progress of the long task.
/// Returns the tasks as they were read last.
async fn wait_for_all(
    inspector: &Inspector,
    plan: &Plan,
    long: &str,
) -> anyhow::Result<Vec<TaskInfo>> {
    let begin = Instant::now();
    let mut shown = 0;
    loop {
        let mut infos = Vec::new();
        for task in &plan.0 {
            infos.push(inspector.task_info(&task.queue, &task.id).await?);
        }
        for info in infos.iter().filter(|info| info.id == long) {
            let percent = percent(&info.result).unwrap_or(0);
            if percent >= shown + 10 {
                shown = percent;
                print_event("progress", long, &info.task_type, &bar(percent));
            }
        }
        let is_final =
            |info: &TaskInfo| matches!(info.state, TaskState::Completed | TaskState::Archived);
        if infos.iter().all(is_final) || begin.elapsed() > DEADLINE {
            return Ok(infos);
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Prints what happened to each task. Returns how many did not reach the planned state.
fn summary(plan: &Plan, tasks: &[TaskInfo]) -> usize {
    println!(
        "\n{:8}  {:13}  {:19}  {:9}  {:>8}  result or last error",
        "task", "type", "queue", "state", "attempts"
    );
    let mut wrong = 0;
    for (planned, info) in plan.0.iter().zip(tasks) {
        let attempts = info.retried + 1;
        let text = match info.state {
            TaskState::Completed => String::from_utf8_lossy(&info.result).into_owned(),
            _ => info.last_error.clone(),
        };
        println!(
            "{:8}  {:13}  {:19}  {:9}  {attempts:>8}  {text}",
            short(&info.id),
            info.task_type,
            info.queue,
            info.state
        );
        if (info.state, attempts) != (planned.state, planned.attempts) {
            wrong += 1;
            println!(
                "          ^ planned: {} after {}",
                planned.state, planned.attempts
            );
        }
    }
    wrong
}

/// Prints one line: the time, who reports, the task, and what happened.
fn print_event(who: &str, id: &str, task_type: &str, what: &str) {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let at = START.elapsed().as_secs_f64();
    println!(
        "{at:5.2} s  {who:8}  {:8}  {task_type:13}  {what}",
        short(id)
    );
}

fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

/// The percentage in a result that `TaskContext::progress` wrote; `None` for other results.
fn percent(result: &[u8]) -> Option<u64> {
    let json: serde_json::Value = serde_json::from_slice(result).ok()?;
    json["progress"]["percent"].as_u64()
}

fn bar(percent: u64) -> String {
    let filled = (percent / 5) as usize;
    format!("[{:-<20}] {percent:3} %", "#".repeat(filled))
}
