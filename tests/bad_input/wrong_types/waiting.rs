//! Scheduled tasks and groups.

use rasynq::{ErrorKind, Task};

use super::TwoQueues;
use crate::common::{HOUR, TaskMessage, key};

#[tokio::test]
async fn scheduled_of_a_wrong_type_refuses_scheduled_tasks_and_retries_others() {
    let ward = Ward::with_string_at("scheduled").await;
    let later = Task::new("any", "ok").task_id("later").process_in(HOUR);
    let error = ward.client.enqueue(later.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Redis);
    assert!(error.to_string().contains("WRONGTYPE"), "{error}");
    assert_eq!(ward.world.state("later").await, "");
    let message = TaskMessage::of("again", "ok").bytes();
    ward.world.store("default", "again", "retry", message).await;
    let _: i64 = ward.world.run(&["ZADD", &key("retry"), "1", "again"]).await;
    ward.world.task_is("again", "").await;
    ward.enqueue("plain", "ok").await;
    ward.world.task_is("plain", "").await;
    ward.enqueue("fails", "fail x").await;
    ward.world.task_is("fails", "retry").await;
    ward.log.line_with(&["forward", "WRONGTYPE"]).await;
    ward.the_other_queue_is_served().await;
    ward.repair("scheduled").await;
    ward.client.enqueue(later).await.unwrap();
    ward.end().await;
}

#[tokio::test]
async fn groups_of_a_wrong_type_refuse_grouped_tasks_and_store_no_part_of_them() {
    for rest in ["groups", "g:mails"] {
        let ward = Ward::with_string_at(rest).await;
        let task = Task::new("any", "").task_id("task").group("mails");
        let error = ward.client.enqueue(task.unique(HOUR)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Redis, "{rest}");
        assert!(error.to_string().contains("WRONGTYPE"), "{error}");
        let mut keys = ward.world.keys().await;
        keys.retain(|name| name.starts_with(&key("")));
        assert_eq!(keys, [key(rest)]);
        ward.end().await;
    }
}

#[tokio::test]
async fn a_group_of_a_wrong_type_delays_its_due_tasks_and_stops_no_others() {
    let ward = Ward::with_string_at("g:mails").await;
    for (id, group) in [("a grouped", Some("mails")), ("b plain", None)] {
        let mut task = Task::new("any", "ok").task_id(id).process_in(HOUR);
        if let Some(group) = group {
            task = task.group(group);
        }
        ward.client.enqueue(task).await.unwrap();
        let _: i64 = ward.world.run(&["ZADD", &key("scheduled"), "1", id]).await;
    }
    ward.log
        .line_with(&["cannot join their groups", "default"])
        .await;
    ward.world.task_is("b plain", "").await;
    assert_eq!(ward.world.state("a grouped").await, "scheduled");
    ward.the_other_queue_is_served().await;
    ward.repair("g:mails").await;
    // it was put off
    let due = ["ZADD", &key("scheduled"), "1", "a grouped"];
    let _: i64 = ward.world.run(&due).await;
    ward.world.task_is("a grouped", "aggregating").await;
    ward.end().await;
}
