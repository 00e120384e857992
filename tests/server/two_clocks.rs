//! A machine whose clock differs from that of Redis by days. Redis' clock decides about every stored time.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use prost::Message;
use rasynq::{RetryDelay, Task, TaskContext, TaskState};
use tokio::sync::mpsc;

use crate::common::support::RedisServer;
use crate::common::{DEADLINE, HOUR, Scripted, ServerInfo, World, eventually, key};

/// By how many seconds the clock of Redis is ahead, in the two worlds of each test.
const SHIFTS: [i64; 2] = [2 * 86_400, -2 * 86_400];
const SECOND: Duration = Duration::from_secs(1);

async fn world(shift: i64) -> World {
    let world = World::on(RedisServer::builder().clock_shift(shift)).await;
    let shown = world.now().await - Utc::now().timestamp();
    assert!((shift - 60..=shift + 60).contains(&shown), "{shown}");
    world
}

fn time(unix_secs: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(unix_secs, 0).unwrap()
}

fn task(payload: &str) -> Task {
    Task::new("any", payload.to_owned()).task_id("task")
}

/// Asserts that something happened in a time span by Redis' clock, with one second for what was cut off.
fn assert_within(found: f64, from: i64, to: i64) {
    let span: RangeInclusive<i64> = from - 1..=to + 1;
    assert!(span.contains(&(found as i64)), "{found} in {span:?}");
}

#[tokio::test]
async fn a_retry_and_a_snooze_wait_for_their_delay_by_the_clock_of_redis() {
    for shift in SHIFTS {
        for (payload, state) in [("fail x", "retry"), ("snooze 3600", "scheduled")] {
            let world = world(shift).await;
            let client = world.client().await;
            let before = world.now().await;
            client.enqueue(task(payload)).await.unwrap();
            let handler = Scripted::new();
            let server = world.start(handler.clone()).await;
            world.task_is("task", state).await;
            let after = world.now().await;
            let score = world.scores(state).await["task"];
            assert_within(score, before + 3600, after + 3600);
            if state == "retry" {
                let failed_at = world.message("task").await.last_failed_at;
                assert_within(failed_at as f64, before, after);
                let day = time(after).format("failed:%F").to_string();
                assert_eq!(world.counter(&day).await, 1);
            }
            server.shutdown().await;
            assert_eq!(handler.begun().len(), 1);
        }
    }
}

#[tokio::test]
async fn a_result_is_kept_for_its_retention_by_the_clock_of_redis() {
    for shift in SHIFTS {
        let world = world(shift).await;
        let client = world.client().await;
        let before = world.now().await;
        client.enqueue(task("ok").retention(HOUR)).await.unwrap();
        let server = world.start(Scripted::new()).await;
        world.task_is("task", "completed").await;
        let after = world.now().await;
        let score = world.scores("completed").await["task"];
        assert_within(score, before + 3600, after + 3600);
        let completed_at = world.message("task").await.completed_at;
        assert_within(completed_at as f64, before, after);
        let day = time(after).format("processed:%F").to_string();
        assert_eq!(world.counter(&day).await, 1);
        let ttl: i64 = world.run(&["TTL", &key(&day)]).await;
        assert_within(ttl as f64, 90 * 86_400 - 60, 90 * 86_400);
        let brief = Task::new("any", "ok").task_id("brief").retention(SECOND);
        client.enqueue(brief).await.unwrap();
        eventually("the brief retention ends", DEADLINE, || async {
            world.counter("processed").await == 2 && world.state("brief").await.is_empty()
        })
        .await;
        assert_eq!(world.state("task").await, "completed");
        server.shutdown().await;
    }
}

#[tokio::test]
async fn a_delayed_task_and_its_lock_wait_by_the_clock_of_redis() {
    for shift in SHIFTS {
        let world = world(shift).await;
        let client = world.client().await;
        let before = world.now().await;
        let any = || Task::new("any", "ok");
        let later = any().task_id("in").process_in(HOUR).unique(HOUR);
        let info = client.enqueue(later).await.unwrap();
        let after = world.now().await;
        let score = world.scores("scheduled").await["in"];
        assert_within(score, before + 3600, after + 3600);
        let next = info.next_process_at.unwrap().timestamp();
        assert_within(next as f64, before + 3600, after + 3600);
        let lock = world.locks().await.pop().unwrap();
        let ttl: i64 = world.run(&["TTL", &lock]).await;
        assert_within(ttl as f64, 7_200 - 60, 7_200);

        // An absolute time stays as given. Whether it has passed is decided by Redis' clock.
        let at = time(after + 1_000);
        let task = any().task_id("at").process_at(at).unique(HOUR).queue("two");
        let info = client.enqueue(task).await.unwrap();
        assert_eq!(info.state, TaskState::Scheduled);
        assert_eq!(info.next_process_at, Some(at));
        let lock: Vec<String> = world.run(&["KEYS", "asynq:{two}:unique:*"]).await;
        let ttl: i64 = world.run(&["TTL", &lock[0]]).await;
        assert_within(ttl as f64, 4_600 - 60, 4_600);
        let past = any().process_at(time(before - 1_000));
        let info = client.enqueue(past).await.unwrap();
        assert_eq!(info.state, TaskState::Pending);
    }
}

#[tokio::test]
async fn due_tasks_run_in_time() {
    for shift in SHIFTS {
        let world = world(shift).await;
        let client = world.client().await;
        let handler = Scripted::new();
        let server = world
            .server()
            .delayed_task_check_interval(HOUR)
            .retry_delay(RetryDelay::constant(SECOND))
            .start(handler.clone())
            .await
            .unwrap();
        client.enqueue(task("fail x").max_retry(1)).await.unwrap();
        let later = Task::new("any", "ok").process_in(2 * SECOND);
        client.enqueue(later).await.unwrap();
        handler.has_begun(3).await;
        world.task_is("task", "archived").await;
        server.shutdown().await;
    }
}

#[tokio::test]
async fn a_deadline_is_a_time_by_the_clock_of_redis_and_a_handler_sees_it_by_its_own() {
    for shift in SHIFTS {
        let world = world(shift).await;
        let client = world.client().await;
        let now = time(world.now().await);
        let past = task("ok").deadline(now - TimeDelta::seconds(5));
        client.enqueue(past).await.unwrap();
        let later = Task::new("any", "ok").deadline(now + TimeDelta::seconds(600));
        client.enqueue(later).await.unwrap();
        let by_timeout = Task::new("any", "ok").timeout(Duration::from_secs(600));
        client.enqueue(by_timeout).await.unwrap();
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let server = world
            .server()
            .start(move |cx: TaskContext, _: Task| {
                sender.send(cx.deadline().unwrap() - Utc::now()).unwrap();
                async { anyhow::Ok(()) }
            })
            .await
            .unwrap();
        for _ in 0..2 {
            let left = receiver.recv().await.unwrap().num_seconds();
            assert_within(left as f64, 540, 600);
        }
        world.task_is("task", "retry").await;
        let message = world.message("task").await;
        assert_eq!(message.error_msg, "context deadline exceeded");
        server.shutdown().await;
        assert!(receiver.try_recv().is_err(), "the first task ran");
    }
}

#[tokio::test]
async fn a_server_is_shown_with_times_of_the_clock_of_redis() {
    for shift in SHIFTS {
        let world = world(shift).await;
        let before = world.now().await;
        let server = world.start(Scripted::new()).await;
        let after = world.now().await;
        let shown: Vec<(String, f64)> = world
            .run(&["ZRANGE", "asynq:servers", "0", "-1", "WITHSCORES"])
            .await;
        assert_within(shown[0].1, before + 10, after + 10);
        let entry = world.bytes(&["GET", &shown[0].0]).await;
        let started = ServerInfo::decode(entry.as_slice()).unwrap().start_time;
        assert_within(started.unwrap().seconds as f64, before, after);

        let inspector = world.inspector().await;
        inspector.pause_queue("default").await.unwrap();
        let paused_at = world.counter("paused").await;
        assert_within(paused_at as f64, before, world.now().await);
        server.shutdown().await;
    }
}

#[tokio::test]
async fn a_server_notices_within_a_heartbeat_that_the_clock_of_redis_was_set() {
    let mut world = World::on(RedisServer::builder().clock_shift(0)).await;
    let client = world.client().await;
    let handler = Scripted::new();
    let server = world.start(handler.clone()).await;
    client.enqueue(task("ok").process_in(HOUR)).await.unwrap();
    world.task_is("task", "scheduled").await;
    let set_at = Instant::now();
    world.redis.set_clock(3_700);
    handler.has_begun(1).await;
    // A heartbeat comes every 5 s; without one, Redis would be asked after 30 s.
    let noticed = set_at.elapsed();
    assert!(noticed < Duration::from_secs(20), "{noticed:?}");
    server.shutdown().await;
}
