//! The inspector: rows 5, 6, 7, 10 and 11.

use std::sync::{Arc, Mutex};

use rasynq::{ErrorKind, Task, TaskState};

use crate::common::{HOUR, TaskMessage, World, key, queue_key, task_key};

/// Fills the archive to its limit, in the order of the ids from `old-1` on.
async fn full_archive(world: &World) {
    let fill = "redis.call('SADD', KEYS[3], 'default') \
                for i = 1, 10000 do local id = 'old-' .. i \
                redis.call('ZADD', KEYS[1], ARGV[1] - 20000 + i, id) \
                redis.call('HSET', KEYS[2] .. id, 'msg', '', 'state', 'archived') end";
    let (archived, prefix, now) = (key("archived"), task_key(""), world.now().await.to_string());
    let fill = ["EVAL", fill, "3", &archived, &prefix, "asynq:queues", &now];
    let _: Option<i64> = world.run(&fill).await;
}

// row 5
#[tokio::test]
async fn archiving_by_the_inspector_deletes_the_tasks_that_it_trims() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    full_archive(&world).await;
    let client = world.client().await;
    for id in ["a", "b", "c"] {
        let task = Task::new("any", "x").task_id(id);
        client.enqueue(task).await.unwrap();
    }
    inspector.archive_task("default", "a").await.unwrap();
    let all = inspector.tasks("default", TaskState::Pending);
    assert_eq!(all.archive().await.unwrap().changed, 2);
    let archived: i64 = world.run(&["ZCARD", &key("archived")]).await;
    assert_eq!(archived, 10_000);
    assert_eq!(world.task_hashes().await.len(), 10_000);
    for (id, state) in [("old-3", ""), ("old-4", "archived"), ("a", "archived")] {
        assert_eq!(world.state(id).await, state, "{id}");
    }
}

// row 6
#[tokio::test]
async fn deleting_all_pending_or_aggregating_tasks_frees_their_locks() {
    let world = World::new().await;
    let client = world.client().await;
    let inspector = world.inspector().await;
    for n in 0..10 {
        let task = Task::new("any", n.to_string()).unique(HOUR);
        client.enqueue(task.clone()).await.unwrap();
        client
            .enqueue(task.queue("grouped").group("g"))
            .await
            .unwrap();
    }
    // A Go client names the lock of a task in a group only in its message.
    for id in world.grouped().await {
        let hash = queue_key("grouped", &format!("t:{id}"));
        let _: i64 = world.run(&["HDEL", &hash, "unique_key"]).await;
    }
    let pending = inspector.tasks("default", TaskState::Pending);
    assert_eq!(pending.delete().await.unwrap().changed, 10);
    let aggregating = inspector
        .tasks("grouped", TaskState::Aggregating)
        .group("g");
    assert_eq!(aggregating.delete().await.unwrap().changed, 10);
    assert_eq!(world.keys().await, ["asynq:queues"]);
}

impl World {
    async fn grouped(&self) -> Vec<String> {
        let group = queue_key("grouped", "g:g");
        self.run(&["ZRANGE", &group, "0", "-1"]).await
    }
}

// row 7
#[tokio::test]
async fn a_task_that_the_inspector_runs_is_pending_since_then() {
    let world = World::new().await;
    let client = world.client().await;
    let inspector = world.inspector().await;
    for id in ["one", "all"] {
        let task = Task::new("any", "x").task_id(id).process_in(HOUR);
        client.enqueue(task).await.unwrap();
    }
    let before = world.now().await;
    inspector.run_task("default", "one").await.unwrap();
    let all = inspector.tasks("default", TaskState::Scheduled);
    assert_eq!(all.run().await.unwrap().changed, 1);
    for id in ["one", "all"] {
        let since = world.hash(id).await.remove("pending_since").unwrap();
        let since: i64 = String::from_utf8(since.into()).unwrap().parse().unwrap();
        assert!(since >= before * 1_000_000_000, "{id}");
    }
}

// row 10
#[tokio::test]
async fn all_tasks_of_a_state_are_changed_in_bounded_steps() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    full_archive(&world).await;
    let steps: Arc<Mutex<Vec<u64>>> = Arc::default();
    let told = Arc::clone(&steps);
    let archived = inspector
        .tasks("default", TaskState::Archived)
        .on_progress(move |progress| told.lock().unwrap().push(progress.changed));
    assert_eq!(archived.run().await.unwrap().changed, 10_000);
    let pending = inspector.tasks("default", TaskState::Pending);
    assert_eq!(pending.delete().await.unwrap().changed, 10_000);
    let steps = steps.lock().unwrap().clone();
    let largest = steps.windows(2).map(|two| two[1] - two[0]).max();
    assert_eq!((largest, steps.last()), (Some(400), Some(&10_000)));
    assert_eq!(world.keys().await, ["asynq:queues"]);
    // No task is searched for in the whole list.
    let walks = world.calls_of(&["lrem", "lpos"]).await;
    assert!(walks <= 10_000 / 100, "{walks}");
}

// row 11
#[tokio::test]
async fn the_lock_moves_with_the_payload() {
    let world = World::new().await;
    let client = world.client().await;
    let inspector = world.inspector().await;
    let unique = |payload: &'static str| Task::new("any", payload).unique(HOUR);
    let task = unique("old").process_in(HOUR).task_id("task");
    client.enqueue(task).await.unwrap();
    let old = world.message("task").await.unique_key;
    inspector
        .update_task_payload("default", "task", "new")
        .await
        .unwrap();
    let TaskMessage {
        payload,
        unique_key: new,
        ..
    } = world.message("task").await;
    assert_eq!(payload, b"new");
    assert_ne!(new, old);
    assert_eq!(world.locks().await, [new.as_str()]);
    let named = ["HGET", &task_key("task"), "unique_key"];
    assert_eq!(world.bytes(&named).await, new.as_bytes());
    let ttl: i64 = world.run(&["TTL", &new]).await;
    assert!((7100..=7200).contains(&ttl), "{ttl}");
    let error = client.enqueue(unique("new")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DuplicateTask);
    client.enqueue(unique("old")).await.unwrap();
}

// row 11
#[tokio::test]
async fn a_payload_whose_lock_another_task_holds_is_refused() {
    let world = World::new().await;
    let client = world.client().await;
    let inspector = world.inspector().await;
    for (id, payload) in [("task", "old"), ("other", "new")] {
        let task = Task::new("any", payload).unique(HOUR).process_in(HOUR);
        client.enqueue(task.task_id(id)).await.unwrap();
    }
    let hash = world.hash("task").await;
    let update = inspector.update_task_payload("default", "task", "new");
    let error = update.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DuplicateTask);
    assert_eq!(error.task_id(), Some("other"));
    assert_eq!(world.hash("task").await, hash);
    assert_eq!(world.locks().await.len(), 2);
}
