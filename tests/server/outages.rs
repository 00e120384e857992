//! A Redis that goes away and comes back: what is told, and what is not waited for.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rasynq::{Client, Connection, ErrorKind, Task};

use crate::common::{DEADLINE, Log, Proxy, RedisServer, Scripted, World, eventually};

/// A Redis server on a TCP port.
async fn tcp_world() -> World {
    World::on(RedisServer::builder().tcp()).await
}

#[tokio::test]
async fn an_outage_is_told_once_at_its_begin_and_once_at_its_end() {
    let log = Log::capture();
    let mut world = tcp_world().await;
    let handler = Scripted::new();
    let server = world.start(handler.clone()).await;
    let client = world.client().await;
    let task = Task::new("any", "wait").task_id("task");
    client.enqueue(task).await.unwrap();
    handler.has_begun(1).await;

    world.redis.kill();
    log.line_with(&["lost the connection"]).await;
    // Long enough for several attempts of each part of the server; the acknowledgement of the run is one.
    handler.release(1);
    log.line_with(&["could not acknowledge tasks"]).await;
    log.line_with(&["cannot track the queues"]).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    world.redis.restart().await;
    eventually("both links are open again", DEADLINE, || async {
        log.lines_with(&["reconnected to"]).len() == 2
    })
    .await;
    world.task_is("task", "").await;
    world.counter_reaches("processed", 1).await;
    server.shutdown().await;

    // The client and the server have a link each.
    let address = format!("redis://127.0.0.1:{}/0", world.redis.port());
    let lost = format!("lost the connection to {address}: connection refused; retrying");
    assert_eq!(log.lines_with(&[" WARN ", &lost]).len(), 2);
    assert_eq!(log.lines_with(&[" WARN "]).len(), 2, "no other warning");
    let reconnected = format!("reconnected to {address} after ");
    assert_eq!(log.lines_with(&[" INFO ", &reconnected]).len(), 2);
    assert_eq!(log.lines_with(&[" ERROR "]).len(), 0);
}

#[tokio::test]
async fn the_errors_of_calls_during_an_outage_say_its_cause_in_words() {
    let mut world = tcp_world().await;
    let connection = world
        .connection()
        .command_timeout(Duration::from_millis(300));
    let client = Client::connect(&connection).await.unwrap();
    world.redis.kill();
    eventually("the cause is known", DEADLINE, || async {
        let error = client.ping().await.unwrap_err();
        error.to_string().contains("connection refused")
    })
    .await;
    let error = client.enqueue(Task::new("any", "")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let text = error.to_string();
    assert!(text.contains("connection refused"), "{text}");
    for word in ["Os {", "router", "kind:"] {
        assert!(!text.contains(word), "{text}");
    }
}

#[tokio::test]
async fn a_health_check_hears_of_an_outage_at_its_next_interval_with_the_cause() {
    let mut world = tcp_world().await;
    let answers: Arc<Mutex<Vec<Result<(), String>>>> = Arc::default();
    let heard = Arc::clone(&answers);
    let server = world
        .server()
        .health_check_interval(Duration::from_secs(1))
        .health_check(move |answer| {
            let answer = answer.map_err(|error| error.to_string());
            heard.lock().unwrap().push(answer);
        });
    let server = server.start(Scripted::new()).await.unwrap();
    let heard = |expected: fn(&Result<(), String>) -> bool| {
        let answers = Arc::clone(&answers);
        async move {
            eventually("a health check hears of it", DEADLINE, || async {
                answers.lock().unwrap().last().is_some_and(expected)
            })
            .await;
        }
    };
    heard(Result::is_ok).await;
    world.redis.kill();
    let known = |answer: &Result<(), String>| {
        answer
            .as_ref()
            .is_err_and(|error| error.contains("connection refused"))
    };
    heard(known).await;
    let told = answers.lock().unwrap().len();
    eventually("the checks go on during the outage", DEADLINE, || async {
        answers.lock().unwrap().len() >= told + 2
    })
    .await;
    world.redis.restart().await;
    heard(Result::is_ok).await;
    world.redis.pause();
    heard(|answer| {
        answer
            .as_ref()
            .is_err_and(|error| error.contains("does not answer"))
    })
    .await;
    world.redis.resume();
    server.shutdown().await;
}

#[tokio::test]
async fn the_shutdown_of_an_idle_server_does_not_wait_for_a_redis_that_is_down() {
    let log = Log::capture();
    let mut world = tcp_world().await;
    let server = world.start(Scripted::new()).await;
    world.redis.kill();
    log.line_with(&["lost the connection"]).await;
    let begin = Instant::now();
    server.shutdown().await;
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test]
async fn a_client_whose_runtime_has_ended_says_so() {
    let world = World::new().await;
    let connection = world.connection();
    let client = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(Client::connect(&connection)).unwrap()
    })
    .join()
    .unwrap();
    for _ in 0..2 {
        let error = client.enqueue(Task::new("any", "")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
        assert!(error.to_string().contains("runtime"), "{error}");
        assert!(!error.is_transient());
    }
    assert_eq!(client.ping().await.unwrap_err().kind(), ErrorKind::Closed);
}

/// A proxy, and the two Redis servers to which it may lead.
async fn failover() -> (World, World, Proxy, Connection) {
    let (first, second) = (tcp_world().await, tcp_world().await);
    let proxy = Proxy::start(first.redis.port()).await;
    let connection = Connection::tcp("127.0.0.1", proxy.port());
    (first, second, proxy, connection)
}

#[tokio::test]
async fn a_master_that_is_demoted_with_its_connections_open_is_left() {
    let log = Log::capture();
    let (first, second, proxy, connection) = failover().await;
    let handler = Scripted::new();
    let server = World::server_on(&connection).start(handler.clone());
    let server = server.await.unwrap();
    let client = Client::connect(&connection).await.unwrap();
    client.enqueue(Task::new("any", "")).await.unwrap();
    handler.has_begun(1).await;
    first.counter_reaches("processed", 1).await;

    // As in a failover behind a virtual address: new connections reach the new master, the old ones stay.
    proxy.redirect(second.redis.port());
    let port = second.redis.port().to_string();
    let _: String = first.run(&["REPLICAOF", "127.0.0.1", &port]).await;
    let before = proxy.accepted();
    let calls = (0..200).map(|_| client.enqueue(Task::new("any", "")).into_future());
    futures_util::future::join_all(calls).await;
    eventually("the client reaches the new master", DEADLINE, || async {
        client.enqueue(Task::new("any", "")).await.is_ok()
    })
    .await;
    eventually(
        "the server runs the tasks of the new master",
        DEADLINE,
        || async { second.counter("processed").await > 0 },
    )
    .await;
    let opened = proxy.accepted() - before;
    assert!(opened < 20, "{opened} connections were opened");
    assert!(
        !log.lines_with(&["is not the server to write to"])
            .is_empty()
    );
    server.shutdown().await;
}

#[tokio::test]
async fn large_commands_work_after_the_runtime_of_an_earlier_caller_has_ended() {
    let world = World::new().await;
    let client = world.client().await;
    let large = || Task::new("any", "x".repeat(300_000));
    let (other, task) = (client.clone(), large());
    let caller = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let stored = runtime.block_on(other.enqueue_batch([task]));
        stored.into_iter().all(|stored| stored.is_ok())
    });
    let stored = tokio::task::spawn_blocking(move || caller.join().unwrap()).await;
    assert!(stored.unwrap());
    client.enqueue(large()).await.unwrap();
    let stored = client.enqueue_batch([large(), large()]).await;
    assert!(stored.iter().all(Result::is_ok));
}
