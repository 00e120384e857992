//! Schedulers: rows 13 and 32.

use std::time::Duration;

use rasynq::{Entry, Scheduler, Task};

use crate::common::{DEADLINE, World, eventually, key};

/// A scheduler with an entry that has enqueued a task, and the key of the entry's history.
async fn with_history(world: &World) -> (rasynq::RunningScheduler, String, String) {
    let scheduler = Scheduler::new(&world.connection());
    let scheduler = scheduler.start().await.unwrap();
    let entry = Entry::new("@every 1s", Task::new("any", "ok"));
    let id = scheduler.register(entry).await.unwrap();
    let history = format!("asynq:scheduler_history:{id}");
    eventually("a task is enqueued", DEADLINE, || async {
        world.run::<i64>(&["ZCARD", &history]).await > 0
    })
    .await;
    (scheduler, id, history)
}

async fn exists(world: &World, key: &str) -> bool {
    world.run::<i64>(&["EXISTS", key]).await == 1
}

// row 13
#[tokio::test]
async fn the_history_of_an_entry_is_deleted_when_the_entry_is_unregistered() {
    let world = World::new().await;
    let (scheduler, id, history) = with_history(&world).await;
    scheduler.unregister(&id).await.unwrap();
    assert!(!exists(&world, &history).await);
    scheduler.shutdown().await;
    assert!(!exists(&world, &history).await);
}

// row 13
#[tokio::test]
async fn a_history_has_a_time_to_live_of_a_month() {
    let world = World::new().await;
    let (scheduler, _, history) = with_history(&world).await;
    let ttl: i64 = world.run(&["TTL", &history]).await;
    let month = 30 * 24 * 60 * 60;
    assert!((month - 60..=month + 60).contains(&ttl), "{ttl}");
    scheduler.shutdown().await;
}

// row 13: with the last scheduler
#[tokio::test]
async fn the_last_scheduler_deletes_the_histories_of_its_entries() {
    let world = World::new().await;
    let (first, _, history) = with_history(&world).await;
    let (second, _, _) = with_history(&world).await;
    first.shutdown().await;
    assert!(exists(&world, &history).await);
    second.shutdown().await;
    assert!(!exists(&world, &history).await);
}

// row 32
#[tokio::test]
async fn two_schedulers_enqueue_each_tick_once() {
    let world = World::new().await;
    let redis = world.connection();
    let start = || {
        let entry = Entry::new("@every 1s", Task::without_payload("tick"));
        Scheduler::new(&redis).register(entry).start()
    };
    let (first, second) = tokio::join!(start(), start());
    let (first, second) = (first.unwrap(), second.unwrap());
    let pending = async || -> usize { world.run(&["LLEN", &key("pending")]).await };
    eventually("four ticks have come", DEADLINE, || async {
        pending().await >= 4
    })
    .await;
    // Whichever of them leads.
    for scheduler in [first, second] {
        let so_far = pending().await;
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        let ticks = pending().await - so_far;
        assert!((1..=3).contains(&ticks), "{ticks} ticks in 2.5 s");
        scheduler.shutdown().await;
    }
    let mut seconds = Vec::new();
    for id in world.list("pending").await {
        let since: String = world
            .run(&["HGET", &key(&format!("t:{id}")), "pending_since"])
            .await;
        seconds.push(since.parse::<i64>().unwrap() / 1_000_000_000);
    }
    let n = seconds.len();
    seconds.sort_unstable();
    seconds.dedup();
    assert_eq!(seconds.len(), n, "{seconds:?}");
}
