//! Servers that end while groups are being aggregated.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rasynq::{Connection, Server, Task};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

use crate::common::{Log, Scripted, World, eventually, key};
use crate::support::{Called, LONG, add, add_all, join, only_aggregating};

/// A server whose aggregator never ends.
async fn never_ending(world: &World, called: &Called) -> Server {
    let called = called.clone();
    let aggregator = move |_: String, _: Vec<Task>| {
        called.tell();
        std::future::pending::<anyhow::Result<Task>>()
    };
    let server = only_aggregating(world).await;
    server.group_max_size(2).aggregate(aggregator)
}

#[tokio::test]
async fn a_shutdown_waits_for_an_aggregation() {
    let world = World::new().await;
    let gate = Arc::new(Semaphore::new(0));
    let called = Called::default();
    let waits = {
        let (gate, called) = (Arc::clone(&gate), called.clone());
        move |group: String, tasks: Vec<Task>| {
            called.tell();
            let gate = Arc::clone(&gate);
            async move {
                gate.acquire().await?.forget();
                join(group, tasks).await
            }
        }
    };
    let server = only_aggregating(&world)
        .await
        .group_max_size(2)
        .aggregate(waits);
    let server = server.start(Scripted::new()).await.unwrap();
    let client = world.client().await;
    add(&client, "g", [1, 2]).await;
    called.wait().await;
    let shutdown = server.shutdown();
    let releases = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        add(&client, "late", [3, 4]).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        gate.add_permits(9);
    };
    tokio::join!(shutdown, releases);
    assert_eq!(world.pending().await, ["1 2"]);
    assert!(world.sets().await.is_empty());
    assert_eq!(
        world.group_names().await,
        ["late"],
        "no set is formed during a shutdown"
    );
}

#[tokio::test]
async fn a_shutdown_puts_the_tasks_of_an_aggregation_back_that_takes_too_long() {
    let world = World::new().await;
    let called = Called::default();
    let server = never_ending(&world, &called).await;
    let server = server.shutdown_timeout(Duration::from_millis(300));
    let server = server.start(Scripted::new()).await.unwrap();
    add(&world.client().await, "g", [1, 2, 3]).await;
    called.wait().await;
    let before = world.group("g").await;
    server.shutdown().await;
    assert!(world.sets().await.is_empty());
    assert_eq!((before.len(), world.group("g").await.len()), (1, 3));
    assert_eq!(world.group_names().await, ["g"]);
    assert_eq!(world.pending().await, [""; 0]);
}

#[tokio::test]
async fn a_server_that_is_dropped_puts_the_tasks_of_its_aggregations_back() {
    let world = World::new().await;
    let log = Log::capture();
    let called = Called::default();
    let server = never_ending(&world, &called).await;
    let server = server.start(Scripted::new()).await.unwrap();
    add(&world.client().await, "g", [1, 2]).await;
    called.wait().await;
    drop(server);
    log.line_with(&["shut down", "server_id"]).await;
    world.group_has("g", 2).await;
    assert!(world.sets().await.is_empty());
}

#[tokio::test]
async fn an_aggregator_that_blocks_its_thread_does_not_hold_up_a_shutdown() {
    let world = World::new().await;
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    let called = Called::default();
    let tells = called.clone();
    let blocks = move |group: String, tasks: Vec<Task>| {
        tells.tell();
        let _ = released.lock().unwrap().recv();
        join(group, tasks)
    };
    let server = only_aggregating(&world)
        .await
        .group_max_size(2)
        .aggregate(blocks);
    let server = server.shutdown_timeout(Duration::from_millis(300));
    // The server has a runtime of its own, so that the aggregator does not block the test.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let start = async move { server.start(Scripted::new()).await.unwrap() };
    let server = runtime.spawn(start).await.unwrap();
    add(&world.client().await, "g", [1, 2]).await;
    called.wait().await;
    // tokio does not hand timers and I/O over while one thread is blocked and the others sleep. Work wakes them.
    let works = async {
        loop {
            runtime.spawn(async {}).await.unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        () = server.shutdown() => {}
        () = works => {}
        () = tokio::time::sleep(LONG) => panic!("the server does not end"),
    }
    let (sets, pending) = (world.sets().await, world.pending().await);
    // From here on the job may end as it likes.
    drop(release);
    runtime.shutdown_background();
    // Its tasks are reclaimed after the deadline of the set.
    assert_eq!(sets.len(), 1);
    assert_eq!(pending, [""; 0]);
}

/// The environment variable with the address of Redis for [`a_process_that_aggregates`].
const URI: &str = "RASYNQ_TEST_AGGREGATOR_URI";

/// The environment variable with the group whose aggregation never ends.
const HELD: &str = "RASYNQ_TEST_HELD_GROUP";

/// The main function of the process that the tests below start. Without the variable it does nothing.
#[tokio::test]
async fn a_process_that_aggregates() {
    let Ok(uri) = std::env::var(URI) else { return };
    let held = std::env::var(HELD).ok();
    let slow = move |group: String, tasks: Vec<Task>| {
        let is_held = held.as_ref() == Some(&group);
        async move {
            if is_held {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            join(group, tasks).await
        }
    };
    World::server_on(&Connection::from_uri(&uri).unwrap())
        .aggregate(slow)
        .group_max_size(5)
        .group_grace_period(Duration::from_secs(1))
        .serve(Scripted::new())
        .await
        .unwrap();
}

/// Starts this test program as a server in another process. It never ends the aggregation of the group `held`.
fn serve(uri: &str, held: Option<&str>) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "shutdown::a_process_that_aggregates"])
        .env(URI, uri)
        .envs(held.map(|group| (HELD, group)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn servers_that_are_killed_lose_no_task_and_aggregate_none_twice() {
    const TASKS: usize = 5_000;
    let world = World::new().await;
    world.pause("default").await;
    let client = world.client().await;
    let mut added = 0;
    let mut child = serve(&world.redis.uri(), Some("held"));
    add(&client, "held", TASKS..TASKS + 5).await;
    let is_held = async || {
        let sets = world.sets().await;
        sets.keys().any(|set| set.starts_with(&key("g:held:")))
    };
    eventually("a set is held open", LONG, is_held).await;
    while added < TASKS {
        let tasks = (added..added + 100).map(|n| {
            let id = n.to_string();
            Task::new("member", id.clone())
                .group(format!("g{}", n % 17))
                .task_id(id)
        });
        add_all(&client, tasks).await;
        added += 100;
        tokio::time::sleep(Duration::from_millis(10)).await;
        if added % 1_000 == 0 {
            child.start_kill().unwrap();
            child.wait().await.unwrap();
            child = serve(&world.redis.uri(), None);
        }
    }
    eventually("what is in no set is aggregated", LONG, || async {
        world.group_names().await.is_empty()
    })
    .await;
    child.start_kill().unwrap();
    child.wait().await.unwrap();
    // The sets of the killed processes are reclaimed after their deadlines.
    assert!(is_held().await);
    world.end_sets().await;
    let _child = serve(&world.redis.uri(), None);
    eventually("all is aggregated", LONG, || async {
        world.group_names().await.is_empty() && world.sets().await.is_empty()
    })
    .await;
    let mut seen: Vec<usize> = Vec::new();
    for payload in world.pending().await {
        seen.extend(payload.split(' ').map(|id| id.parse::<usize>().unwrap()));
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..TASKS + 5).collect::<Vec<_>>());
}
