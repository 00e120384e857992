//! Keys that enqueueing and fetching need.

use rasynq::{ErrorKind, Task};

use super::TwoQueues;
use crate::common::{HOUR, key, logged};

#[tokio::test]
async fn pending_of_a_wrong_type_refuses_new_tasks_by_name_and_loses_none() {
    let queues = TwoQueues::with_string_at("pending").await;
    let task = Task::new("any", "ok").task_id("task").unique(HOUR);
    let error = queues.client.enqueue(task.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Redis);
    for word in ["WRONGTYPE", "\"task\"", "\"default\""] {
        assert!(error.to_string().contains(word), "{error}");
    }
    assert_eq!(queues.world.state("task").await, "");
    let locks = queues.world.locks().await;
    assert_eq!(locks.len(), 0, "no lock is left behind");
    // a due task stays in scheduled
    queues.enqueue_due("due").await;
    queues.fetch_fails().await;
    queues
        .log
        .line_with(&[logged::FORWARD_FAILED, "WRONGTYPE"])
        .await;
    queues.the_healthy_queue_is_served().await;
    assert_eq!(queues.world.state("due").await, "scheduled");
    queues.repair("pending").await;
    queues.client.enqueue(task).await.unwrap();
    queues.world.task_is("task", "").await;
    queues.world.task_is("due", "").await;
    queues.shutdown().await;
}

/// With a string at this key the tasks of `default` stay pending, until the key is repaired.
async fn stops_only_its_queue(name: &str) {
    let queues = TwoQueues::with_string_at(name).await;
    queues.enqueue("task", "ok").await;
    queues.fetch_fails().await;
    queues.the_healthy_queue_is_served().await;
    assert_eq!(queues.world.state("task").await, "pending");
    queues.repair(name).await;
    queues.world.task_is("task", "").await;
    queues.shutdown().await;
}

#[tokio::test]
async fn active_of_a_wrong_type_stops_only_its_queue_and_loses_no_task() {
    stops_only_its_queue("active").await;
}

#[tokio::test]
async fn lease_of_a_wrong_type_stops_only_its_queue_and_loses_no_task() {
    stops_only_its_queue("lease").await;
}

#[tokio::test]
async fn a_paused_flag_of_any_type_pauses_the_queue_as_in_go() {
    let queues = TwoQueues::start().await;
    let _: i64 = queues.world.run(&["LPUSH", &key("paused"), "wrong"]).await;
    queues.enqueue("task", "ok").await;
    queues.the_healthy_queue_is_served().await;
    assert_eq!(queues.world.state("task").await, "pending");
    queues.repair("paused").await;
    queues.world.task_is("task", "").await;
    queues.shutdown().await;
}
