//! All that is known of one task.

use rasynq::chrono::DateTime;
use rasynq::{ErrorKind, Progress, Task, TaskState};

use crate::common::{HOUR, TaskMessage, World, key, task_key};

#[tokio::test]
async fn the_details_of_a_task_show_its_lock_and_who_holds_it() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    let client = world.client().await;
    let task = Task::new("any", "{}").task_id("t1").unique(HOUR);
    client.enqueue(task).await.unwrap();
    let details = inspector.task_details("default", "t1").await.unwrap();
    let lock = details.lock.unwrap();
    assert_eq!(lock.key, world.locks().await[0]);
    assert_eq!(
        (lock.holder.as_deref(), lock.is_held_by_task),
        (Some("t1"), true)
    );
    let left = lock.expires_at.unwrap().timestamp() - world.now().await;
    assert!((3_590..=3_600).contains(&left), "{left}");
    let since = details.pending_since.unwrap().timestamp() - world.now().await;
    assert!((-10..=0).contains(&since), "{since}");
    assert_eq!(
        details.info,
        inspector_info(&inspector, "t1", &details.info).await
    );
    let absent = (
        details.owner,
        details.progress,
        details.result,
        details.group,
    );
    assert_eq!(absent, (None, None, None, None));

    let _: String = world.run(&["SET", &lock.key, "t2"]).await;
    let lock = inspector
        .task_details("default", "t1")
        .await
        .unwrap()
        .lock
        .unwrap();
    assert_eq!(
        (lock.holder.as_deref(), lock.is_held_by_task),
        (Some("t2"), false)
    );
    assert_eq!(lock.expires_at, None);
    let _: i64 = world.run(&["DEL", &lock.key]).await;
    let lock = inspector
        .task_details("default", "t1")
        .await
        .unwrap()
        .lock
        .unwrap();
    assert_eq!(
        (lock.holder, lock.is_held_by_task, lock.expires_at),
        (None, false, None)
    );

    // COMPAT: asynq v0.26.0 writes the lock of a task in a group into the message only
    let message = TaskMessage {
        unique_key: "asynq:{default}:unique:any:x".to_owned(),
        ..TaskMessage::of("t3", "")
    };
    world.store_pending("default", "t3", message.bytes()).await;
    let lock = inspector
        .task_details("default", "t3")
        .await
        .unwrap()
        .lock
        .unwrap();
    assert_eq!(lock.key, message.unique_key);
}

/// The info of a task, apart from the time of the call.
async fn inspector_info(
    inspector: &rasynq::Inspector,
    id: &str,
    like: &rasynq::TaskInfo,
) -> rasynq::TaskInfo {
    let mut info = inspector.task_info("default", id).await.unwrap();
    info.next_process_at = like.next_process_at;
    info
}

#[tokio::test]
async fn the_details_of_a_task_have_the_times_of_its_state() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    world.store_in_each_state().await;
    let of = |id| inspector.task_details("default", id);
    let at = |secs| DateTime::from_timestamp(secs, 0);
    let archived = of("d1").await.unwrap();
    assert_eq!(
        (archived.archived_at, archived.kept_until),
        (at(2_000_000_020), None)
    );
    let completed = of("c1").await.unwrap();
    assert_eq!(
        (completed.archived_at, completed.kept_until),
        (None, at(2_000_000_020))
    );
    assert_eq!(
        of("s2").await.unwrap().info.next_process_at,
        at(2_000_000_010)
    );
    let _: i64 = world.run(&["HSET", &task_key("g1"), "group", "z"]).await;
    let grouped = of("g1").await.unwrap();
    assert_eq!(
        (grouped.group.as_deref(), grouped.grouped_at),
        (Some("z"), at(2_000_000_000))
    );
    let orphan = of("a1").await.unwrap();
    assert!(orphan.info.is_orphaned);
    assert!(orphan.lease_expires_at.unwrap().timestamp() < world.now().await);
    assert!(!of("a2").await.unwrap().info.is_orphaned);
}

#[tokio::test]
async fn a_scheduled_task_shows_the_group_that_it_joins_and_progress_is_told_from_results() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    let client = world.client().await;
    let task = Task::new("any", "")
        .task_id("t1")
        .group("later")
        .process_in(HOUR);
    client.enqueue(task).await.unwrap();
    let details = inspector.task_details("default", "t1").await.unwrap();
    assert_eq!(
        (details.group.as_deref(), details.grouped_at),
        (Some("later"), None)
    );
    assert_eq!(details.info.state, TaskState::Scheduled);

    let json = r#"{"progress":{"done":3,"total":10,"percent":30,"message":"cutting \"a\""}}"#;
    let _: i64 = world.run(&["HSET", &task_key("t1"), "result", json]).await;
    let details = inspector.task_details("default", "t1").await.unwrap();
    let progress = details.progress.unwrap();
    assert_eq!(progress, Progress::new(3, 10).message("cutting \"a\""));
    assert_eq!(
        (progress.done(), progress.total(), progress.percent()),
        (3, 10, Some(30))
    );
    assert_eq!(progress.text(), Some("cutting \"a\""));
    assert_eq!(details.result.as_deref(), Some(json.as_bytes()));
    let _: i64 = world
        .run(&["HSET", &task_key("t1"), "result", "{\"bytes\":3}"])
        .await;
    let details = inspector.task_details("default", "t1").await.unwrap();
    assert_eq!(details.progress, None);
}

#[tokio::test]
async fn a_task_that_is_missing_or_in_no_known_state_is_an_error_that_says_so() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    world.store_in_each_state().await;
    let error = inspector
        .task_details("default", "missing")
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.task_id()),
        (ErrorKind::TaskNotFound, Some("missing"))
    );
    world
        .store(
            "default",
            "odd",
            "asleep",
            TaskMessage::of("odd", "").bytes(),
        )
        .await;
    let error = inspector.task_details("default", "odd").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Undecodable);
    assert!(
        error
            .to_string()
            .contains("task \"odd\" in queue \"default\"")
            && error.to_string().contains("asleep"),
        "{error}"
    );
    let _: String = world.run(&["SET", &key("t:text"), "1"]).await;
    let error = inspector.task_details("default", "text").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Redis);
}
