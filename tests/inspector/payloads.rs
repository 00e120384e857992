//! Replacing the payload of a scheduled task.

use rasynq::{ErrorKind, Task, TaskState};

use super::place::{exists, put};
use crate::common::{HOUR, World, key, task_key};

#[tokio::test]
async fn the_payload_of_a_scheduled_task_is_replaced_and_the_rest_stays() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    let task = Task::new("any", "old")
        .task_id("task")
        .process_in(HOUR)
        .header("name", "value")
        .group("g");
    world.client().await.enqueue(task).await.unwrap();
    let before = world.message("task").await;
    inspector
        .update_task_payload("default", "task", "new")
        .await
        .unwrap();
    let mut after = world.message("task").await;
    assert_eq!(after.payload, b"new");
    after.payload = before.payload.clone();
    assert_eq!(after, before);
    assert_eq!(world.fields("task").await, ["msg", "rasynq_group", "state"]);
}

#[tokio::test]
async fn only_scheduled_tasks_get_another_payload() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    for state in TaskState::ALL {
        if state == TaskState::Scheduled {
            continue;
        }
        put(&world, state.as_str(), state, 1).await;
        let update = inspector.update_task_payload("default", state.as_str(), "new");
        let error = update.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WrongState);
        let end = format!("it is {state}, not scheduled");
        assert!(error.to_string().ends_with(&end), "{error}");
        assert_eq!(world.message(state.as_str()).await.payload, b"x");
    }
    let update = inspector.update_task_payload("default", "none", "new");
    assert_eq!(update.await.unwrap_err().kind(), ErrorKind::TaskNotFound);
    let update = inspector.update_task_payload("none", "none", "new");
    assert_eq!(update.await.unwrap_err().kind(), ErrorKind::QueueNotFound);
}

#[tokio::test]
async fn a_message_that_does_not_decode_keeps_its_payload() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    put(&world, "task", TaskState::Scheduled, 1).await;
    let _: i64 = world
        .run(&["HSET", &task_key("task"), "msg", "\u{7f}"])
        .await;
    let update = inspector.update_task_payload("default", "task", "new");
    let error = update.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Undecodable);
    assert_eq!(
        world.bytes(&["HGET", &task_key("task"), "msg"]).await,
        b"\x7f"
    );
}

#[tokio::test]
async fn a_lock_that_has_expired_is_only_named_anew() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    let unique = |payload: &'static str| Task::new("any", payload).process_in(HOUR).unique(HOUR);
    let client = world.client().await;
    client.enqueue(unique("old").task_id("task")).await.unwrap();
    let old = world.message("task").await.unique_key;
    let _: i64 = world.run(&["DEL", &old]).await;
    client
        .enqueue(unique("new").task_id("other"))
        .await
        .unwrap();
    let new = world.message("other").await.unique_key;
    inspector
        .update_task_payload("default", "task", "new")
        .await
        .unwrap();
    assert_eq!(world.message("task").await.unique_key, new);
    assert_eq!(world.bytes(&["GET", &new]).await, b"other");
    assert!(!exists(&world, &old).await);
    // Its deletion leaves the lock to its holder.
    inspector.delete_task("default", "task").await.unwrap();
    assert_eq!(world.bytes(&["GET", &new]).await, b"other");
}

#[tokio::test]
async fn a_lock_of_a_wrong_type_refuses_the_new_payload() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    let task = Task::new("any", "old").process_in(HOUR).unique(HOUR);
    let client = world.client().await;
    client.enqueue(task.task_id("task")).await.unwrap();
    let digest = "22af645d1859cb5ca6da0c484f1f37ea";
    let lock = key(&format!("unique:any:{digest}"));
    let _: i64 = world.run(&["LPUSH", &lock, "wrong"]).await;
    let update = inspector.update_task_payload("default", "task", "new");
    let error = update.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DuplicateTask);
    assert_eq!(world.message("task").await.payload, b"old");
}
