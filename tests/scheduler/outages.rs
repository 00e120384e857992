//! Schedulers while Redis does not answer, or refuses.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rasynq::{Connection, Entry, ErrorKind, RunningScheduler, Scheduler, Task};

use crate::common::{DEADLINE, FakeRedis, Log, Proxy, RedisServer, World, bulk, eventually};
use crate::seen::{assert_each_once, every, pending, pending_reach, scheduler, seconds};

/// What a hook was told: the type of a task, and whether it was enqueued.
type Told = Arc<Mutex<Vec<(String, Result<(), ErrorKind>)>>>;

/// Starts a scheduler whose results are collected.
async fn start(builder: Scheduler) -> (RunningScheduler, Told) {
    let told = Told::default();
    let hook = Arc::clone(&told);
    let scheduler = builder
        .after_enqueue(move |entry, result| {
            let result = result.map(|_| ()).map_err(|error| error.kind());
            hook.lock().unwrap().push((entry.task_type.clone(), result));
        })
        .start()
        .await
        .unwrap();
    (scheduler, told)
}

fn results(told: &Told) -> Vec<Result<(), ErrorKind>> {
    told.lock()
        .unwrap()
        .iter()
        .map(|(_, result)| *result)
        .collect()
}

#[tokio::test]
async fn a_redis_that_is_too_old_is_told_by_the_log_if_it_is_reached_after_the_start() {
    let fake = FakeRedis::start(|words| match words[0].to_uppercase().as_str() {
        "INFO" => bulk("# Server\r\nredis_version:6.0.16\r\n"),
        "HELLO" => "%1\r\n$5\r\nproto\r\n:3\r\n".to_owned(),
        "PING" => "+PONG\r\n".to_owned(),
        _ => "+OK\r\n".to_owned(),
    })
    .await;
    let proxy = Proxy::start(fake.port()).await;
    proxy.refuse(true);
    let log = Log::capture();
    let connection = Connection::tcp("127.0.0.1", proxy.port());
    let scheduler = Scheduler::new(&connection).start().await.unwrap();
    proxy.refuse(false);
    let words = ["ERROR", "does not suit it", "6.0.16", "6.2"];
    eventually("the log says it", DEADLINE, || async {
        !log.lines_with(&words).is_empty()
    })
    .await;
    scheduler.shutdown().await;
    assert_eq!(log.lines_with(&words).len(), 1);
}

#[tokio::test]
async fn a_tick_that_comes_while_redis_is_away_is_enqueued_when_it_is_back_and_told_once() {
    let (world, proxy, connection) = World::behind_proxy().await;
    let builder = Scheduler::new(&connection).register(every(12, "tick"));
    let (scheduler, told) = start(builder).await;
    let first = pending_reach(&world, 1).await[0].since_ms;
    tokio::time::sleep(Duration::from_secs(9)).await;
    proxy.refuse(true);
    eventually("the failure is told", DEADLINE, || async {
        results(&told).len() == 2
    })
    .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let back = world.now().await;
    proxy.refuse(false);
    let tasks = pending_reach(&world, 2).await;
    eventually("the success is told", DEADLINE, || async {
        results(&told).len() == 3
    })
    .await;
    scheduler.shutdown().await;
    let failed = Err(ErrorKind::Unavailable);
    assert_eq!(results(&told), [Ok(()), failed, Ok(())]);
    // Soon after Redis is back, and before the next tick.
    let second = tasks[1].since_ms / 1000;
    assert!(second - back <= 5, "{} s", second - back);
    assert!(second - first / 1000 < 23);
}

#[tokio::test]
async fn a_redis_that_restarts_during_a_tick_gets_its_task_when_it_is_back() {
    let mut world = World::on(RedisServer::builder().tcp().config("appendonly", "yes")).await;
    let (scheduler, told) = start(scheduler(&world).register(every(8, "tick"))).await;
    pending_reach(&world, 1).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    world.redis.stop().await;
    eventually("the failure is told", DEADLINE, || async {
        results(&told).len() == 2
    })
    .await;
    world.redis.restart().await;
    eventually("the success is told", DEADLINE, || async {
        results(&told).len() == 3
    })
    .await;
    scheduler.shutdown().await;
    assert_eq!(
        results(&told),
        [Ok(()), Err(ErrorKind::Unavailable), Ok(())]
    );
    let world = World::of(world.redis).await;
    let tasks = pending(&world).await;
    assert_each_once(&tasks);
    assert_eq!(tasks.len(), 2, "{tasks:?}");
}

#[tokio::test]
async fn a_redis_that_was_emptied_gets_the_tick_that_was_due_and_every_keeps_its_phase() {
    let mut world = World::on(RedisServer::builder().tcp()).await;
    let (scheduler, told) = start(scheduler(&world).register(every(9, "tick"))).await;
    pending_reach(&world, 1).await;
    let phase = |scheduler: &RunningScheduler| {
        let next = scheduler.entries()[0].next.unwrap();
        next.timestamp() % 9
    };
    let before = phase(&scheduler);
    // The lease is over when the tick comes.
    tokio::time::sleep(Duration::from_millis(4_500)).await;
    world.redis.stop().await;
    eventually("the failure is told", DEADLINE, || async {
        results(&told).len() == 2
    })
    .await;
    world
        .redis
        .restart_with(&[("appendonly", "no")], true)
        .await;
    eventually("the success is told", DEADLINE, || async {
        results(&told).len() == 3
    })
    .await;
    assert_eq!(
        results(&told),
        [Ok(()), Err(ErrorKind::Unavailable), Ok(())]
    );
    assert_eq!(phase(&scheduler), before);
    let world = World::of(world.redis).await;
    assert_eq!(pending(&world).await.len(), 1);
    scheduler.shutdown().await;
}

#[tokio::test]
async fn a_task_that_redis_refuses_is_enqueued_as_soon_as_redis_accepts_it_also_after_the_lease() {
    let world = World::new().await;
    let log = Log::capture();
    let (scheduler, told) = start(scheduler(&world).register(every(7, "tick"))).await;
    // The lease is over when the tick comes.
    world.set_out_of_memory(true).await;
    eventually("the refusal is told", DEADLINE, || async {
        !results(&told).is_empty()
    })
    .await;
    let refused = world.now().await;
    world.set_out_of_memory(false).await;
    let tasks = pending_reach(&world, 1).await;
    eventually("the success is told", DEADLINE, || async {
        results(&told).len() >= 2
    })
    .await;
    scheduler.shutdown().await;
    assert_eq!(results(&told), [Err(ErrorKind::Redis), Ok(())]);
    let late = seconds(&tasks)[0] - refused;
    assert!(late <= 4, "{late} s after the refusal");
    let lines = log.lines_with(&["WARN", "trying again until the next tick"]);
    assert_eq!(lines.len(), 1, "{lines:?}");
}

#[tokio::test]
async fn ticks_that_are_lost_in_an_outage_are_told_one_by_one_and_logged_once() {
    let (world, proxy, connection) = World::behind_proxy().await;
    let log = Log::capture();
    let (scheduler, told) = start(Scheduler::new(&connection).register(every(1, "tick"))).await;
    pending_reach(&world, 1).await;
    let before = results(&told).len();
    proxy.refuse(true);
    let failures = || {
        results(&told)
            .into_iter()
            .filter(|result| result.is_err())
            .count()
    };
    eventually("three ticks have failed", DEADLINE, || async {
        failures() >= 3
    })
    .await;
    proxy.refuse(false);
    let so_far = pending(&world).await.len();
    let tasks = pending_reach(&world, so_far + 2).await;
    log.line_with(&["WARN", "ticks were lost"]).await;
    scheduler.shutdown().await;
    assert_each_once(&tasks);
    assert!(before >= 1);
    let lines = log.lines_with(&["could not be enqueued, trying again"]);
    let warnings = lines.iter().filter(|line| line.contains("WARN")).count();
    assert_eq!(warnings, 0, "the connection tells of the outage: {lines:?}");
}

#[tokio::test]
async fn a_scheduler_starts_without_redis_and_begins_when_it_is_there() {
    let mut redis = RedisServer::builder().tcp().start().await;
    let connection = Connection::from_uri(&redis.uri()).unwrap();
    redis.stop().await;
    let (scheduler, told) = start(Scheduler::new(&connection).register(every(2, "tick"))).await;
    let id = scheduler.register(every(2, "tock")).await.unwrap();
    assert_eq!(scheduler.entries()[1].id, id);
    assert!(!scheduler.is_leader());
    eventually("ticks have failed", DEADLINE, || async {
        results(&told).len() >= 4
    })
    .await;
    let failed = Err(ErrorKind::Unavailable);
    assert!(results(&told).iter().all(|result| *result == failed));
    redis.restart().await;
    let world = World::of(redis).await;
    let tasks = pending_reach(&world, 4).await;
    assert!(scheduler.is_leader());
    scheduler.shutdown().await;
    for task_type in ["tick", "tock"] {
        let own = tasks.iter().filter(|task| task.task_type == task_type);
        assert_each_once(&own.cloned().collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_shutdown_while_redis_is_away_is_quick_and_tells_of_no_more_ticks() {
    let mut redis = RedisServer::builder().tcp().start().await;
    let connection = Connection::from_uri(&redis.uri()).unwrap();
    redis.stop().await;
    let (scheduler, told) = start(Scheduler::new(&connection).register(every(1, "tick"))).await;
    eventually("a tick has failed", DEADLINE, || async {
        !results(&told).is_empty()
    })
    .await;
    let begun = Instant::now();
    let shutdown = scheduler.shutdown();
    let mut shutdown = std::pin::pin!(shutdown);
    assert!(futures_util::poll!(shutdown.as_mut()).is_pending());
    let so_far = results(&told).len();
    shutdown.await;
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(results(&told).len(), so_far);
}

#[tokio::test]
async fn a_lost_reply_stores_no_task_twice() {
    let (world, proxy, connection) = World::behind_proxy().await;
    let entry = Entry::new("@every 2s", Task::without_payload("tick")).name("named");
    let (scheduler, told) = start(Scheduler::new(&connection).register(entry)).await;
    pending_reach(&world, 1).await;
    proxy.lose_reply_to("asynq:{default}:pending");
    let tasks = pending_reach(&world, 3).await;
    scheduler.shutdown().await;
    assert_eq!(proxy.lost(), 1);
    assert_each_once(&tasks);
    assert!(
        results(&told).iter().all(Result::is_ok),
        "{:?}",
        results(&told)
    );
}

#[tokio::test]
async fn a_note_with_a_higher_number_than_redis_remembers_does_not_silence_an_entry() {
    let world = World::new().await;
    let entry = every(1, "tick").name("named");
    let (scheduler, _) = start(scheduler(&world).register(entry)).await;
    pending_reach(&world, 1).await;
    // As after the clock was set back while the last number was lost.
    let now = world.now().await;
    let note = format!("{now}:99999999999999:{now}:some-id");
    let _: String = world
        .run(&["SET", "rasynq:{default}:tick:named", &note])
        .await;
    let so_far = pending(&world).await.len();
    pending_reach(&world, so_far + 2).await;
    scheduler.shutdown().await;
    assert_each_once(&pending(&world).await);
}
