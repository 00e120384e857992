//! Keys that forwarding and aggregation need.

use rasynq::{ErrorKind, Task};

use super::TwoQueues;
use crate::common::{HOUR, TaskMessage, key, logged};

#[tokio::test]
async fn scheduled_of_a_wrong_type_refuses_scheduled_tasks_and_retries_others() {
    let queues = TwoQueues::with_string_at("scheduled").await;
    let later = Task::new("any", "ok").task_id("later").process_in(HOUR);
    let error = queues.client.enqueue(later.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Redis);
    assert!(error.to_string().contains("WRONGTYPE"), "{error}");
    assert_eq!(queues.world.state("later").await, "");
    let message = TaskMessage::of("again", "ok").bytes();
    queues
        .world
        .store("default", "again", "retry", message)
        .await;
    queues.world.make_due("retry", "again").await;
    queues.world.task_is("again", "").await;
    queues.enqueue("plain", "ok").await;
    queues.world.task_is("plain", "").await;
    queues.enqueue("fails", "fail x").await;
    queues.world.task_is("fails", "retry").await;
    queues
        .log
        .line_with(&[logged::FORWARD_FAILED, "WRONGTYPE"])
        .await;
    queues.the_healthy_queue_is_served().await;
    queues.repair("scheduled").await;
    queues.client.enqueue(later).await.unwrap();
    queues.shutdown().await;
}

#[tokio::test]
async fn groups_of_a_wrong_type_refuse_grouped_tasks_and_store_no_part_of_them() {
    for name in ["groups", "g:mails"] {
        let queues = TwoQueues::with_string_at(name).await;
        let task = Task::new("any", "").task_id("task").group("mails");
        let error = queues.client.enqueue(task.unique(HOUR)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Redis, "{name}");
        assert!(error.to_string().contains("WRONGTYPE"), "{error}");
        let mut keys = queues.world.keys().await;
        keys.retain(|found| found.starts_with(&key("")));
        assert_eq!(keys, [key(name)]);
        queues.shutdown().await;
    }
}

#[tokio::test]
async fn a_group_of_a_wrong_type_delays_its_due_tasks_and_stops_no_others() {
    let queues = TwoQueues::with_string_at("g:mails").await;
    for (id, group) in [("a grouped", Some("mails")), ("b plain", None)] {
        let mut task = Task::new("any", "ok").task_id(id).process_in(HOUR);
        if let Some(group) = group {
            task = task.group(group);
        }
        queues.client.enqueue(task).await.unwrap();
        queues.world.make_due("scheduled", id).await;
    }
    queues
        .log
        .line_with(&[logged::GROUP_NOT_JOINED, "default"])
        .await;
    queues.world.task_is("b plain", "").await;
    assert_eq!(queues.world.state("a grouped").await, "scheduled");
    queues.the_healthy_queue_is_served().await;
    queues.repair("g:mails").await;
    // the server has moved its time a minute ahead
    queues.world.make_due("scheduled", "a grouped").await;
    queues.world.task_is("a grouped", "aggregating").await;
    queues.shutdown().await;
}
