//! Keys of a wrong type under the inspector's changes.

use rasynq::{ErrorKind, Task, TaskState};

use crate::common::{HOUR, World, key, task_key};

#[tokio::test]
async fn a_place_of_a_wrong_type_fails_the_change_and_loses_no_task() {
    for (broken, verb) in [
        ("pending", "run"),
        ("archived", "archive"),
        ("groups", "run"),
        ("scheduled", "delete"),
    ] {
        let world = World::new().await;
        let inspector = world.inspector().await;
        let task = Task::new("any", "x").task_id("task").process_in(HOUR);
        world.client().await.enqueue(task).await.unwrap();
        let _: i64 = world.run(&["DEL", &key(broken)]).await;
        let _: String = world.run(&["SET", &key(broken), "wrong"]).await;
        let hash = world.hash("task").await;
        let keys = world.keys().await;
        let result = match verb {
            "run" => inspector.run_task("default", "task").await,
            "archive" => inspector.archive_task("default", "task").await,
            _ => inspector.delete_task("default", "task").await,
        };
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Redis, "{error}");
        assert!(error.to_string().contains("WRONGTYPE"), "{error}");
        assert_eq!(world.hash("task").await, hash, "{broken}");
        assert_eq!(world.keys().await, keys, "{broken}");
    }
}

#[tokio::test]
async fn a_hash_or_a_group_of_a_wrong_type_affects_only_its_tasks() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    let client = world.client().await;
    for (id, group) in [("a", "odd"), ("b", "good"), ("c", "good")] {
        let task = Task::new("any", "x").task_id(id).group(group);
        client.enqueue(task).await.unwrap();
    }
    let _: String = world.run(&["SET", &task_key("b"), "wrong"]).await;
    let all = inspector
        .tasks("default", TaskState::Aggregating)
        .group("good");
    assert_eq!(all.run().await.unwrap().changed, 1);
    assert_eq!(world.list("pending").await, ["c"]);
    let error = inspector.run_task("default", "b").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TaskNotFound);
    let _: String = world.run(&["SET", &key("g:odd"), "wrong"]).await;
    let error = inspector.delete_task("default", "a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongState);
    assert_eq!(world.state("a").await, "aggregating");
}

#[tokio::test]
async fn a_lock_of_a_wrong_type_stays_when_its_task_is_deleted() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    let task = Task::new("any", "x").task_id("task").unique(HOUR);
    world.client().await.enqueue(task).await.unwrap();
    let lock = world.message("task").await.unique_key;
    let _: i64 = world.run(&["DEL", &lock]).await;
    let _: i64 = world.run(&["LPUSH", &lock, "wrong"]).await;
    inspector.delete_task("default", "task").await.unwrap();
    assert_eq!(world.keys().await, ["asynq:queues", &lock]);
}
