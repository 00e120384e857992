//! Deleting a queue: row 6, and row 12 as far as the deletion can do something about it.

use std::time::Duration;

use rasynq::{ErrorKind, Task};

use crate::common::{TaskMessage, World, key, task_key};

const HOUR: Duration = Duration::from_secs(3600);

/// A queue with tasks in all states, all of them unique, and with all that may belong to a queue.
async fn fill(world: &World) {
    let client = world.client().await;
    let task = |id: &str| {
        Task::new("any", id.to_owned())
            .task_id(id.to_owned())
            .unique(HOUR)
    };
    client.enqueue(task("pending")).await.unwrap();
    client
        .enqueue(task("scheduled"))
        .process_in(HOUR)
        .await
        .unwrap();
    client
        .enqueue(task("waiting"))
        .group("group")
        .await
        .unwrap();
    // As an inspector, or a server that has run them, leaves them.
    for (id, state) in [
        ("retry", "retry"),
        ("archived", "archived"),
        ("completed", "completed"),
    ] {
        client.enqueue(task(id)).await.unwrap();
        let _: i64 = world.run(&["LREM", &key("pending"), "0", id]).await;
        let later = (world.now().await + 3600).to_string();
        let _: i64 = world.run(&["ZADD", &key(state), &later, id]).await;
        let _: i64 = world.run(&["HSET", &task_key(id), "state", state]).await;
    }
    // A Go client adds a unique task to a group without the field `unique_key`; a server has taken it into a set.
    client.enqueue(task("taken")).group("group").await.unwrap();
    let _: i64 = world.run(&["HDEL", &task_key("taken"), "unique_key"]).await;
    let _: i64 = world.run(&["ZREM", &key("g:group"), "taken"]).await;
    let set = key("g:group:7f5c");
    let _: i64 = world.run(&["ZADD", &set, "1", "taken"]).await;
    let later = (world.now().await + 60).to_string();
    let _: i64 = world
        .run(&["ZADD", &key("aggregation_sets"), &later, &set])
        .await;
    // A Go inspector leaves locks; a crash leaves tasks that no list has; a Go server leaves groups unlisted.
    let _: String = world.run(&["SET", &key("unique:any:left"), "gone"]).await;
    world
        .store(
            "default",
            "lost",
            "pending",
            TaskMessage::of("lost", "").bytes(),
        )
        .await;
    world
        .store(
            "default",
            "unlisted",
            "aggregating",
            TaskMessage::of("unlisted", "").bytes(),
        )
        .await;
    let _: i64 = world
        .run(&["ZADD", &key("g:unlisted"), "1", "unlisted"])
        .await;
    for counter in [
        "processed",
        "failed",
        "processed:2020-02-03",
        "failed:2020-02-03",
    ] {
        let _: String = world.run(&["SET", &key(counter), "7"]).await;
    }
    let now = world.now().await;
    let today = rasynq::chrono::DateTime::from_timestamp(now, 0)
        .unwrap()
        .date_naive();
    let _: String = world
        .run(&["SET", &key(&format!("processed:{today}")), "7"])
        .await;
    let _: String = world.run(&["SET", &key("paused"), "1"]).await;
    let _: i64 = world
        .run(&["ZADD", "rasynq:{default}:owners", "1", "one"])
        .await;
}

// row 6
#[tokio::test]
async fn deleting_a_queue_by_force_removes_all_that_belongs_to_it() {
    let world = World::new().await;
    fill(&world).await;
    let client = world.client().await;
    client
        .enqueue(Task::new("any", ""))
        .queue("other")
        .await
        .unwrap();
    let others: Vec<String> = world.keys().await;
    let others = others.into_iter().filter(|key| key.contains("{other}"));
    let inspector = world.inspector().await;
    inspector.delete_queue("default").force().await.unwrap();
    let left = world.keys().await;
    let expected: Vec<String> = ["asynq:queues".to_owned()]
        .into_iter()
        .chain(others)
        .collect();
    assert_eq!(left, expected);
    assert_eq!(inspector.queues().await.unwrap(), ["other"]);
    let again = inspector.delete_queue("default").force().await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::QueueNotFound);
}

// row 6
#[tokio::test]
async fn a_unique_task_can_be_enqueued_again_once_its_queue_is_deleted() {
    let world = World::new().await;
    let client = world.client().await;
    let task = || Task::new("any", "same").unique(HOUR);
    client.enqueue(task()).await.unwrap();
    client.enqueue(task()).group("group").await.unwrap_err();
    let inspector = world.inspector().await;
    inspector.delete_queue("default").force().await.unwrap();
    client.enqueue(task()).group("group").await.unwrap();
    assert_eq!(inspector.queues().await.unwrap(), ["default"]);
}
