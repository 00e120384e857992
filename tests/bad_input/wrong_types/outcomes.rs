//! Keys that an acknowledgement needs.

use rasynq::Task;

use super::TwoQueues;
use crate::common::{HOUR, key};

#[tokio::test]
async fn active_that_becomes_a_wrong_type_delays_acknowledgements_until_it_is_repaired() {
    let ward = Ward::new().await;
    ward.enqueue("task", "hold").await;
    ward.handler.has_begun(1).await;
    let _: i64 = ward
        .world
        .run(&["RENAMENX", &key("active"), &key("aside")])
        .await;
    let _: String = ward.world.run(&["SET", &key("active"), "wrong"]).await;
    ward.handler.release(1);
    ward.log
        .line_with(&["could not tell Redis", "default"])
        .await;
    ward.the_other_queue_is_served().await;
    let _: String = ward
        .world
        .run(&["RENAME", &key("aside"), &key("active")])
        .await;
    ward.world.task_is("task", "").await;
    assert_eq!(ward.handler.runs_of("task"), 1);
    ward.end().await;
}

#[tokio::test]
async fn retry_of_a_wrong_type_delays_failed_tasks_and_stops_no_others() {
    let ward = Ward::with_string_at("retry").await;
    ward.enqueue("0", "fail x").await;
    ward.log
        .line_with(&["could not tell Redis", "default", "WRONGTYPE"])
        .await;
    // in the same queue as well
    ward.enqueue("plain", "ok").await;
    ward.world.task_is("plain", "").await;
    let later = Task::new("any", "ok").process_in(HOUR);
    ward.client.enqueue(later).task_id("due").await.unwrap();
    let _: i64 = ward
        .world
        .run(&["ZADD", &key("scheduled"), "1", "due"])
        .await;
    ward.world.task_is("due", "").await;
    // and when there are many of them
    for n in 1..10 {
        ward.enqueue(&n.to_string(), "fail x").await;
    }
    ward.the_other_queue_is_served().await;
    ward.repair("retry").await;
    for n in 0..10 {
        let id = n.to_string();
        ward.world.task_is(&id, "retry").await;
        assert_eq!(ward.handler.runs_of(&id), 1);
        assert_eq!(ward.world.message(&id).await.retried, 1);
    }
    ward.end().await;
}

#[tokio::test]
async fn archived_of_a_wrong_type_delays_archived_tasks_and_stops_no_others() {
    let ward = Ward::with_string_at("archived").await;
    ward.enqueue("0", "skip x").await;
    ward.log
        .line_with(&["could not tell Redis", "default", "WRONGTYPE"])
        .await;
    ward.enqueue("plain", "ok").await;
    ward.world.task_is("plain", "").await;
    // and when there are many of them
    for n in 1..10 {
        ward.enqueue(&n.to_string(), "skip x").await;
    }
    ward.the_other_queue_is_served().await;
    ward.repair("archived").await;
    for n in 0..10 {
        let id = n.to_string();
        ward.world.task_is(&id, "archived").await;
        assert_eq!(ward.handler.runs_of(&id), 1);
    }
    ward.end().await;
}

#[tokio::test]
async fn completed_of_a_wrong_type_delays_completed_tasks_and_stops_no_others() {
    let ward = Ward::with_string_at("completed").await;
    let kept = |n: u32| {
        let task = Task::new("any", "ok").retention(HOUR);
        ward.client.enqueue(task).task_id(n.to_string())
    };
    kept(0).await.unwrap();
    ward.log
        .line_with(&["could not tell Redis", "default", "WRONGTYPE"])
        .await;
    ward.log.line_with(&["janitor", "WRONGTYPE"]).await;
    // tasks of this queue that are not kept do not need it
    ward.enqueue("plain", "ok").await;
    ward.world.task_is("plain", "").await;
    // and when there are many of them
    for n in 1..10 {
        kept(n).await.unwrap();
    }
    ward.the_other_queue_is_served().await;
    ward.repair("completed").await;
    for n in 0..10 {
        let id = n.to_string();
        ward.world.task_is(&id, "completed").await;
        assert_eq!(ward.handler.runs_of(&id), 1);
    }
    ward.end().await;
}

#[tokio::test]
async fn counters_of_a_wrong_type_fail_no_task() {
    let ward = Ward::new().await;
    let day = chrono::Utc::now().date_naive();
    for (n, name) in ["processed", "failed"].into_iter().enumerate() {
        for rest in [name.to_owned(), format!("{name}:{day}")] {
            if n == 0 {
                let _: i64 = ward.world.run(&["LPUSH", &key(&rest), "wrong"]).await;
            } else {
                let _: String = ward.world.run(&["SET", &key(&rest), "wrong"]).await;
            }
        }
    }
    for (id, payload, state) in [
        ("done", "ok", ""),
        ("failed", "fail x", "retry"),
        ("last", "skip x", "archived"),
    ] {
        ward.enqueue(id, payload).await;
        ward.world.task_is(id, state).await;
    }
    ward.the_other_queue_is_served().await;
    ward.end().await;
}
