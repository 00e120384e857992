//! What asynqmon and inspectors see of a scheduler.

use std::time::Duration;

use rasynq::{Entry, Task};

use crate::common::{DEADLINE, World, eventually, poll_until};
use crate::seen::{every, pending_reach, scheduler, start};

#[tokio::test]
async fn entries_are_listed_at_once_with_what_is_known_of_them() {
    let world = World::new().await;
    let entry = Entry::new("0 6 * * 1-5", Task::new("report", "{}").max_retry(3))
        .queue("low")
        .unique(Duration::from_secs(90));
    let scheduler = start(&world, entry).await;
    let inspector = world.inspector().await;
    let all = inspector.scheduler_entries().await.unwrap();
    let [listed] = all.as_slice() else {
        panic!("{all:?}");
    };
    let own = &scheduler.entries()[0];
    assert_eq!(
        (listed.id.as_str(), listed.spec.as_str()),
        (own.id.as_str(), "0 6 * * 1-5")
    );
    assert_eq!(
        (listed.task_type.as_str(), &listed.payload[..]),
        ("report", &b"{}"[..])
    );
    // As by a Go scheduler, the options of the task are not shown.
    assert_eq!(listed.options, [r#"Queue("low")"#, "Unique(1m30s)"]);
    assert_eq!((listed.next, listed.previous), (own.next, None));
    assert!(listed.next.unwrap().timestamp() > world.now().await);
    let ttl: i64 = world
        .run(&["TTL", &format!("asynq:schedulers:{{{}}}", scheduler.id())])
        .await;
    assert!((15..=20).contains(&ttl), "{ttl}");
    scheduler.shutdown().await;
    assert!(inspector.scheduler_entries().await.unwrap().is_empty());
    assert!(inspector.schedulers().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_list_follows_the_ticks_at_each_heartbeat() {
    let world = World::new().await;
    let scheduler = scheduler(&world)
        .heartbeat_interval(Duration::from_secs(1))
        .register(every(2, "tick"))
        .start()
        .await
        .unwrap();
    let inspector = world.inspector().await;
    let previous = poll_until("a tick is listed", DEADLINE, || async {
        let all = inspector.scheduler_entries().await.unwrap();
        let previous = all[0].previous?;
        assert_eq!((all[0].next.unwrap() - previous).num_seconds(), 2);
        Some(previous)
    })
    .await;
    let tasks = pending_reach(&world, 1).await;
    assert_eq!(previous.timestamp() % 2, tasks[0].since_ms / 1000 % 2);
    scheduler.shutdown().await;
}

#[tokio::test]
async fn each_enqueue_is_in_the_history_of_its_entry() {
    let world = World::new().await;
    let scheduler = start(&world, every(1, "tick")).await;
    let id = scheduler.entries()[0].id.clone();
    let tasks = pending_reach(&world, 3).await;
    let inspector = world.inspector().await;
    let events = poll_until("three events are recorded", DEADLINE, || async {
        let events = inspector.enqueue_events(&id, 1, 10).await.unwrap();
        (events.len() >= 3).then_some(events)
    })
    .await;
    let oldest_first = events.iter().rev().zip(&tasks);
    for (event, task) in oldest_first {
        assert_eq!(event.task_id, task.id);
        assert_eq!(event.enqueued_at.timestamp(), task.since_ms / 1000);
    }
    let ttl: i64 = world
        .run(&["TTL", &format!("asynq:scheduler_history:{id}")])
        .await;
    let thirty_days = 30 * 24 * 60 * 60;
    assert!(
        (thirty_days - 60..=thirty_days + 60).contains(&ttl),
        "{ttl}"
    );
    scheduler.shutdown().await;
}

#[tokio::test]
async fn a_list_that_redis_has_lost_is_written_again() {
    let world = World::new().await;
    let scheduler = scheduler(&world)
        .heartbeat_interval(Duration::from_secs(1))
        .register(every(1, "tick"))
        .start()
        .await
        .unwrap();
    pending_reach(&world, 1).await;
    let _: String = world.run(&["FLUSHALL"]).await;
    let inspector = world.inspector().await;
    eventually("the entry is listed again", DEADLINE, || async {
        inspector.scheduler_entries().await.unwrap().len() == 1
    })
    .await;
    let tasks = pending_reach(&world, 3).await;
    crate::seen::assert_each_once(&tasks);
    scheduler.shutdown().await;
}
