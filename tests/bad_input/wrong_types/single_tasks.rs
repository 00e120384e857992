//! One task's hash and lock.

use rasynq::{ErrorKind, Task};

use super::TwoQueues;
use crate::common::{HOUR, key, logged};

#[tokio::test]
async fn a_task_hash_of_a_wrong_type_affects_only_its_task() {
    let queues = TwoQueues::start().await;
    let hash = key("t:odd");
    let _: String = queues.world.run(&["SET", &hash, "wrong"]).await;
    let taken = Task::new("any", "ok").task_id("odd");
    let error = queues.client.enqueue(taken).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TaskIdConflict);
    // The janitor deletes the hash of an expired completed task: nothing below may depend on the hash.
    let _: i64 = queues.world.run(&["LPUSH", &key("pending"), "odd"]).await;
    for set in ["scheduled", "retry", "completed", "lease"] {
        queues.world.make_due(set, "odd").await;
    }
    queues.enqueue("task", "ok").await;
    queues.world.task_is("task", "").await;
    queues
        .log
        .line_with(&[logged::IDS_DROPPED, "default"])
        .await;
    queues.the_healthy_queue_is_served().await;
    queues.server.shutdown().await;
    assert_eq!(queues.handler.runs_of("odd"), 0);
}

#[tokio::test]
async fn a_task_hash_that_becomes_a_wrong_type_affects_only_its_task() {
    let queues = TwoQueues::start().await;
    queues.enqueue("odd", "wait").await;
    queues.handler.has_begun(1).await;
    let _: String = queues.world.run(&["SET", &key("t:odd"), "wrong"]).await;
    queues.handler.release(1);
    queues.log.line_with(&[logged::CLAIM_LOST, "odd"]).await;
    queues.enqueue("task", "ok").await;
    queues.world.task_is("task", "").await;
    queues.the_healthy_queue_is_served().await;
    queues.server.shutdown().await;
}

#[tokio::test]
async fn a_lock_of_a_wrong_type_refuses_duplicates_and_fails_no_acknowledgement() {
    let queues = TwoQueues::start().await;
    let task = Task::new("any", "wait").unique(HOUR);
    queues
        .client
        .enqueue(task.clone())
        .task_id("task")
        .await
        .unwrap();
    queues.handler.has_begun(1).await;
    let lock = queues.world.message("task").await.unique_key;
    let _: i64 = queues.world.run(&["DEL", &lock]).await;
    let _: i64 = queues.world.run(&["LPUSH", &lock, "wrong"]).await;
    let error = queues.client.enqueue(task).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DuplicateTask, "{error}");
    queues.handler.release(1);
    queues.world.task_is("task", "").await;
    queues.shutdown().await;
}
