//! Deleting queues. What is deleted is tested in `asynq_defects/delete_queue.rs`.

use std::future::IntoFuture;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rasynq::{BulkProgress, Client, DamageKind, ErrorKind, Inspector, Repair, Task};
use tokio::sync::Notify;

use crate::common::{DEADLINE, HOUR, Scripted, World, eventually, key, task_key};
use crate::support::on_cluster;

async fn enqueue_many(client: &Client, tasks: usize, group: Option<usize>) {
    let task = |n: usize| {
        let task = Task::new("any", format!("{n}"));
        match group {
            Some(groups) => task.group(format!("group-{}", n % groups)),
            None => task,
        }
    };
    for result in client.enqueue_batch((0..tasks).map(task)).await {
        result.unwrap();
    }
}

#[tokio::test]
async fn a_queue_with_tasks_in_any_state_is_deleted_only_by_force() {
    for state in ["pending", "scheduled", "retry", "archived", "completed"] {
        let world = World::new().await;
        let (client, inspector) = (world.client().await, world.inspector().await);
        client
            .enqueue(Task::new("any", "").task_id("task"))
            .await
            .unwrap();
        let _: i64 = world.run(&["LREM", &key("pending"), "0", "task"]).await;
        match state {
            "pending" => {
                let _: i64 = world.run(&["LPUSH", &key("pending"), "task"]).await;
            }
            state => {
                let _: i64 = world
                    .run(&["ZADD", &key(state), "9000000000", "task"])
                    .await;
            }
        }
        let _: i64 = world
            .run(&["HSET", &task_key("task"), "state", state])
            .await;
        let before = world.keys().await;
        let refused = inspector.delete_queue("default").await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::QueueNotEmpty, "{state}");
        let text = refused.to_string();
        assert!(
            text.contains("\"default\" is not empty: it has 1 or more tasks"),
            "{text}"
        );
        assert_eq!(world.keys().await, before);
        inspector.delete_queue("default").force().await.unwrap();
        assert_eq!(world.keys().await, [""; 0], "{state}");
    }
}

#[tokio::test]
async fn a_queue_with_only_a_group_is_not_empty_and_one_with_an_empty_group_is() {
    let world = World::new().await;
    let (client, inspector) = (world.client().await, world.inspector().await);
    client
        .enqueue(Task::new("any", "").task_id("task"))
        .group("group")
        .await
        .unwrap();
    let refused = inspector.delete_queue("default").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::QueueNotEmpty);
    let _: i64 = world
        .run(&["DEL", &key("g:group"), &task_key("task")])
        .await;
    inspector.delete_queue("default").await.unwrap();
    assert_eq!(world.keys().await, [""; 0]);
}

#[tokio::test]
async fn a_queue_with_active_tasks_is_not_deleted_even_by_force() {
    let world = World::new().await;
    let (client, inspector) = (world.client().await, world.inspector().await);
    let handler = Scripted::new();
    let server = world.start(handler.clone()).await;
    client.enqueue(Task::new("any", "wait")).await.unwrap();
    handler.has_begun(1).await;
    let refused = inspector.delete_queue("default").force().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::WrongState);
    assert_eq!(refused.to_string(), "queue \"default\" has 1 active tasks");
    let refused = inspector.delete_queue("default").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::QueueNotEmpty);
    handler.release(1);
    eventually("the task is done", DEADLINE, || async {
        inspector.delete_queue("default").await.is_ok()
    })
    .await;
    server.shutdown().await;
}

#[tokio::test]
async fn a_blank_name_is_invalid_and_another_one_not_found() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    let refused = inspector.delete_queue(" ").force().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    let refused = inspector.delete_queue("none").force().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::QueueNotFound);
}

#[tokio::test]
async fn many_tasks_and_groups_are_deleted_in_steps_and_each_is_counted_once() {
    let world = World::new().await;
    let (client, inspector) = (world.client().await, world.inspector().await);
    enqueue_many(&client, 3_000, None).await;
    enqueue_many(&client, 4_000, Some(2_500)).await;
    let told: Arc<Mutex<Vec<BulkProgress>>> = Arc::default();
    let heard = Arc::clone(&told);
    let delete = inspector.delete_queue("default").force();
    let delete = delete.on_progress(move |progress| heard.lock().unwrap().push(progress));
    delete.await.unwrap();
    assert_eq!(world.keys().await, [""; 0]);
    let told = told.lock().unwrap();
    assert!(told.iter().all(|step| step.changed <= step.total));
    assert!(told[0].changed > 0);
    assert!(told.windows(2).all(|two| two[0].changed < two[1].changed));
    assert_eq!(told.last().unwrap().changed, 7_000);
    assert!(told.len() >= 14);
}

#[tokio::test]
async fn a_hook_that_panics_does_not_stop_the_deletion() {
    let world = World::new().await;
    let (client, inspector) = (world.client().await, world.inspector().await);
    enqueue_many(&client, 1_200, None).await;
    let delete = inspector.delete_queue("default").force();
    delete.on_progress(|_| panic!("on purpose")).await.unwrap();
    assert_eq!(world.keys().await, [""; 0]);
}

/// A world whose queue `default` was being deleted with its 4,000 tasks, which was interrupted in the middle.
async fn half_deleted() -> (World, Client, Inspector) {
    let world = World::new().await;
    let (client, inspector) = (world.client().await, world.inspector().await);
    enqueue_many(&client, 4_000, None).await;
    interrupted(&inspector).await;
    (world, client, inspector)
}

/// Begins to delete the queue, and stops in the middle.
async fn interrupted(inspector: &Inspector) {
    let stopped = Arc::new(Notify::new());
    let stop = Arc::clone(&stopped);
    let delete = inspector.delete_queue("default").force();
    let delete = delete.on_progress(move |_| stop.notify_one());
    let delete = delete.into_future();
    tokio::select! {
        biased;
        () = stopped.notified() => {}
        deleted = delete => deleted.unwrap(),
    }
}

#[tokio::test]
async fn a_deletion_that_was_interrupted_hides_no_new_task_and_the_next_one_ends_it() {
    let (world, client, inspector) = half_deleted().await;
    assert!(world.task_hashes().await.len() > 1_000);
    assert!(world.list("pending").await.is_empty());
    client
        .enqueue(Task::new("any", "").task_id("new"))
        .await
        .unwrap();
    assert_eq!(world.list("pending").await, ["new"]);
    let refused = inspector.delete_queue("default").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::QueueNotEmpty);
    // The rest of the first one is gone, the new task is not.
    assert_eq!(world.task_hashes().await, [task_key("new")]);
    world.assert_consistent().await;
    inspector.delete_queue("default").force().await.unwrap();
    assert_eq!(world.keys().await, [""; 0]);
}

#[tokio::test]
async fn an_examination_finds_a_deletion_that_was_interrupted_and_a_repair_ends_it() {
    let (world, client, inspector) = half_deleted().await;
    client
        .enqueue(Task::new("any", "").task_id("new"))
        .await
        .unwrap();
    let mut found = inspector.examine("default");
    let damage = found.next().await.unwrap().unwrap();
    assert_eq!(
        (damage.kind, damage.key.as_str()),
        (DamageKind::UnfinishedDeletion, "rasynq:{default}:deleted")
    );
    // The old tasks have no place. They must not come back.
    assert_eq!(found.next().await.map(Result::unwrap), None);
    assert_eq!(inspector.repair(&damage).await.unwrap(), Repair::Repaired);
    assert_eq!(world.task_hashes().await, [task_key("new")]);
    assert_eq!(inspector.repair(&damage).await.unwrap(), Repair::Gone);
    assert_eq!(
        inspector
            .examine("default")
            .next()
            .await
            .map(Result::unwrap),
        None
    );
}

#[tokio::test]
async fn tasks_that_are_enqueued_beside_deletions_are_never_lost_or_invisible() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    let is_over = Arc::new(AtomicBool::new(false));
    let newest = Arc::new(AtomicU64::new(0));
    let mut producers = Vec::new();
    for producer in 0..4 {
        let (client, is_over, newest) = (
            world.client().await,
            Arc::clone(&is_over),
            Arc::clone(&newest),
        );
        producers.push(tokio::spawn(async move {
            let mut last = 0;
            while !is_over.load(Ordering::SeqCst) {
                last = newest.fetch_add(1, Ordering::SeqCst);
                let task = Task::new("any", "").task_id(format!("{last}")).unique(HOUR);
                let task = if producer % 2 == 0 {
                    task
                } else {
                    task.group("group")
                };
                // Another task with the same lock may still be there, or being deleted.
                let _ = client.enqueue(task).await;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            last
        }));
    }
    for _ in 0..30 {
        // The tasks of this moment, and no later one, may be deleted.
        let _ = inspector.delete_queue("default").force().await;
        let listed: bool = world.run(&["SISMEMBER", "asynq:queues", "default"]).await;
        let hashes = world.task_hashes().await;
        if !listed {
            // It may have been started between the two commands.
            let listed: bool = world.run(&["SISMEMBER", "asynq:queues", "default"]).await;
            assert!(listed || hashes.is_empty(), "{} hidden tasks", hashes.len());
        }
    }
    is_over.store(true, Ordering::SeqCst);
    for producer in producers {
        producer.await.unwrap();
    }
    let damage = inspector.examine("default").next().await;
    match damage {
        None => {}
        Some(Err(error)) => assert_eq!(error.kind(), ErrorKind::QueueNotFound),
        Some(Ok(damage)) => panic!("{damage}"),
    }
    world.assert_consistent().await;
}

#[tokio::test]
async fn on_a_cluster_a_queue_is_deleted_with_all_that_belongs_to_it() {
    let (_cluster, client, inspector) = on_cluster().await;
    for queue in ["one", "two"] {
        let task = Task::new("any", "").unique(HOUR).queue(queue);
        client.enqueue(task).await.unwrap();
        let task = Task::new("any", "grouped")
            .unique(HOUR)
            .queue(queue)
            .group("group");
        client.enqueue(task).await.unwrap();
    }
    inspector.delete_queue("one").force().await.unwrap();
    assert_eq!(inspector.queues().await.unwrap(), ["two"]);
    // The client may believe that the queue is listed, and lists it beside a later task.
    let task = Task::new("any", "").unique(HOUR).queue("one");
    client.enqueue(task).await.unwrap();
    eventually("the queue is listed", DEADLINE, || async {
        inspector.queues().await.unwrap() == ["one", "two"]
    })
    .await;
}

#[tokio::test]
async fn on_a_cluster_a_queue_that_is_used_all_the_time_stays_listed() {
    let (_cluster, client, inspector) = on_cluster().await;
    for _ in 0..3 {
        client.enqueue(Task::new("any", "")).await.unwrap();
        let delete = inspector.delete_queue("default").force().into_future();
        let enqueue = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            client.enqueue(Task::new("any", "").task_id("task")).await
        };
        let (deleted, _) = tokio::join!(delete, enqueue);
        deleted.unwrap();
        let has_task = inspector.task_info("default", "task").await.is_ok();
        assert_eq!(inspector.queues().await.unwrap().is_empty(), !has_task);
    }
}

#[tokio::test]
async fn a_queue_with_tasks_that_is_not_listed_can_be_deleted() {
    let world = World::new().await;
    let (client, inspector) = (world.client().await, world.inspector().await);
    client.enqueue(Task::new("any", "")).await.unwrap();
    let _: i64 = world.run(&["DEL", "asynq:queues"]).await;
    inspector.delete_queue("default").force().await.unwrap();
    assert_eq!(world.keys().await, [""; 0]);
}

#[tokio::test]
async fn a_repair_of_an_interrupted_deletion_ends_all_of_it() {
    let world = World::new().await;
    let (client, inspector) = (world.client().await, world.inspector().await);
    enqueue_many(&client, 4_000, None).await;
    let _: String = world.run(&["SET", &key("unique:any:left"), "gone"]).await;
    interrupted(&inspector).await;
    let damage = inspector.examine("default").next().await.unwrap().unwrap();
    assert_eq!(inspector.repair(&damage).await.unwrap(), Repair::Repaired);
    assert_eq!(world.keys().await, [""; 0]);
}

#[tokio::test]
async fn a_new_task_in_a_group_that_its_hash_does_not_name_survives_a_deletion() {
    let (world, client, inspector) = half_deleted().await;
    client
        .enqueue(Task::new("any", "").task_id("new"))
        .group("group")
        .await
        .unwrap();
    let _: i64 = world.run(&["HDEL", &task_key("new"), "group"]).await;
    let damage = inspector.examine("default").next().await.unwrap().unwrap();
    assert_eq!(damage.kind, DamageKind::UnfinishedDeletion);
    assert_eq!(inspector.repair(&damage).await.unwrap(), Repair::Repaired);
    let damage = inspector.examine("default").next().await;
    assert_eq!(damage.map(Result::unwrap), None);
    assert_eq!(world.task_hashes().await, [task_key("new")]);
}
