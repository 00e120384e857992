//! Entries that change while a tick is due: each tick is enqueued once, by the old entry or by the new one.

use rasynq::{Entry, MemoryConfigs, PeriodicTaskManager, RunningPeriodicTaskManager, Task};
use std::time::Duration;

use crate::common::{DEADLINE, World, eventually, queue_key};
use crate::seen::{pending, pending_in, pending_reach, scheduler};

fn entry(secs: u64, task_type: &str, payload: &str) -> Entry {
    let task = Task::new(task_type, payload.to_owned());
    Entry::new(format!("@every {secs}s"), task)
}

async fn start(world: &World, configs: &MemoryConfigs) -> RunningPeriodicTaskManager {
    PeriodicTaskManager::new(scheduler(world), configs.clone())
        .start()
        .await
        .unwrap()
}

async fn payloads_become(manager: &RunningPeriodicTaskManager, payload: &str) {
    eventually("the entries have changed", DEADLINE, || async {
        let entries = manager.entries();
        entries.iter().all(|entry| entry.payload == payload)
    })
    .await;
}

#[tokio::test]
async fn a_changed_entry_does_not_lose_the_tick_whose_jitter_lasts() {
    let world = World::new().await;
    let all = |payload: &str| -> Vec<Entry> {
        let entries = (0..20).map(|n| {
            let entry = entry(8, &format!("tick:{n:02}"), payload).jitter(Duration::from_secs(4));
            match n % 2 {
                0 => entry.name(format!("named {n}")),
                _ => entry,
            }
        });
        entries.collect()
    };
    let configs = MemoryConfigs::new(all("old"));
    let manager = start(&world, &configs).await;
    pending_reach(&world, 1).await;
    configs.set(all("new"));
    payloads_become(&manager, "new").await;
    // Ticks of some of them have not fired yet.
    assert!(pending(&world).await.len() < 20);
    let tasks = pending_reach(&world, 20).await;
    manager.shutdown().await;
    let mut types: Vec<String> = tasks.into_iter().map(|task| task.task_type).collect();
    types.sort();
    types.dedup();
    assert_eq!(types.len(), 20, "{types:?}");
}

#[tokio::test]
async fn a_changed_entry_does_not_lose_the_tick_that_redis_refuses() {
    let world = World::new().await;
    let configs = MemoryConfigs::new([
        entry(10, "tick", "old"),
        entry(10, "other", "old").name("named"),
    ]);
    let manager = start(&world, &configs).await;
    let next = manager.entries()[0].next.unwrap().timestamp();
    // Redis accepts all but tasks.
    let list = queue_key("default", "pending");
    let _: String = world.run(&["SET", &list, "no list"]).await;
    eventually("the ticks are due", DEADLINE, || async {
        world.now().await > next
    })
    .await;
    configs.set([
        entry(10, "tick", "new"),
        entry(10, "other", "new").name("named"),
    ]);
    payloads_become(&manager, "new").await;
    let _: i64 = world.run(&["DEL", &list]).await;
    let tasks = pending_reach(&world, 2).await;
    manager.shutdown().await;
    for task in &tasks {
        assert_eq!(world.message(&task.id).await.payload, b"new");
        assert!(task.since_ms < (next + 8) * 1000, "{tasks:?}, {next}");
    }
}

#[tokio::test]
async fn a_named_entry_that_changes_its_queue_takes_its_note_along() {
    let world = World::new().await;
    let named = |queue: &str| entry(1, "tick", queue).name("named").queue(queue);
    let configs = MemoryConfigs::new([named("a")]);
    let manager = start(&world, &configs).await;
    eventually("a task is pending", DEADLINE, || async {
        !pending_in(&world, "a").await.is_empty()
    })
    .await;
    configs.set([named("b")]);
    eventually("a task is pending in the other queue", DEADLINE, || async {
        !pending_in(&world, "b").await.is_empty()
    })
    .await;
    let keys = world.keys().await;
    let notes: Vec<&String> = keys.iter().filter(|key| key.contains(":tick:")).collect();
    assert_eq!(notes, ["rasynq:{b}:tick:named"]);
    manager.shutdown().await;
    let mut all = pending_in(&world, "a").await;
    all.extend(pending_in(&world, "b").await);
    crate::seen::assert_each_once(&all);
}
