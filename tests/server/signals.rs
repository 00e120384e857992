//! A server in its own process, and the signals that it handles.

use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use rasynq::{Client, Connection, Task, TaskContext, blocking};
use tokio::process::{Child, Command};

use crate::common::{DEADLINE, HOUR, Scripted, ServerInfo, World, eventually};

/// The environment variables for [`a_process_that_serves`]: the address of Redis, and what the process does.
const URI: &str = "RASYNQ_TEST_SERVE_URI";
const KIND: &str = "RASYNQ_TEST_SERVE_KIND";

/// What the process does that a test starts.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// Its handler is [`Scripted`]: waiting handlers are never released, and are dropped after the shutdown
    /// timeout.
    Scripted,
    /// Its handler waits for longer than a test, and its shutdown timeout is as long.
    Patient,
    /// Its blocking handler does not return.
    BlockingHandler,
    /// Its async handler blocks one of the two threads of the runtime.
    OneThreadBlocked,
    /// Its async handler blocks the only thread of the runtime.
    AllThreadsBlocked,
    /// It goes on after `serve`, and enqueues a task then.
    GoesOn,
}

const KINDS: [Kind; 6] = [
    Kind::Scripted,
    Kind::Patient,
    Kind::BlockingHandler,
    Kind::OneThreadBlocked,
    Kind::AllThreadsBlocked,
    Kind::GoesOn,
];

/// Longer than a test waits.
const FOREVER: Duration = Duration::from_secs(600);

/// Reports that it has begun, and waits.
async fn wait(cx: TaskContext, _: Task) -> anyhow::Result<()> {
    cx.write_result("begun").await?;
    tokio::time::sleep(FOREVER).await;
    Ok(())
}

/// Reports that it has begun, and blocks its thread.
async fn block(cx: TaskContext, _: Task) -> anyhow::Result<()> {
    cx.write_result("begun").await?;
    std::thread::sleep(FOREVER);
    Ok(())
}

/// The main function of the process that the tests below start. Without the variables it does nothing.
#[test]
fn a_process_that_serves() {
    let Ok(uri) = std::env::var(URI) else { return };
    let word = std::env::var(KIND).unwrap();
    let is_named = |kind: &&Kind| format!("{kind:?}") == word;
    let kind = *KINDS.iter().find(is_named).expect("a kind");
    let mut runtime = match kind {
        Kind::OneThreadBlocked => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let server = World::server_on(&Connection::from_uri(&uri).unwrap()).concurrency(2);
        match kind {
            Kind::Scripted => server.serve(Scripted::new()).await,
            Kind::Patient => server.shutdown_timeout(FOREVER).serve(wait).await,
            Kind::GoesOn => {
                server
                    .shutdown_timeout(Duration::from_millis(1))
                    .serve(Scripted::new())
                    .await
            }
            Kind::BlockingHandler => {
                let block = |cx: TaskContext, task: Task| {
                    tokio::runtime::Handle::current().block_on(block(cx, task))
                };
                server.serve(blocking(block)).await
            }
            Kind::OneThreadBlocked | Kind::AllThreadsBlocked => server.serve(block).await,
        }
        .unwrap();
        if kind == Kind::GoesOn {
            let connection = Connection::from_uri(&uri).unwrap();
            let client = Client::connect(&connection).await.unwrap();
            client
                .enqueue(Task::new("any", "").task_id("after"))
                .await
                .unwrap();
            tokio::time::sleep(FOREVER).await;
        }
    });
    drop(runtime);
}

/// Starts this test program as a server in another process.
async fn serve(world: &World, kind: Kind) -> Child {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "signals::a_process_that_serves"])
        .env(URI, world.redis.uri())
        .env(KIND, format!("{kind:?}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    eventually("the server has its entry in Redis", DEADLINE, || async {
        server_info(world).await.is_some()
    })
    .await;
    child
}

async fn servers(world: &World) -> i64 {
    world.run(&["ZCARD", "asynq:servers"]).await
}

/// What the only server has written. It is listed before that.
async fn server_info(world: &World) -> Option<ServerInfo> {
    let keys: Vec<String> = world.run(&["ZRANGE", "asynq:servers", "0", "-1"]).await;
    let bytes: Option<Bytes> = world.run(&["GET", keys.first()?]).await;
    Some(<ServerInfo as prost::Message>::decode(bytes?).unwrap())
}

async fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .arg(format!("-{name}"))
        .arg(child.id().unwrap().to_string())
        .status()
        .await
        .unwrap();
    assert!(status.success());
}

async fn ends(child: Child) {
    ends_with(child, 0).await;
}

async fn ends_with(mut child: Child, code: i32) {
    let status = tokio::time::timeout(2 * DEADLINE, child.wait())
        .await
        .expect("the process ends")
        .unwrap();
    assert_eq!(status.code(), Some(code), "{status}");
}

/// Starts a process whose handler has begun.
async fn serve_task(world: &World, kind: Kind) -> Child {
    let child = serve(world, kind).await;
    let task = Task::new("any", "").task_id("task");
    world.client().await.enqueue(task).await.unwrap();
    eventually("the handler has begun", DEADLINE, || async {
        world.hash("task").await.contains_key("result")
    })
    .await;
    child
}

#[tokio::test]
async fn a_blocking_handler_that_does_not_return_does_not_hold_up_the_end_of_the_process() {
    let world = World::new().await;
    let child = serve_task(&world, Kind::BlockingHandler).await;
    signal(&child, "TERM").await;
    ends(child).await;
    assert_eq!(world.list("pending").await, ["task"]);
    assert_eq!(servers(&world).await, 0);
}

#[tokio::test]
async fn a_handler_that_blocks_its_thread_holds_up_neither_the_shutdown_nor_the_end_of_the_process()
{
    let world = World::new().await;
    let child = serve_task(&world, Kind::OneThreadBlocked).await;
    signal(&child, "TERM").await;
    ends_with(child, 70).await;
    assert_eq!(world.list("pending").await, ["task"]);
    assert_eq!(servers(&world).await, 0);
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_process_whose_runtime_is_blocked_ends_all_the_same() {
    let world = World::new().await;
    let child = serve_task(&world, Kind::AllThreadsBlocked).await;
    signal(&child, "INT").await;
    ends_with(child, 70).await;
    assert_eq!(world.state("task").await, "active");
}

#[tokio::test]
async fn a_second_signal_during_a_shutdown_ends_the_process_at_once() {
    for (first, second, code) in [("TERM", "INT", 130), ("INT", "TERM", 143)] {
        let world = World::new().await;
        // A task that was fetched and has not begun would go back at once, and nothing would hold up the shutdown.
        let child = serve_task(&world, Kind::Patient).await;
        signal(&child, first).await;
        status_is_stopped(&world).await;
        signal(&child, second).await;
        ends_with(child, code).await;
        assert_eq!(world.state("task").await, "active");
    }
}

#[tokio::test]
async fn a_signal_after_the_end_of_serve_ends_the_process() {
    let world = World::new().await;
    let child = serve(&world, Kind::GoesOn).await;
    // A signal that comes while the server starts only ends the start: its entry stays until it expires.
    let task = Task::new("any", "ok").task_id("done").retention(HOUR);
    let client = world.client().await;
    client.enqueue(task).await.unwrap();
    client.close().await;
    world.task_is("done", "completed").await;
    signal(&child, "TERM").await;
    world.task_is("after", "pending").await;
    assert_eq!(servers(&world).await, 0);
    signal(&child, "TERM").await;
    ends_with(child, 143).await;
}

async fn status_is_stopped(world: &World) {
    eventually("the status of the server is stopped", DEADLINE, || async {
        server_info(world)
            .await
            .is_some_and(|info| info.status == "stopped")
    })
    .await;
}

async fn a_signal_shuts_down(name: &str) {
    let world = World::new().await;
    let client = world.client().await;
    let child = serve(&world, Kind::Scripted).await;
    for (id, payload) in [("done", "ok"), ("unfinished", "wait")] {
        let task = Task::new("any", payload).task_id(id);
        client.enqueue(task).await.unwrap();
    }
    world.task_is("done", "").await;
    world.task_is("unfinished", "active").await;
    signal(&child, name).await;
    ends(child).await;
    assert_eq!(world.list("pending").await, ["unfinished"]);
    assert_eq!(world.state("unfinished").await, "pending");
    assert_eq!(world.message("unfinished").await.retried, 0);
    assert_eq!(servers(&world).await, 0);
}

#[tokio::test]
async fn sigterm_shuts_a_server_down() {
    a_signal_shuts_down("TERM").await;
}

#[tokio::test]
async fn sigint_shuts_a_server_down() {
    a_signal_shuts_down("INT").await;
}

#[tokio::test]
async fn sigtstp_stops_fetching_and_sigterm_still_shuts_down() {
    let world = World::new().await;
    let client = world.client().await;
    let child = serve(&world, Kind::Scripted).await;
    signal(&child, "TSTP").await;
    status_is_stopped(&world).await;
    let task = Task::new("any", "ok").task_id("task");
    client.enqueue(task).await.unwrap();
    signal(&child, "TSTP").await;
    signal(&child, "TERM").await;
    ends(child).await;
    assert_eq!(world.list("pending").await, ["task"]);
}
