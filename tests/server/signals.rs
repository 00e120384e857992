//! A server in its own process, and the signals that it handles.

use std::process::Stdio;

use rasynq::{Connection, Task};
use tokio::process::{Child, Command};

use crate::common::{DEADLINE, Scripted, ServerInfo, World, eventually};

/// The environment variable with the address of Redis for [`a_process_that_serves`].
const URI: &str = "RASYNQ_TEST_SERVE_URI";

/// The main function of the process that the tests below start. Without the variable it does nothing.
#[tokio::test]
async fn a_process_that_serves() {
    let Ok(uri) = std::env::var(URI) else { return };
    let handler = Scripted::new();
    // waiting handlers are never released: they are dropped after the shutdown timeout
    World::server_on(&Connection::from_uri(&uri).unwrap())
        .concurrency(2)
        .serve(handler)
        .await
        .unwrap();
}

/// Starts this test program as a server in another process.
async fn serve(world: &World) -> Child {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "signals::a_process_that_serves"])
        .env(URI, world.redis.uri())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    eventually("the server has its entry in Redis", DEADLINE, || async {
        let servers: i64 = world.run(&["ZCARD", "asynq:servers"]).await;
        servers == 1
    })
    .await;
    child
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

async fn ends(mut child: Child) {
    let status = tokio::time::timeout(DEADLINE, child.wait())
        .await
        .expect("the process ends")
        .unwrap();
    assert!(status.success(), "{status}");
}

async fn a_signal_shuts_down(name: &str) {
    let world = World::new().await;
    let client = world.client().await;
    let child = serve(&world).await;
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
    let servers: i64 = world.run(&["ZCARD", "asynq:servers"]).await;
    assert_eq!(servers, 0);
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
    let child = serve(&world).await;
    signal(&child, "TSTP").await;
    eventually("the status of the server is stopped", DEADLINE, || async {
        let keys: Vec<String> = world.run(&["ZRANGE", "asynq:servers", "0", "-1"]).await;
        let bytes = world.bytes(&["GET", &keys[0]]).await;
        let info = <ServerInfo as prost::Message>::decode(bytes.as_slice()).unwrap();
        info.status == "stopped"
    })
    .await;
    let task = Task::new("any", "ok").task_id("task");
    client.enqueue(task).await.unwrap();
    signal(&child, "TSTP").await;
    signal(&child, "TERM").await;
    ends(child).await;
    assert_eq!(world.list("pending").await, ["task"]);
}
