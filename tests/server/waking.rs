//! Notifications wake an idle server.
//!
//! The polling intervals of these servers are an hour. A task that runs within the deadline of a test
//! was therefore fetched because of a notification.

use std::time::{Duration, Instant};

use rasynq::{RunningServer, Server, Task};

use crate::common::{DEADLINE, HOUR, Log, RedisServer, Scripted, World, eventually, key, logged};

/// Starts a server that does not poll.
async fn idle(server: Server, handler: &Scripted) -> RunningServer {
    server
        .task_check_interval(HOUR)
        .delayed_task_check_interval(HOUR)
        .janitor_interval(Duration::from_millis(50))
        .start(handler.clone())
        .await
        .unwrap()
}

/// Runs one task. Afterwards the queue is empty, and the server waits for notifications.
async fn first_task(world: &World, handler: &Scripted) {
    let task = Task::new("any", "ok").task_id("first");
    world.client().await.enqueue(task).await.unwrap();
    handler.has_begun(1).await;
    world.task_is("first", "").await;
}

#[tokio::test]
async fn an_idle_server_is_notified_of_new_tasks_in_any_of_its_queues() {
    let world = World::new().await;
    let handler = Scripted::new();
    let server = (0..20).fold(world.server(), |server, n| server.queue(format!("q{n}"), 1));
    let server = idle(server.queue("default", 1), &handler).await;
    first_task(&world, &handler).await;
    let client = world.client().await;
    for n in 0..20 {
        let task = Task::new("any", "ok").queue(format!("q{n}"));
        client.enqueue(task).await.unwrap();
        handler.has_begun(n + 2).await;
    }
    server.shutdown().await;
}

#[tokio::test]
async fn an_idle_server_forwards_a_due_task() {
    let world = World::new().await;
    let handler = Scripted::new();
    let server = idle(world.server(), &handler).await;
    first_task(&world, &handler).await;
    let task = Task::new("any", "ok").process_in(Duration::from_secs(2));
    world.client().await.enqueue(task).await.unwrap();
    handler.has_begun(2).await;
    server.shutdown().await;
}

#[tokio::test]
async fn an_idle_server_serves_a_resumed_queue_at_once() {
    let world = World::new().await;
    let handler = Scripted::new();
    let server = idle(world.server(), &handler).await;
    first_task(&world, &handler).await;
    let inspector = world.inspector().await;
    inspector.pause_queue("default").await.unwrap();
    let task = Task::new("any", "ok").task_id("waits");
    world.client().await.enqueue(task).await.unwrap();
    inspector.unpause_queue("default").await.unwrap();
    handler.has_begun(2).await;
    server.shutdown().await;
}

#[tokio::test]
async fn an_idle_server_deletes_an_expired_completed_task() {
    let world = World::new().await;
    let handler = Scripted::new();
    let server = idle(world.server(), &handler).await;
    let task = Task::new("any", "ok").task_id("kept").retention(HOUR);
    world.client().await.enqueue(task).await.unwrap();
    world.task_is("kept", "completed").await;
    world.make_due("completed", "kept").await;
    world.task_is("kept", "").await;
    server.shutdown().await;
}

#[tokio::test]
async fn an_idle_server_is_notified_again_after_its_connections_were_closed() {
    let world = World::new().await;
    let handler = Scripted::new();
    let server = idle(world.server(), &handler).await;
    first_task(&world, &handler).await;
    let _: i64 = world.run(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    let client = world.client().await;
    client.enqueue(Task::new("any", "ok")).await.unwrap();
    handler.has_begun(2).await;
    client.enqueue(Task::new("any", "ok")).await.unwrap();
    handler.has_begun(3).await;
    server.shutdown().await;
}

#[tokio::test]
async fn queues_are_polled_where_client_tracking_is_forbidden() {
    let rules = "on >secret ~* &* +@all -client +client|id +client|setname";
    let world = World::on(RedisServer::builder().user_with_rules("bob", rules)).await;
    let handler = Scripted::new();
    let log = Log::capture();
    let connection = world.connection().username("bob").password("secret");
    let server = Server::new(&connection)
        .queue("busy", 1)
        .queue("default", 1)
        .task_check_interval(Duration::from_millis(50))
        .delayed_task_check_interval(Duration::from_millis(50))
        .start(handler.clone())
        .await
        .unwrap();
    log.line_with(&[logged::TRACKING_UNAVAILABLE]).await;
    first_task(&world, &handler).await;
    // the same while another queue is never empty
    let client = world.client().await;
    let busy = (0..2_000).map(|_| Task::new("any", "ok").queue("busy"));
    assert!(client.enqueue_batch(busy).await.iter().all(Result::is_ok));
    let due = Task::new("any", "ok").process_in(Duration::from_secs(1));
    client.enqueue(due).await.unwrap();
    eventually("all have run", DEADLINE, || async {
        handler.begun().len() >= 2_002
    })
    .await;
    server.shutdown().await;
}

#[tokio::test]
async fn a_due_task_runs_after_redis_was_emptied_between_two_checks() {
    // The entry is back before the server looks for it.
    const EMPTY: &str = "redis.call('FLUSHALL') redis.call('SETEX', KEYS[1], '10', '')";
    let world = World::new().await;
    let handler = Scripted::new();
    let server = idle(world.server(), &handler).await;
    first_task(&world, &handler).await;
    let entry: Vec<String> = world.run(&["KEYS", "asynq:servers:*"]).await;
    let _: Option<String> = world.run(&["EVAL", EMPTY, "1", &entry[0]]).await;
    let task = Task::new("any", "ok").process_in(Duration::from_secs(1));
    world.client().await.enqueue(task).await.unwrap();
    handler.has_begun(2).await;
    server.shutdown().await;
}

#[tokio::test]
async fn a_redis_without_space_for_subscriptions_is_polled_and_not_asked_all_the_time() {
    // The second user may not ask for the reason.
    for rules in ["", "-info -config"] {
        let redis = RedisServer::builder()
            .config("tracking-table-max-keys", "1")
            .user_with_rules("bob", &format!("on >secret ~* &* +@all {rules}"));
        let world = World::on(redis).await;
        let connection = world.connection().username("bob").password("secret");
        let log = Log::capture();
        let handler = Scripted::new();
        let server = (0..5).fold(Server::new(&connection), |server, n| {
            server.queue(format!("q{n}"), 1)
        });
        let server = server.queue("default", 1);
        let server = server.start(handler.clone()).await.unwrap();
        let unavailable = [logged::TRACKING_UNAVAILABLE, "tracking-table-max-keys"];
        log.line_with(&unavailable).await;
        let (before, started) = (world.all_calls().await, Instant::now());
        first_task(&world, &handler).await;
        // The time over which the commands are counted.
        tokio::time::sleep(Duration::from_secs(4)).await;
        let calls = world.all_calls().await - before;
        let rate = calls as f64 / started.elapsed().as_secs_f64();
        assert!(rate < 100.0, "{rules}: {rate} commands a second");
        assert_eq!(log.lines_with(&unavailable).len(), 1);
        server.shutdown().await;
    }
}

/// How many fetches Redis has received: in these tests only the fetch script calls LRANGE.
async fn fetches(world: &World) -> u64 {
    world.calls_of(&["lrange"]).await
}

#[tokio::test]
async fn an_idle_server_fetches_once_for_each_notification() {
    const TAKEN_AT_ONCE: &str = "redis.call('LPUSH', KEYS[1], 'x') redis.call('RPOP', KEYS[1])";
    let world = World::new().await;
    let handler = Scripted::new();
    let server = idle(world.server().concurrency(10), &handler).await;
    first_task(&world, &handler).await;
    let before = fetches(&world).await;
    let mut wakes = 0;
    while wakes < 6 {
        let base = fetches(&world).await;
        let _: Option<String> = world
            .run(&["EVAL", TAKEN_AT_ONCE, "1", &key("pending")])
            .await;
        // No fetch follows while the server pauses before it subscribes again: after several empty
        // fetches it leaves the tasks to other servers.
        let fetched = async {
            while fetches(&world).await == base {
                tokio::task::yield_now().await;
            }
        };
        let patience = Duration::from_millis(400);
        wakes += u64::from(tokio::time::timeout(patience, fetched).await.is_ok());
    }
    // the shutdown waits for fetches in flight
    server.shutdown().await;
    let total = fetches(&world).await - before;
    assert_eq!(total, wakes, "one fetch for each wake");
}

#[tokio::test]
async fn a_server_on_a_redis_without_hello_polls_and_says_so() {
    let log = Log::capture();
    let world = World::on(RedisServer::builder().without_command("HELLO")).await;
    let handler = Scripted::new();
    let server = world.start(handler.clone()).await;
    first_task(&world, &handler).await;
    let client = world.client().await;
    let task = Task::new("any", "ok").process_in(Duration::from_secs(1));
    client.enqueue(task).await.unwrap();
    handler.has_begun(2).await;
    let task = Task::new("any", "until_cancelled").task_id("long");
    client.enqueue(task).await.unwrap();
    handler.has_begun(3).await;
    world.cancel("long").await;
    handler.is_idle().await;
    server.shutdown().await;
    assert!(!log.lines_with(&[" WARN ", "has no HELLO 3"]).is_empty());
    assert!(!log.lines_with(&[logged::TRACKING_UNAVAILABLE]).is_empty());
}
