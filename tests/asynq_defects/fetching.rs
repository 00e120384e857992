//! Fetching: rows 15, 19, 20 and 27.

use std::time::{Duration, Instant};

use rasynq::Task;

use crate::common::{DEADLINE, Log, Scripted, World, eventually, key, logged, queue_key, task_key};

// row 15
#[tokio::test]
async fn tasks_of_a_fetch_whose_reply_is_lost_run_once_and_count_no_failure() {
    let (world, proxy, connection) = World::behind_proxy().await;
    let client = world.client().await;
    let handler = Scripted::new();
    let server = World::server_on(&connection)
        .concurrency(1)
        .start(handler.clone())
        .await
        .unwrap();
    client
        .enqueue(Task::new("any", "ok").task_id("warm"))
        .await
        .unwrap();
    world.task_is("warm", "").await;
    proxy.lose_reply_with("marked");
    let ids: Vec<String> = (0..5).map(|n| n.to_string()).collect();
    let tasks = ids
        .iter()
        .map(|id| Task::new("any", "marked").task_id(id).max_retry(0));
    client.enqueue_batch(tasks).await;
    for id in &ids {
        world.task_is(id, "").await;
    }
    assert_eq!(proxy.lost(), 1);
    // a later task may have been fetched before the lost task was restored
    let mut begun = handler.begun()[1..].to_vec();
    begun.sort();
    assert_eq!(begun, ids);
    assert_eq!(world.counter("processed").await, 6);
    assert_eq!(world.counter("failed").await, 0);
    assert_eq!(world.scores("archived").await.len(), 0);
    server.shutdown().await;
}

// row 15
#[tokio::test]
async fn all_tasks_of_a_lost_fetch_are_restored() {
    let (world, proxy, connection) = World::behind_proxy().await;
    let client = world.client().await;
    let handler = Scripted::new();
    let ids: Vec<String> = (0..20).map(|n| format!("{n:02}")).collect();
    let tasks = ids
        .iter()
        .map(|id| Task::new("any", "marked").task_id(id).max_retry(0));
    client.enqueue_batch(tasks).await;
    proxy.lose_reply_with("marked");
    let server = World::server_on(&connection)
        .concurrency(20)
        .start(handler.clone())
        .await
        .unwrap();
    for id in &ids {
        world.task_is(id, "").await;
    }
    assert_eq!(proxy.lost(), 1);
    let mut begun = handler.begun();
    begun.sort();
    assert_eq!(begun, ids);
    assert_eq!(world.counter("processed").await, 20);
    server.shutdown().await;
}

// row 15
#[tokio::test]
async fn a_fetch_lost_during_shutdown_is_restored() {
    let (world, proxy, connection) = World::behind_proxy().await;
    let client = world.client().await;
    let log = Log::capture();
    let server = World::server_on(&connection)
        .start(Scripted::new())
        .await
        .unwrap();
    proxy.lose_reply_with("marked");
    let task = Task::new("any", "marked").task_id("task").max_retry(0);
    client.enqueue(task).await.unwrap();
    log.line_with(&[logged::FETCH_FAILED]).await;
    server.shutdown().await;
    match world.state("task").await.as_str() {
        // the server may have restored, fetched and finished the task before the shutdown
        "" => assert_eq!(world.counter("processed").await, 1),
        state => assert_eq!(state, "pending"),
    }
    assert_eq!(world.list("active").await.len(), 0);
}

// row 19: leases use the clock of Redis
#[tokio::test]
async fn a_lease_lasts_30_seconds_by_the_clock_of_redis() {
    let world = World::new().await;
    let client = world.client().await;
    let handler = Scripted::new();
    let server = world.start(handler.clone()).await;
    let before = world.now().await;
    let task = Task::new("any", "wait").task_id("task");
    client.enqueue(task).await.unwrap();
    handler.has_begun(1).await;
    let until = world.scores("lease").await["task"] as i64;
    let after = world.now().await;
    assert!((before + 30..=after + 30).contains(&until));
    handler.release(1);
    server.shutdown().await;
}

// row 20
#[tokio::test]
async fn a_pending_id_whose_task_is_gone_is_dropped_and_the_next_is_fetched() {
    let world = World::new().await;
    let client = world.client().await;
    let log = Log::capture();
    for id in ["gone 1", "one", "gone 2", "two"] {
        let task = Task::new("any", "ok").task_id(id);
        client.enqueue(task).await.unwrap();
    }
    for id in ["gone 1", "gone 2"] {
        let _: i64 = world.run(&["DEL", &task_key(id)]).await;
    }
    let handler = Scripted::new();
    let server = world.start_with_workers(1, handler.clone()).await;
    world.task_is("two", "").await;
    assert_eq!(handler.begun(), ["one", "two"]);
    log.line_with(&[logged::TASK_GONE, "default"]).await;
    server.shutdown().await;
    let hashes = world.task_hashes().await;
    assert_eq!(hashes.len(), 0, "no hash is left: {hashes:?}");
    world.assert_none_active().await;
}

// row 20
#[tokio::test]
async fn a_task_id_that_is_twice_in_pending_runs_once_and_leaves_no_keys() {
    for (concurrency, tasks) in [(1, 1), (4, 1), (100, 40)] {
        let world = World::new().await;
        let client = world.client().await;
        for n in 0..tasks {
            let task = Task::new("any", "wait").task_id(n.to_string());
            client.enqueue(task).await.unwrap();
        }
        for n in 0..tasks {
            let words = ["LPUSH", &key("pending"), &n.to_string()];
            let _: i64 = world.run(&words).await;
        }
        let handler = Scripted::new();
        let server = world.server().concurrency(concurrency);
        let server = server.start(handler.clone()).await.unwrap();
        handler.has_begun(tasks).await;
        handler.release(2 * tasks);
        eventually("no task is pending or active", DEADLINE, || async {
            world.list("pending").await.is_empty() && world.list("active").await.is_empty()
        })
        .await;
        server.shutdown().await;
        assert_eq!(handler.begun().len(), tasks);
        assert_eq!(world.counter("processed").await, tasks as i64);
        let hashes = world.task_hashes().await;
        assert_eq!(hashes.len(), 0, "no hash is left: {hashes:?}");
        assert_eq!(world.scores("lease").await.len(), 0);
    }
}

// row 27
#[tokio::test]
async fn failing_fetches_back_off_and_a_shutdown_does_not_wait_for_the_pause() {
    let world = World::new().await;
    let _: i64 = world.run(&["SADD", &key("active"), "no list"]).await;
    let client = world.client().await;
    client.enqueue(Task::new("any", "ok")).await.unwrap();
    let log = Log::capture();
    // with one worker there is one fetch at a time
    let server = world.server().concurrency(1);
    let server = server.start(Scripted::new()).await.unwrap();
    let failures = || log.lines_with(&[logged::FETCH_FAILED, "default"]).len();
    eventually("a fetch fails", DEADLINE, || async { failures() > 0 }).await;
    let started = Instant::now();
    let already = failures();
    eventually("five more fetches fail", DEADLINE, || async {
        failures() >= already + 5
    })
    .await;
    // the pauses are 0.1 + 0.2 + 0.4 + 0.8 + 1.6 s, each with a jitter of at most a quarter
    assert!(started.elapsed() > Duration::from_secs(1));
    let started = Instant::now();
    server.shutdown().await;
    assert!(started.elapsed() < Duration::from_secs(1));
}

// row 27
#[tokio::test]
async fn a_server_without_redis_backs_off_and_shuts_down_in_time() {
    let mut world = World::new().await;
    let connection = world
        .connection()
        .command_timeout(Duration::from_millis(200));
    let log = Log::capture();
    let server = World::server_on(&connection)
        .start(Scripted::new())
        .await
        .unwrap();
    world.redis.kill();
    let failures = || log.lines_with(&[logged::FETCH_FAILED]).len();
    let started = Instant::now();
    eventually("six fetches fail", DEADLINE, || async { failures() >= 6 }).await;
    assert!(started.elapsed() > Duration::from_millis(500));
    let started = Instant::now();
    server.shutdown().await;
    let took = started.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?}");
}

// row 27
#[tokio::test]
async fn a_queue_whose_fetches_fail_does_not_slow_the_others() {
    let world = World::new().await;
    let client = world.client().await;
    let broken = queue_key("broken", "active");
    let _: i64 = world.run(&["SADD", &broken, "no list"]).await;
    let stuck = Task::new("any", "ok").queue("broken");
    client.enqueue(stuck).await.unwrap();
    let handler = Scripted::new();
    let log = Log::capture();
    let server = world
        .server()
        .queue("broken", 1)
        .queue("default", 1)
        .start(handler.clone())
        .await
        .unwrap();
    eventually("several fetches fail", DEADLINE, || async {
        log.lines_with(&[logged::FETCH_FAILED, "broken"]).len() >= 6
    })
    .await;
    let started = Instant::now();
    for n in 0..5 {
        let task = Task::new("any", "ok").task_id(n.to_string());
        client.enqueue(task).await.unwrap();
        handler.has_begun(n + 1).await;
    }
    let took = started.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    server.shutdown().await;
}
