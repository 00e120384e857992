//! Servers whose processes are killed, frozen or cut off from Redis.

use std::process::Stdio;
use std::time::Duration;

use anyhow::Result;
use rasynq::{Connection, LostLease, Task, TaskContext};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::common::{
    DEADLINE, Log, RedisServer, Scripted, TaskMessage, World, eventually, key, task_key,
};

/// The environment variable with the address of Redis for [`a_process_that_serves`].
const URI: &str = "RASYNQ_TEST_WORKER_URI";

/// The main function of the process that the tests below start. Without the variable it does nothing.
#[tokio::test]
async fn a_process_that_serves() {
    let Ok(uri) = std::env::var(URI) else { return };
    let handler = |_: TaskContext, task: Task| async move {
        let payload = String::from_utf8(task.payload().to_vec())?;
        match payload.split_once(' ') {
            Some(("sleep", secs)) => tokio::time::sleep(Duration::from_secs(secs.parse()?)).await,
            _ if payload == "abort" => std::process::abort(),
            _ => std::future::pending().await,
        }
        Result::<()>::Ok(())
    };
    World::server_on(&Connection::from_uri(&uri).unwrap())
        .serve(handler)
        .await
        .unwrap();
}

/// Starts this test program as a server in another process.
fn serve(uri: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "gone::a_process_that_serves"])
        .env(URI, uri)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
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

async fn enqueue(world: &World, id: &str, payload: &str) {
    let task = Task::new("any", payload.to_owned()).task_id(id);
    world.client().await.enqueue(task).await.unwrap();
}

/// The leases of a killed server are valid for up to 30 s, and a lost lease is recovered after another 30 s. So
/// what happens before [`DEADLINE`] is not due to its lease.
#[tokio::test]
async fn the_tasks_of_a_killed_process_run_again_before_their_leases_expire() {
    let world = World::new().await;
    for n in 0..250 {
        enqueue(&world, &n.to_string(), "wait").await;
    }
    let mut child = serve(&world.redis.uri());
    eventually("four tasks run", DEADLINE, || async {
        world.list("active").await.len() == 4
    })
    .await;
    let _log = Log::capture();
    let running = world.list("active").await;
    let _: i64 = world.run(&["DEL", &key("pending")]).await;
    let handler = Scripted::new();
    handler.release(4);
    let server = world.start(handler.clone()).await;
    // A heartbeat or two of the child later.
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(handler.begun(), Vec::<String>::new());
    child.start_kill().unwrap();
    for id in &running {
        world.task_is(id, "").await;
    }
    server.shutdown().await;
    for id in &running {
        assert_eq!(handler.runs_of(id), 1, "{id}");
    }
    // By default a lost run counts as a failure.
    assert_eq!(world.counter("failed").await, 4);
    world.assert_none_active().await;
}

#[tokio::test]
async fn a_frozen_process_keeps_its_tasks() {
    let world = World::new().await;
    enqueue(&world, "task", "sleep 4").await;
    let child = serve(&world.redis.uri());
    world.task_is("task", "active").await;
    let handler = Scripted::new();
    let server = world.start(handler.clone()).await;
    signal(&child, "STOP").await;
    tokio::time::sleep(Duration::from_secs(17)).await;
    assert_eq!(world.state("task").await, "active");
    signal(&child, "CONT").await;
    world.task_is("task", "").await;
    server.shutdown().await;
    assert_eq!(handler.begun(), Vec::<String>::new());
    assert_eq!(world.counter("processed").await, 1);
    assert_eq!(world.counter("failed").await, 0);
}

#[tokio::test]
async fn a_process_that_is_cut_off_from_redis_keeps_its_tasks() {
    let (world, proxy, _) = World::behind_proxy().await;
    enqueue(&world, "task", "sleep 4").await;
    let _child = serve(&format!("redis://127.0.0.1:{}", proxy.port()));
    world.task_is("task", "active").await;
    let handler = Scripted::new();
    let server = world.start(handler.clone()).await;
    proxy.refuse(true);
    tokio::time::sleep(Duration::from_secs(17)).await;
    assert_eq!(world.state("task").await, "active");
    proxy.refuse(false);
    world.task_is("task", "").await;
    server.shutdown().await;
    assert_eq!(handler.begun(), Vec::<String>::new());
    assert_eq!(world.counter("processed").await, 1);
    assert_eq!(world.counter("failed").await, 0);
}

#[tokio::test]
async fn a_task_that_ends_its_process_at_once_is_archived_after_some_lost_runs() {
    let world = World::new().await;
    enqueue(&world, "poison", "abort").await;
    // This server recovers and forwards, and fetches nothing.
    let server = world
        .server()
        .lost_lease(LostLease::Defer)
        .max_lost_runs(2)
        .start(Scripted::new())
        .await
        .unwrap();
    server.stop();
    for run in 1..=2 {
        let mut child = serve(&world.redis.uri());
        let ended = tokio::time::timeout(DEADLINE, child.wait()).await;
        assert!(!ended.unwrap().unwrap().success());
        let state = if run == 1 { "pending" } else { "archived" };
        world.task_is("poison", state).await;
    }
    let message = world.message("poison").await;
    let text = "2 runs in a row were lost with their servers: the task may be what ends them";
    assert_eq!(message.error_msg, text);
    assert_eq!(message.retried, 0);
    server.shutdown().await;
    world.assert_consistent().await;
}

/// The server on another machine with this name makes a heartbeat.
async fn make_heartbeat(world: &World, owner: &str) {
    let expires = (world.now().await + 10).to_string();
    let server = format!("asynq:servers:{{elsewhere:1:{owner}-0000}}");
    let _: i64 = world
        .run(&["ZADD", "asynq:servers", &expires, &server])
        .await;
}

/// Lists a server on another machine as an owner that listens on its channel, or not.
async fn list_owner(world: &World, owner: &str, listens: bool) {
    let until = (world.now().await + 600).to_string();
    let entry = |listens: bool| format!("{owner} {} another 0 1 1", u8::from(listens));
    let key = "rasynq:{default}:owners";
    let _: i64 = world.run(&["ZADD", key, &until, &entry(listens)]).await;
    let _: i64 = world.run(&["ZREM", key, &entry(!listens)]).await;
}

/// Stores a task with a valid lease of a server on another machine that has just made a heartbeat.
async fn store_task_elsewhere(world: &World, id: &str, owner: &str) {
    let message = TaskMessage::of(id, "ok").bytes();
    world.store_lost("default", id, message, -28).await;
    let score = world.scores("lease").await[id] as i64;
    let claim = format!("{owner}:1@{score}");
    let _: i64 = world
        .run(&["HSET", &task_key(id), "rasynq_owner", &claim])
        .await;
    make_heartbeat(world, owner).await;
    list_owner(world, owner, true).await;
}

#[tokio::test]
async fn a_server_on_another_machine_is_gone_only_if_nobody_listens_on_its_channel() {
    const HEARD: &str = "aaaaaaaaaaaaaaaa";
    const GONE: &str = "bbbbbbbbbbbbbbbb";
    const BEATING: &str = "cccccccccccccccc";
    const LISTED_ANEW: &str = "dddddddddddddddd";
    let world = World::on(RedisServer::builder().tcp()).await;
    let mut listener = TcpStream::connect(("127.0.0.1", world.redis.port()))
        .await
        .unwrap();
    let subscribe = format!("SUBSCRIBE rasynq:alive:{HEARD}\r\n");
    listener.write_all(subscribe.as_bytes()).await.unwrap();
    let server = world.start(Scripted::new()).await;
    // A Redis that has just started says nothing.
    tokio::time::sleep(Duration::from_secs(20)).await;
    for owner in [HEARD, GONE, BEATING, LISTED_ANEW] {
        store_task_elsewhere(&world, owner, owner).await;
    }
    // One heartbeat comes late, the next ones in time. This server and the last one have lost their channels.
    tokio::time::sleep(Duration::from_secs(7)).await;
    list_owner(&world, LISTED_ANEW, false).await;
    eventually("the task is recovered", DEADLINE, || async {
        make_heartbeat(&world, BEATING).await;
        world.state(GONE).await != "active"
    })
    .await;
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        make_heartbeat(&world, BEATING).await;
    }
    world.task_is(GONE, "").await;
    server.shutdown().await;
    for owner in [HEARD, BEATING, LISTED_ANEW] {
        assert_eq!(world.state(owner).await, "active", "{owner}");
    }
}

#[tokio::test]
async fn a_server_is_listed_as_an_owner_until_it_has_shut_down() {
    let world = World::new().await;
    let handler = Scripted::new();
    let client = world.client().await;
    let owners = || world.run::<Vec<String>>(&["ZRANGE", "rasynq:{default}:owners", "0", "-1"]);
    let server = world.start(handler.clone()).await;
    client.enqueue(Task::new("any", "wait")).await.unwrap();
    handler.has_begun(1).await;
    let owner: String = server
        .server_id()
        .replace('-', "")
        .chars()
        .take(16)
        .collect();
    assert!(owners().await[0].starts_with(&owner));
    let id = &world.list("active").await[0];
    let token = world.hash(id).await.remove("rasynq_owner").unwrap();
    assert!(token.starts_with(owner.as_bytes()));
    let ttl: i64 = world.run(&["TTL", "rasynq:{default}:owners"]).await;
    assert!((60..=120).contains(&ttl), "{ttl}");
    let listeners: (String, i64) = world
        .run(&["PUBSUB", "NUMSUB", &format!("rasynq:alive:{owner}")])
        .await;
    assert_eq!(listeners.1, 1);
    handler.release(1);
    handler.is_idle().await;
    server.shutdown().await;
    assert_eq!(owners().await, Vec::<String>::new());
}
