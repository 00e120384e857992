//! One task's hash and lock.

use rasynq::{ErrorKind, Task};

use super::TwoQueues;
use crate::common::{HOUR, key};

#[tokio::test]
async fn a_task_hash_of_a_wrong_type_affects_only_its_task() {
    let ward = Ward::new().await;
    let hash = key("t:odd");
    let _: String = ward.world.run(&["SET", &hash, "wrong"]).await;
    let _: i64 = ward.world.run(&["LPUSH", &key("pending"), "odd"]).await;
    for set in ["scheduled", "retry", "completed", "lease"] {
        let _: i64 = ward.world.run(&["ZADD", &key(set), "1", "odd"]).await;
    }
    let taken = Task::new("any", "ok").task_id("odd");
    let error = ward.client.enqueue(taken).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TaskIdConflict);
    ward.enqueue("task", "ok").await;
    ward.world.task_is("task", "").await;
    ward.log.line_with(&["dropped", "default"]).await;
    ward.the_other_queue_is_served().await;
    ward.server.shutdown().await;
    assert_eq!(ward.handler.runs_of("odd"), 0);
}

#[tokio::test]
async fn a_task_hash_that_becomes_a_wrong_type_affects_only_its_task() {
    let ward = Ward::new().await;
    ward.enqueue("odd", "hold").await;
    ward.handler.has_begun(1).await;
    let _: String = ward.world.run(&["SET", &key("t:odd"), "wrong"]).await;
    ward.handler.release(1);
    ward.log.line_with(&["no longer held", "odd"]).await;
    ward.enqueue("task", "ok").await;
    ward.world.task_is("task", "").await;
    ward.the_other_queue_is_served().await;
    ward.server.shutdown().await;
}

#[tokio::test]
async fn a_lock_of_a_wrong_type_refuses_duplicates_and_fails_no_acknowledgement() {
    let ward = Ward::new().await;
    let task = Task::new("any", "hold").unique(HOUR);
    ward.client
        .enqueue(task.clone())
        .task_id("task")
        .await
        .unwrap();
    ward.handler.has_begun(1).await;
    let lock = ward.world.message("task").await.unique_key;
    let _: i64 = ward.world.run(&["DEL", &lock]).await;
    let _: i64 = ward.world.run(&["LPUSH", &lock, "wrong"]).await;
    let error = ward.client.enqueue(task).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DuplicateTask, "{error}");
    ward.handler.release(1);
    ward.world.task_is("task", "").await;
    ward.end().await;
}
