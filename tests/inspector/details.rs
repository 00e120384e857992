//! All that is known of one task.

use prost::Message;
use rasynq::chrono::DateTime;
use rasynq::{ErrorKind, Inspector, Progress, Task, TaskState, UniqueLock};

use crate::common::{HOUR, TaskMessage, WorkerInfo, World, key, task_key};

async fn lock_of(inspector: &Inspector, id: &str) -> UniqueLock {
    let details = inspector.task_details("default", id).await.unwrap();
    details.lock.unwrap()
}

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
    let lock = lock_of(&inspector, "t1").await;
    assert_eq!(
        (lock.holder.as_deref(), lock.is_held_by_task),
        (Some("t2"), false)
    );
    assert_eq!(lock.expires_at, None);
    let _: i64 = world.run(&["DEL", &lock.key]).await;
    let lock = lock_of(&inspector, "t1").await;
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
    let lock = lock_of(&inspector, "t3").await;
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

impl World {
    /// Writes a server that shows a run of the task `a2` of this queue.
    async fn show_run(&self, server: &str, queue: &str) {
        let workers = format!("asynq:workers:{{host:1:{server}}}");
        let later = (self.now().await + 60).to_string();
        let add = ["ZADD", "asynq:workers", &later, &workers];
        let _: i64 = self.run(&add).await;
        let run = WorkerInfo {
            server_id: server.to_owned(),
            task_id: "a2".to_owned(),
            queue: queue.to_owned(),
            ..WorkerInfo::default()
        };
        let bytes = String::from_utf8(run.encode_to_vec()).unwrap();
        let _: i64 = self.run(&["HSET", &workers, "a2", &bytes]).await;
    }
}

#[tokio::test]
async fn the_owner_of_a_task_is_not_the_server_that_runs_its_namesake_in_another_queue() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    world.store_in_each_state().await;
    world.show_run("one", "other").await;
    let of = |id| inspector.task_details("default", id);
    assert_eq!(of("a2").await.unwrap().owner, None);
    world.show_run("two", "default").await;
    assert_eq!(of("a2").await.unwrap().owner.as_deref(), Some("two"));
    assert_eq!(of("a1").await.unwrap().owner, None);

    // A member that is over stays: it is only read.
    let _: i64 = world.run(&["ZADD", "asynq:workers", "1", "over"]).await;
    of("a2").await.unwrap();
    let _: f64 = world.run(&["ZSCORE", "asynq:workers", "over"]).await;
}

#[tokio::test]
async fn the_owner_of_a_task_is_known_before_its_server_shows_the_run() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    world.store_in_each_state().await;
    let server = "0b6d5e1c-8a4f-4c1e-9d7a-2f3b4c5d6e7f";
    world.show_run("two", "default").await;
    let later = (world.now().await + 60).to_string();
    let workers = format!("asynq:workers:{{host:1:{server}}}");
    let _: i64 = world
        .run(&["ZADD", "asynq:workers", &later, &workers])
        .await;
    let lease = world.scores("lease").await["a2"];
    let own = |score: i64| {
        let field = format!("0b6d5e1c8a4f4c1e:2a@{score}");
        let world = &world;
        async move {
            let set = ["HSET", &task_key("a2"), "rasynq_owner", &field];
            let _: i64 = world.run(&set).await;
        }
    };
    own(lease as i64).await;
    let before = world.calls_of(&["hget"]).await;
    let details = inspector.task_details("default", "a2").await.unwrap();
    assert_eq!(details.owner.as_deref(), Some(server));
    assert_eq!(world.calls_of(&["hget"]).await, before);

    // Somebody else has fetched the task since.
    own(lease as i64 - 1).await;
    let details = inspector.task_details("default", "a2").await.unwrap();
    assert_eq!(details.owner.as_deref(), Some("two"));
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
