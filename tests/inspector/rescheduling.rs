//! Changing when a task is due.

use std::time::Duration;

use rasynq::chrono::{DateTime, Utc};
use rasynq::{ErrorKind, Task, TaskState};

use super::place::{lock, put};
use crate::common::{HOUR, Scripted, World, key, task_key};

async fn at(world: &World, secs: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(world.now().await + secs, 0).unwrap()
}

#[tokio::test]
async fn a_waiting_task_is_due_at_the_new_time() {
    for (state, then) in [
        (TaskState::Scheduled, "scheduled"),
        (TaskState::Retry, "retry"),
        (TaskState::Pending, "scheduled"),
        (TaskState::Archived, "scheduled"),
    ] {
        let world = World::new().await;
        let inspector = world.inspector().await;
        put(&world, "task", state, 1).await;
        let due = at(&world, 500).await;
        let reschedule = inspector.reschedule_task("default", "task", due);
        reschedule.await.unwrap();
        assert_eq!(world.scores(then).await["task"] as i64, due.timestamp());
        assert_eq!(world.fields("task").await, ["msg", "state"], "{state}");
        assert_eq!(world.state("task").await, then);
        world.assert_consistent().await;
        let mut keys = vec![key(then), task_key("task"), "asynq:queues".to_owned()];
        keys.sort();
        assert_eq!(world.keys().await, keys, "{state}");
    }
}

#[tokio::test]
async fn tasks_of_other_states_cannot_be_rescheduled() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    for state in [
        TaskState::Active,
        TaskState::Completed,
        TaskState::Aggregating,
    ] {
        put(&world, state.as_str(), state, 1).await;
        let due = at(&world, 500).await;
        let reschedule = inspector.reschedule_task("default", state.as_str(), due);
        let error = reschedule.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WrongState);
        assert!(error.to_string().ends_with(&format!("it is {state}")));
    }
}

#[tokio::test]
async fn a_task_whose_new_time_has_passed_runs_at_once() {
    let world = World::new().await;
    let handler = Scripted::new();
    let server = world.server().delayed_task_check_interval(HOUR);
    let server = server.start(handler.clone()).await.unwrap();
    let task = Task::new("any", "ok").task_id("task").process_in(HOUR);
    world.client().await.enqueue(task).await.unwrap();
    let inspector = world.inspector().await;
    let past = at(&world, -1).await;
    inspector
        .reschedule_task("default", "task", past)
        .await
        .unwrap();
    handler.has_begun(1).await;
    server.shutdown().await;
}

#[tokio::test]
async fn the_lock_of_a_task_that_is_due_later_lasts_longer() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    let task = Task::new("any", "x").task_id("task").process_in(HOUR);
    let unique = task.unique(Duration::from_secs(60));
    world.client().await.enqueue(unique).await.unwrap();
    let lock = world.message("task").await.unique_key;
    let was_due = world.scores("scheduled").await["task"] as i64;
    let due = at(&world, 7200).await;
    inspector
        .reschedule_task("default", "task", due)
        .await
        .unwrap();
    // It lasted for an hour and 60 s.
    let whole = 3660 + due.timestamp() - was_due;
    let left: i64 = world.run(&["TTL", &lock]).await;
    assert!((whole - 10..=whole).contains(&left), "{left}");
    let due = at(&world, 100).await;
    inspector
        .reschedule_task("default", "task", due)
        .await
        .unwrap();
    let left: i64 = world.run(&["TTL", &lock]).await;
    assert!((whole - 10..=whole).contains(&left), "{left}");
}

#[tokio::test]
async fn the_lock_of_a_pending_task_lasts_until_its_new_time_too() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    put(&world, "task", TaskState::Pending, 1).await;
    let lock = lock(&world, "task").await;
    let due = at(&world, 5000).await;
    inspector
        .reschedule_task("default", "task", due)
        .await
        .unwrap();
    let left: i64 = world.run(&["TTL", &lock]).await;
    assert!((5980..=6000).contains(&left), "{left}");
}
