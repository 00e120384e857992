//! Keys that a fetch needs.

use rasynq::{ErrorKind, Task};

use super::TwoQueues;
use crate::common::{HOUR, key};

#[tokio::test]
async fn pending_of_a_wrong_type_refuses_new_tasks_by_name_and_loses_none() {
    let ward = Ward::with_string_at("pending").await;
    let task = Task::new("any", "ok").task_id("task").unique(HOUR);
    let error = ward.client.enqueue(task.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Redis);
    for word in ["WRONGTYPE", "\"task\"", "\"default\""] {
        assert!(error.to_string().contains(word), "{error}");
    }
    assert_eq!(ward.world.state("task").await, "");
    let locks: Vec<String> = ward.world.run(&["KEYS", &key("unique:*")]).await;
    assert_eq!(locks.len(), 0, "no lock is left behind");
    // what is due stays where it is
    let later = Task::new("any", "ok").process_in(HOUR);
    ward.client.enqueue(later).task_id("due").await.unwrap();
    let _: i64 = ward
        .world
        .run(&["ZADD", &key("scheduled"), "1", "due"])
        .await;
    ward.log
        .line_with(&["could not fetch", "default", "WRONGTYPE"])
        .await;
    ward.log.line_with(&["forward", "WRONGTYPE"]).await;
    ward.the_other_queue_is_served().await;
    assert_eq!(ward.world.state("due").await, "scheduled");
    ward.repair("pending").await;
    ward.client.enqueue(task).await.unwrap();
    ward.world.task_is("task", "").await;
    ward.world.task_is("due", "").await;
    ward.end().await;
}

#[tokio::test]
async fn active_of_a_wrong_type_stops_only_its_queue_and_loses_no_task() {
    let ward = Ward::with_string_at("active").await;
    ward.enqueue("task", "ok").await;
    ward.log
        .line_with(&["could not fetch", "default", "WRONGTYPE"])
        .await;
    ward.the_other_queue_is_served().await;
    assert_eq!(ward.world.state("task").await, "pending");
    ward.repair("active").await;
    ward.world.task_is("task", "").await;
    ward.end().await;
}

#[tokio::test]
async fn lease_of_a_wrong_type_stops_only_its_queue_and_loses_no_task() {
    let ward = Ward::with_string_at("lease").await;
    ward.enqueue("task", "ok").await;
    ward.log
        .line_with(&["could not fetch", "default", "WRONGTYPE"])
        .await;
    ward.the_other_queue_is_served().await;
    assert_eq!(ward.world.state("task").await, "pending");
    ward.repair("lease").await;
    ward.world.task_is("task", "").await;
    ward.end().await;
}

#[tokio::test]
async fn a_paused_flag_of_any_type_pauses_the_queue_as_in_go() {
    let ward = Ward::new().await;
    let _: i64 = ward.world.run(&["LPUSH", &key("paused"), "wrong"]).await;
    ward.enqueue("task", "ok").await;
    ward.the_other_queue_is_served().await;
    assert_eq!(ward.world.state("task").await, "pending");
    ward.repair("paused").await;
    ward.world.task_is("task", "").await;
    ward.end().await;
}
