//! The histories of schedulers' entries: row 13.

use rasynq::{Entry, Scheduler, Task};

use crate::common::{DEADLINE, World, eventually};

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
async fn a_history_expires_after_its_scheduler_has_died() {
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
