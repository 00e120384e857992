//! Duplicates of unique tasks, and conflicts of task ids.

use std::time::Duration;

use rasynq::{ErrorKind, Task};

use crate::common::{HOUR, World, key, task_key};
use crate::md5_hex;

#[tokio::test]
async fn a_duplicate_names_the_holder_of_the_lock() {
    let world = World::new().await;
    let client = world.client().await;
    let task = Task::new("email", "x").unique(HOUR);
    client.enqueue(task.clone()).task_id("first").await.unwrap();
    let error = client
        .enqueue(task.clone())
        .task_id("second")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DuplicateTask);
    assert_eq!(error.task_id(), Some("first"));
    assert!(error.to_string().contains("task already exists"), "{error}");
    assert_eq!(world.state("second").await, "");
    // another queue, type or payload has another lock, and so has a task without a payload
    client.enqueue(task.clone()).queue("other").await.unwrap();
    for other in [
        Task::new("email2", "x"),
        Task::new("email", "y"),
        Task::new("email", ""),
        Task::without_payload("email"),
    ] {
        client.enqueue(other).unique(HOUR).await.unwrap();
    }
    let exists: i64 = world.run(&["EXISTS", &key("unique:email:")]).await;
    assert_eq!(
        exists, 1,
        "the key of a lock without a payload ends after the type"
    );
}

#[tokio::test]
async fn an_id_conflict_names_the_id() {
    let world = World::new().await;
    let client = world.client().await;
    let task = Task::new("any", "x").task_id("taken");
    client.enqueue(task.clone()).await.unwrap();
    for task in [
        task.clone(),
        task.clone().unique(HOUR),
        task.clone().process_in(HOUR),
        task.clone().process_in(HOUR).unique(HOUR),
        task.clone().group("g"),
        task.clone().group("g").unique(HOUR),
    ] {
        let error = client.enqueue(task).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TaskIdConflict);
        assert_eq!(error.task_id(), Some("taken"));
        assert!(error.to_string().contains("\"taken\""), "{error}");
    }
    assert_eq!(world.list("pending").await, ["taken"]);
    assert_eq!(
        world.keys().await,
        ["asynq:queues".to_owned(), key("pending"), task_key("taken")]
    );
    client.enqueue(task).queue("other").await.unwrap();
}

#[tokio::test]
async fn a_lock_lasts_for_its_ttl_plus_the_delay_of_the_task() {
    let world = World::new().await;
    let client = world.client().await;
    for (payload, wait, group, ttl) in [
        ("now", None, None, 60),
        ("later", Some(HOUR), None, 3660),
        ("grouped", None, Some("g"), 60),
    ] {
        let mut task = Task::new("any", payload)
            .task_id(payload)
            .unique(Duration::from_secs(60));
        if let Some(wait) = wait {
            task = task.process_in(wait);
        }
        if let Some(group) = group {
            task = task.group(group);
        }
        client.enqueue(task).await.unwrap();
        let lock = key(&format!("unique:any:{}", md5_hex(payload.as_bytes())));
        let found: i64 = world.run(&["TTL", &lock]).await;
        assert!((ttl - 3..=ttl).contains(&found), "{payload}: {found}");
        let field: String = world.run(&["HGET", &task_key(payload), "unique_key"]).await;
        assert_eq!(field, lock);
        assert_eq!(world.message(payload).await.unique_key, lock);
    }
}
