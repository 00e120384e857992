//! The main job from end to end, in about five seconds: a client enqueues typed tasks (some at
//! once, some later, one that is refused as a duplicate, some that fail), a worker runs them with
//! progress on screen, the results are read back, and a table says what happened to each.
//!
//! `dev/quickstart` runs it on a Redis server of its own; `cargo run --example quickstart` on the
//! one at `REDIS_URL`, by default `redis://localhost`. It only touches queues whose names begin
//! with `quickstart:`, and ends with an error if anything went otherwise than it should.
#![expect(clippy::print_stdout, reason = "it is made to be looked at")]

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
/// How long the tasks and their results can be read after they are done.
const KEEP: Duration = Duration::from_secs(10 * 60);
/// All is over by then, or something is wrong.
const PATIENCE: Duration = Duration::from_secs(20);

// ---- The tasks: what a task type carries, and its name, written once ---------------------------

#[derive(Serialize, Deserialize)]
struct Welcome {
    user: String,
}
impl TaskKind for Welcome {
    const TYPE: &'static str = "email:welcome";
}

#[derive(Serialize, Deserialize)]
struct Report {
    month: String,
    /// Makes this run's report another one than an earlier run's.
    run: u32,
}
impl TaskKind for Report {
    const TYPE: &'static str = "report:build";
}

#[derive(Serialize, Deserialize)]
struct Charge {
    cents: u64,
    /// How many runs fail before one ends well.
    failures: u32,
}
impl TaskKind for Charge {
    const TYPE: &'static str = "card:charge";
}

#[derive(Serialize, Deserialize)]
struct Import {
    file: String,
}
impl TaskKind for Import {
    const TYPE: &'static str = "csv:import";
}

#[derive(Serialize, Deserialize)]
struct Encode {
    frames: u64,
}
impl TaskKind for Encode {
    const TYPE: &'static str = "video:encode";
}

// ---- The handlers: async functions of a context and a payload ----------------------------------

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
    // It will not be better next time: no retry.
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

/// Without a typed payload: for every type that begins with `image:`.
async fn resize(cx: TaskContext, task: Task) -> anyhow::Result<()> {
    sleep(Duration::from_millis(100)).await;
    finish(&cx, format!("{} bytes resized", task.payload().len())).await
}

/// Writes the result, which is kept with the task for its retention.
async fn finish(cx: &TaskContext, result: String) -> anyhow::Result<()> {
    cx.write_result(result.clone()).await?;
    say("worker", cx.task_id(), cx.task_type(), &result);
    Ok(())
}

// ---- The client ---------------------------------------------------------------------------------

/// A task that was enqueued, and what is to become of it.
struct Planned {
    id: String,
    queue: String,
    state: TaskState,
    attempts: u32,
}

/// Everything that this run has enqueued.
#[derive(Default)]
struct Plan(Vec<Planned>);

impl Plan {
    /// Enqueues a task that is to end in this state after so many attempts.
    async fn add(&mut self, call: Enqueue<'_>, state: TaskState, n: u32) -> anyhow::Result<String> {
        let info = call.retention(KEEP).await?;
        let id = info.id.clone();
        self.note(&info, state, n);
        Ok(id)
    }

    fn note(&mut self, info: &TaskInfo, state: TaskState, attempts: u32) {
        let when = match info.next_process_at {
            Some(at) if info.state == TaskState::Scheduled => {
                format!("{} for {}", info.state, at.format("%H:%M:%S"))
            }
            _ => info.state.to_string(),
        };
        let text = format!("{when} in {}", info.queue);
        say("client", &info.id, &info.task_type, &text);
        self.0.push(Planned {
            id: info.id.clone(),
            queue: info.queue.clone(),
            state,
            attempts,
        });
    }
}

/// Enqueues everything. Returns the plan, and the id of the task that reports progress.
async fn enqueue_all(client: &Client) -> anyhow::Result<(Plan, String)> {
    use TaskState::{Archived, Completed};
    let mut plan = Plan::default();
    let secs = Duration::from_secs;

    // At once, and later.
    let mail = |user: &str| Welcome { user: user.into() };
    plan.add(client.enqueue(mail("ann")).queue(CRITICAL), Completed, 1)
        .await?;
    for (user, delay) in [("bob", 1), ("eve", 3)] {
        let call = client.enqueue(mail(user)).queue(CRITICAL);
        plan.add(call.process_in(secs(delay)), Completed, 1).await?;
    }

    // Unique: as long as the first one is not done, another one with the same payload is refused.
    let report = Report {
        month: "May".into(),
        run: std::process::id(),
    };
    let unique = |report| client.enqueue(report).queue(DEFAULT).unique(secs(60));
    let holder = plan.add(unique(&report), Completed, 1).await?;
    match unique(&report).await {
        Err(error) if error.kind() == ErrorKind::DuplicateTask => {
            let in_the_way = error.task_id().unwrap_or_default();
            ensure!(in_the_way == holder, "the lock is {in_the_way}'s");
            let text = format!("refused: {} is the same", short(in_the_way));
            say("client", "-", Report::TYPE, &text);
        }
        other => bail!("the duplicate was not refused: {other:?}"),
    }

    // Failing: well at the third attempt, never well, and not worth another attempt.
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

    // Long, with progress.
    let video = Encode { frames: 3000 };
    let long = plan
        .add(client.enqueue(video).queue(DEFAULT), Completed, 1)
        .await?;

    // Many in one round trip, each with its own result.
    let images = [("icon", 900), ("photo", 48_000), ("poster", 230_000)].map(|(name, size)| {
        Task::new(format!("image:{name}"), vec![0; size])
            .queue(DEFAULT)
            .retention(KEEP)
    });
    for stored in client.enqueue_batch(images).await {
        plan.note(&stored?, Completed, 1);
    }
    Ok((plan, long))
}

// ---- The show -----------------------------------------------------------------------------------

#[tokio::main]
async fn main() -> ExitCode {
    match show().await {
        Ok(0) => ExitCode::SUCCESS,
        Ok(wrong) => {
            eprintln!("{wrong} tasks ended otherwise than planned");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("quickstart: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns how many tasks ended otherwise than planned.
async fn show() -> anyhow::Result<usize> {
    // Warnings of the library, for those who ask: RUST_LOG=rasynq=warn
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();

    let uri = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://localhost".into());
    let redis = Connection::from_uri(&uri)?;
    let client = Client::connect(&redis)
        .await
        .context("REDIS_URL says where Redis is; dev/quickstart starts one")?;
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
        // Only where Redis does not tell the server of changes: it then looks this often.
        .delayed_task_check_interval(Duration::from_millis(200))
        .task_check_interval(Duration::from_millis(200))
        // Shorter than one would have it, for the show.
        .retry_delay(RetryDelay::constant(Duration::from_secs(1)))
        .error_handler(|cx, task, error| {
            let attempt = cx.retried() + 1;
            let text = format!("attempt {attempt} failed: {error:#}");
            say("worker", cx.task_id(), task.task_type(), &text);
        })
        .start(mux)
        .await?;
    say("worker", "-", "", "started, 4 tasks at once");

    let ended = wait_for_all(&inspector, &plan, &long).await;
    server.shutdown().await;
    say("worker", "-", "", "shut down");
    let wrong = summary(&plan, &ended?);
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

/// Reads all tasks again and again until each is completed or archived, and shows the progress of
/// the long one. Returns them as they were read last.
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
                say("progress", long, &info.task_type, &bar(percent));
            }
        }
        let over =
            |info: &TaskInfo| matches!(info.state, TaskState::Completed | TaskState::Archived);
        if infos.iter().all(over) || begin.elapsed() > PATIENCE {
            return Ok(infos);
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Says of each task what became of it. Returns how many ended otherwise than planned.
fn summary(plan: &Plan, ended: &[TaskInfo]) -> usize {
    println!(
        "\n{:8}  {:13}  {:19}  {:9}  {:>8}  result or last error",
        "task", "type", "queue", "state", "attempts"
    );
    let mut wrong = 0;
    for (planned, info) in plan.0.iter().zip(ended) {
        let attempts = info.retried + 1;
        let said = match info.state {
            TaskState::Completed => String::from_utf8_lossy(&info.result).into_owned(),
            _ => info.last_error.clone(),
        };
        println!(
            "{:8}  {:13}  {:19}  {:9}  {attempts:>8}  {said}",
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

/// Prints one line: when, who, which task, and what.
fn say(who: &str, id: &str, task_type: &str, what: &str) {
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let at = BEGIN.elapsed().as_secs_f64();
    println!(
        "{at:5.2} s  {who:8}  {:8}  {task_type:13}  {what}",
        short(id)
    );
}

fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

/// What `TaskContext::progress` has written, unless it is something else.
fn percent(result: &[u8]) -> Option<u64> {
    let json: serde_json::Value = serde_json::from_slice(result).ok()?;
    json["progress"]["percent"].as_u64()
}

fn bar(percent: u64) -> String {
    let full = (percent / 5) as usize;
    format!("[{:-<20}] {percent:3} %", "#".repeat(full))
}
