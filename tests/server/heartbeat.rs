//! Heartbeats: the server's entry in Redis, and the renewal of leases.

use std::time::Duration;

use chrono::Utc;
use prost::Message;
use rasynq::{RunningServer, Task};

use crate::common::{DEADLINE, Scripted, ServerInfo, WorkerInfo, World, eventually, key};

/// The keys of one server: its entry, and the hash of its workers.
fn keys_of(server: &RunningServer) -> (String, String) {
    let host = hostname::get().unwrap().to_string_lossy().into_owned();
    let who = format!("{{{host}:{}:{}}}", std::process::id(), server.server_id());
    (
        format!("asynq:servers:{who}"),
        format!("asynq:workers:{who}"),
    )
}

async fn info_of(world: &World, server_key: &str) -> ServerInfo {
    let bytes = world.bytes(&["GET", server_key]).await;
    ServerInfo::decode(bytes.as_slice()).unwrap()
}

#[tokio::test]
async fn a_server_has_its_entry_in_redis_from_start_to_shutdown() {
    let world = World::new().await;
    let before = Utc::now().timestamp();
    let server = world
        .server()
        .concurrency(7)
        .queue("a", 6)
        .queue("b", 3)
        .strict_priority(true)
        .start(Scripted::new())
        .await
        .unwrap();
    let (server_key, workers_key) = keys_of(&server);
    let info = info_of(&world, &server_key).await;
    assert_eq!(info.server_id, server.server_id());
    assert_eq!(info.pid, std::process::id() as i32);
    assert_eq!(info.concurrency, 7);
    assert_eq!(info.queues, [("a".into(), 6), ("b".into(), 3)].into());
    assert!(info.strict_priority);
    assert_eq!(info.status, "active");
    assert!(info.start_time.unwrap().seconds >= before);
    assert_eq!(info.active_worker_count, 0);
    let ttl: i64 = world.run(&["TTL", &server_key]).await;
    assert!((5..=10).contains(&ttl), "{ttl}");
    for (set, member) in [
        ("asynq:servers", &server_key),
        ("asynq:workers", &workers_key),
    ] {
        let expires: i64 = world.run(&["ZSCORE", set, member]).await;
        assert!((before + 10..before + 20).contains(&expires), "{expires}");
    }
    server.shutdown().await;
    assert_eq!(world.keys().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_heartbeat_reports_the_runs_and_the_stopped_status_and_renews_leases() {
    let world = World::new().await;
    let handler = Scripted::new();
    let client = world.client().await;
    let payload = format!("wait {}", "x".repeat(1_000_000));
    client
        .enqueue(Task::new("email", payload).task_id("large"))
        .await
        .unwrap();
    client
        .enqueue(Task::new("email", "wait").task_id("small"))
        .await
        .unwrap();
    let server = world.start(handler.clone()).await;
    let (server_key, workers_key) = keys_of(&server);
    handler.has_begun(2).await;
    server.stop();
    // as if the last heartbeat were 10 s ago
    for id in ["large", "small"] {
        world.shorten_lease(id).await;
    }
    eventually("the next heartbeat", DEADLINE, || async {
        info_of(&world, &server_key).await.active_worker_count == 2
    })
    .await;
    assert_eq!(info_of(&world, &server_key).await.status, "stopped");
    let now = world.now().await;
    for (id, until) in world.scores("lease").await {
        assert!(until as i64 > now + 25, "{id}: {until} at {now}");
    }
    let bytes = world.bytes(&["HGET", &workers_key, "small"]).await;
    let worker = WorkerInfo::decode(bytes.as_slice()).unwrap();
    assert_eq!(worker.task_id, "small");
    assert_eq!(worker.task_type, "email");
    assert_eq!(worker.task_payload, b"wait");
    assert_eq!(worker.queue, "default");
    assert_eq!(worker.server_id, server.server_id());
    let (start, deadline) = (worker.start_time.unwrap(), worker.deadline.unwrap());
    assert!((1795..=1805).contains(&(deadline.seconds - start.seconds)));
    let ttl: i64 = world.run(&["TTL", &workers_key]).await;
    assert!((5..=10).contains(&ttl), "{ttl}");
    // docs/asynq-defects.md, row 26: a payload in the workers hash is cut to a bounded size
    let length: i64 = world.run(&["HSTRLEN", &workers_key, "large"]).await;
    assert!(length < 5000, "{length}");

    handler.release(2);
    world.task_is("large", "").await;
    world.task_is("small", "").await;
    server.shutdown().await;
    let left: i64 = world.run(&["EXISTS", &server_key, &workers_key]).await;
    assert_eq!(left, 0);
}

#[tokio::test]
async fn two_servers_of_one_process_have_separate_entries() {
    let world = World::new().await;
    let first = world.start(Scripted::new()).await;
    let second = world.start(Scripted::new()).await;
    let servers: Vec<String> = world.run(&["ZRANGE", "asynq:servers", "0", "-1"]).await;
    assert_eq!(servers.len(), 2);
    first.shutdown().await;
    let left: Vec<String> = world.run(&["ZRANGE", "asynq:servers", "0", "-1"]).await;
    assert_eq!(left, [keys_of(&second).0]);
    second.shutdown().await;
}

#[tokio::test]
async fn the_health_check_reports_when_redis_is_down_and_when_it_is_back() {
    let mut world = World::new().await;
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let connection = world
        .connection()
        .command_timeout(Duration::from_millis(200));
    let server = World::server_on(&connection)
        .health_check(move |check| sender.send(check.map_err(|error| error.kind())).unwrap())
        .health_check_interval(Duration::from_millis(20))
        .start(Scripted::new())
        .await
        .unwrap();
    assert_eq!(receiver.recv().await.unwrap(), Ok(()));
    world.redis.kill();
    while receiver.recv().await.unwrap().is_ok() {}
    assert_eq!(
        receiver.recv().await.unwrap(),
        Err(rasynq::ErrorKind::Unavailable)
    );
    world.redis.restart().await;
    while receiver.recv().await.unwrap().is_err() {}
    server.shutdown().await;
}

/// The tasks that a server shows as running.
async fn shown(world: &World, workers_key: &str) -> usize {
    let ids: Vec<String> = world.run(&["HKEYS", workers_key]).await;
    ids.len()
}

#[tokio::test]
async fn more_running_tasks_than_one_call_changes_are_shown_and_written_once() {
    const TASKS: usize = 1_200;
    let world = World::new().await;
    let handler = Scripted::new();
    let tasks = (0..TASKS).map(|n| Task::new("any", "wait").task_id(n.to_string()));
    let client = world.client().await;
    for stored in client.enqueue_batch(tasks).await {
        stored.unwrap();
    }
    let server = world.start_with_workers(TASKS, handler.clone()).await;
    let (server_key, workers_key) = keys_of(&server);
    handler.has_begun(TASKS).await;
    eventually("all tasks are shown", DEADLINE, || async {
        shown(&world, &workers_key).await == TASKS
    })
    .await;
    // The next heartbeats write no task again.
    let _: String = world.run(&["CONFIG", "RESETSTAT"]).await;
    eventually("two more heartbeats", DEADLINE, || async {
        let stats: String = world.run(&["INFO", "commandstats"]).await;
        let of_entry = stats.lines().find(|line| line.starts_with("cmdstat_setex"));
        // Each renewal of a lease is one HSET and one ZADD.
        let (written, renewed) = (
            world.calls_of(&["hset"]).await,
            world.calls_of(&["zadd"]).await,
        );
        assert!(written <= renewed, "{stats}");
        of_entry.is_some_and(|line| !line.contains("calls=1,"))
    })
    .await;
    handler.release(TASKS - 3);
    eventually("only three tasks are shown", DEADLINE, || async {
        shown(&world, &workers_key).await == 3
    })
    .await;
    let ttl: i64 = world.run(&["TTL", &workers_key]).await;
    assert!((1..=10).contains(&ttl), "{ttl}");
    let swapped = workers_key.replacen("asynq:", "rasynq:", 1);
    let ttl: i64 = world.run(&["TTL", &swapped]).await;
    assert!((1..=30).contains(&ttl), "{ttl}");
    handler.release(3);
    handler.is_idle().await;
    server.shutdown().await;
    let left: i64 = world
        .run(&["EXISTS", &server_key, &workers_key, &swapped])
        .await;
    assert_eq!(left, 0);
}

#[tokio::test]
async fn running_tasks_that_redis_has_lost_are_shown_again() {
    let world = World::new().await;
    let handler = Scripted::new();
    let client = world.client().await;
    for id in ["a", "b"] {
        let task = Task::new("any", "wait").task_id(id);
        client.enqueue(task).await.unwrap();
    }
    let server = world.start(handler.clone()).await;
    let (_, workers_key) = keys_of(&server);
    handler.has_begun(2).await;
    eventually("both are shown", DEADLINE, || async {
        shown(&world, &workers_key).await == 2
    })
    .await;
    let _: i64 = world.run(&["HDEL", &workers_key, "a"]).await;
    eventually("both are shown again", DEADLINE, || async {
        shown(&world, &workers_key).await == 2
    })
    .await;
    handler.release(2);
    handler.is_idle().await;
    server.shutdown().await;
}

#[tokio::test]
async fn a_task_keeps_its_lease_whatever_its_id_is() {
    let long: Vec<String> = [64, 65, 66].map(|length| "-".repeat(length)).into();
    let short: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    // fetched together, and one after the other
    for fetches in [vec![[&long[..], &short[..]].concat()], vec![long, short]] {
        let world = World::new().await;
        let client = world.client().await;
        let handler = Scripted::new();
        world
            .inspector()
            .await
            .pause_queue("default")
            .await
            .unwrap();
        let server = world.start_with_workers(64, handler.clone()).await;
        let mut all = Vec::new();
        for ids in fetches {
            all.extend(ids.clone());
            let tasks = ids
                .into_iter()
                .map(|id| Task::new("any", "wait").task_id(id));
            assert!(client.enqueue_batch(tasks).await.iter().all(Result::is_ok));
            let _: i64 = world.run(&["DEL", &key("paused")]).await;
            handler.has_begun(all.len()).await;
        }
        let mut leased: Vec<String> = world.scores("lease").await.into_keys().collect();
        leased.sort();
        all.sort();
        assert_eq!(leased, all);
        handler.release(all.len());
        handler.is_idle().await;
        server.shutdown().await;
        world.assert_none_active().await;
    }
}
