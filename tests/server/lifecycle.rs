//! Starting a server, stopping it, and shutting it down.

use std::time::{Duration, Instant};

use rasynq::{Connection, ErrorKind, Mux, Server, Task, TaskContext};

use crate::common::{DEADLINE, Scripted, World, eventually, queue_key};

fn task(id: &str, payload: &str) -> Task {
    Task::new("any", payload.to_owned()).task_id(id)
}

async fn enqueue(world: &World, ids: impl IntoIterator<Item = u32>, payload: &str) {
    let tasks = ids.into_iter().map(|id| task(&id.to_string(), payload));
    for result in world.client().await.enqueue_batch(tasks).await {
        result.unwrap();
    }
}

#[tokio::test]
async fn a_stopped_server_fetches_no_more_and_finishes_its_runs() {
    let world = World::new().await;
    let handler = Scripted::new();
    let server = world.start(handler.clone()).await;
    enqueue(&world, [1], "wait").await;
    handler.has_begun(1).await;
    server.stop();
    server.stop();
    enqueue(&world, [2], "ok").await;
    handler.release(1);
    world.task_is("1", "").await;
    server.ping().await.unwrap();
    assert_eq!(world.state("2").await, "pending");
    server.shutdown().await;
    assert_eq!(world.state("2").await, "pending");
    assert_eq!(handler.begun(), ["1"]);
}

#[tokio::test]
async fn a_stopped_server_requeues_the_tasks_of_a_fetch_in_flight() {
    let (world, proxy, connection) = World::behind_proxy().await;
    let handler = Scripted::new();
    let server = World::server_on(&connection).start(handler.clone());
    let server = server.await.unwrap();
    proxy.delay_replies(Duration::from_secs(1));
    enqueue(&world, [1, 2, 3], "ok").await;
    world.task_is("3", "active").await;
    server.stop();
    world.task_is("3", "pending").await;
    assert_eq!(world.list("pending").await, ["3", "2", "1"]);
    assert_eq!(world.message("1").await.retried, 0);
    server.shutdown().await;
    assert_eq!(handler.begun(), [""; 0]);
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_shutdown_waits_for_handlers_and_acknowledges_their_outcomes() {
    let world = World::new().await;
    let handler = Scripted::new();
    let server = world
        .server()
        .shutdown_timeout(DEADLINE)
        .start(handler.clone())
        .await
        .unwrap();
    enqueue(&world, 1..=4, "wait").await;
    handler.has_begun(4).await;
    let releasing = async {
        tokio::task::yield_now().await;
        handler.release(4);
    };
    tokio::join!(server.shutdown(), releasing);
    assert_eq!(world.counter("processed").await, 4);
    assert_eq!(world.list("active").await.len(), 0);
    assert_eq!(world.list("pending").await.len(), 0);
}

#[tokio::test]
async fn a_shutdown_requeues_unfinished_tasks_at_the_front_in_their_order() {
    let world = World::new().await;
    let handler = Scripted::new();
    let timeout = Duration::from_millis(300);
    let server = world
        .server()
        .concurrency(8)
        .shutdown_timeout(timeout)
        .start(handler.clone())
        .await
        .unwrap();
    enqueue(&world, 1..=8, "wait").await;
    handler.has_begun(8).await;
    enqueue(&world, 9..=10, "ok").await;
    handler.release(1);
    // its slot runs the ninth task, then the tenth
    eventually("three are done", DEADLINE, || async {
        world.counter("processed").await == 3
    })
    .await;
    let started = Instant::now();
    server.shutdown().await;
    let took = started.elapsed();
    assert!(took >= timeout, "{took:?}");
    assert!(took < timeout + Duration::from_secs(3), "{took:?}");
    assert_eq!(
        handler.running(),
        0,
        "the futures of the handlers are dropped"
    );

    let mut pending = world.list("pending").await;
    pending.reverse();
    let requeued: Vec<String> = (2..=8).map(|id| id.to_string()).collect();
    assert_eq!(pending, requeued);
    for id in &requeued {
        assert_eq!(world.fields(id).await, ["msg", "pending_since", "state"]);
        assert_eq!(world.message(id).await.retried, 0);
    }
    world.assert_none_active().await;
    assert_eq!(world.counter("failed").await, 0);

    handler.release(7);
    let server = world.start(handler.clone()).await;
    world.counter_reaches("processed", 10).await;
    server.shutdown().await;
}

#[tokio::test]
async fn an_idle_server_shuts_down_at_once() {
    let world = World::new().await;
    let server = Server::new(&world.connection())
        .start(Scripted::new())
        .await
        .unwrap();
    let started = Instant::now();
    server.shutdown().await;
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_shutdown_leaves_no_connection_and_no_key() {
    let world = World::new().await;
    let clients = || async {
        let list: String = world.run(&["CLIENT", "LIST"]).await;
        list.lines().count()
    };
    let before = clients().await;
    let server = world.start(Scripted::new()).await;
    server.shutdown().await;
    eventually("the connections are closed", DEADLINE, || async {
        clients().await == before
    })
    .await;
    assert_eq!(world.keys().await, Vec::<String>::new());
}

#[tokio::test]
async fn serve_until_returns_after_its_future() {
    let world = World::new().await;
    let handler = Scripted::new();
    enqueue(&world, [1], "ok").await;
    let until = world.task_is("1", "");
    world
        .server()
        .serve_until(handler.clone(), until)
        .await
        .unwrap();
    assert_eq!(handler.begun(), ["1"]);
    let servers: i64 = world.run(&["ZCARD", "asynq:servers"]).await;
    assert_eq!(servers, 0);
}

#[tokio::test]
async fn several_servers_in_one_process_run_each_task_once() {
    let world = World::new().await;
    let handler = Scripted::new();
    let mut servers = Vec::new();
    for _ in 0..3 {
        servers.push(world.start(handler.clone()).await);
    }
    assert_ne!(servers[0].server_id(), servers[1].server_id());
    enqueue(&world, 0..300, "ok").await;
    world.counter_reaches("processed", 300).await;
    let mut begun = handler.begun();
    begun.sort();
    begun.dedup();
    assert_eq!(begun.len(), 300);
    assert_eq!(handler.begun().len(), 300);
    for server in servers {
        server.shutdown().await;
    }
}

#[tokio::test]
async fn a_server_with_an_invalid_setting_names_it_and_does_not_start() {
    let world = World::new().await;
    let ok = |_: TaskContext, _: Task| async { anyhow::Ok(()) };
    let server = || world.server();
    for (server, text) in [
        (server().queue(" ", 1), "queue"),
        (server().concurrency(usize::MAX), "concurrency"),
        (server().archive_max_size(0), "archive_max_size"),
    ] {
        let error = server.start(Scripted::new()).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains(text), "{error}");
    }
    let twice = Mux::new().route("a", ok).route("a", ok);
    let error = server().start(twice).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert!(error.to_string().contains("\"a\""), "{error}");
    assert_eq!(world.keys().await.len(), 0);
}

#[tokio::test]
async fn a_server_does_not_start_without_redis() {
    let nowhere = Connection::tcp("127.0.0.1", 1);
    let error = Server::new(&nowhere)
        .start(Scripted::new())
        .await
        .err()
        .unwrap();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
}

#[tokio::test]
async fn a_server_keeps_working_after_a_restart_of_redis() {
    let mut world = World::new().await;
    let handler = Scripted::new();
    let server = world.start(handler.clone()).await;
    enqueue(&world, 0..10, "ok").await;
    world.counter_reaches("processed", 10).await;
    world.redis.restart().await;
    eventually("ten more tasks are enqueued", DEADLINE, || async {
        let client = rasynq::Client::connect(&world.connection()).await;
        let tasks = (10..20).map(|id| task(&id.to_string(), "ok"));
        match client {
            Ok(client) => client
                .enqueue_batch(tasks)
                .await
                .iter()
                .all(|result| result.is_ok()),
            Err(_) => false,
        }
    })
    .await;
    eventually("the ten tasks are done", DEADLINE, || async {
        let done = world
            .try_run(&["GET", &queue_key("default", "processed")])
            .await;
        done.is_ok_and(|done| done.as_u64() == Some(20))
    })
    .await;
    server.shutdown().await;
    assert_eq!(handler.begun().len(), 20);
}
