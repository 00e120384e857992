//! Keys of another type: each failure that comes of one names the key, an examination reports it, and the queue can be
//! deleted.

use rasynq::{DamageKind, ErrorKind, Task, TaskState};

use crate::common::{World, key, task_key};
use crate::damaged::Damaged;

#[tokio::test]
async fn each_failure_that_comes_of_a_key_of_another_type_names_the_key() {
    let world = World::new().await;
    world.store_in_each_state().await;
    let (client, inspector) = (world.client().await, world.inspector().await);
    for (name, expected) in [("pending", "list"), ("archived", "zset"), ("groups", "set")] {
        let wrong = key(name);
        let _: i64 = world.run(&["DEL", &wrong]).await;
        let _: i64 = world.run(&["HSET", &wrong, "a", "b"]).await;
        let queue = "default";
        let mut errors = vec![inspector.queue_info(queue).await.err()];
        match name {
            "pending" => {
                let tasks = inspector.tasks(queue, TaskState::Pending);
                errors.push(tasks.page(1, 10).await.err());
                errors.push(tasks.count().await.err());
                errors.push(tasks.stream().next().await.unwrap().err());
                errors.push(tasks.archive().await.err());
                errors.push(inspector.run_task(queue, "s1").await.err());
            }
            "archived" => {
                let tasks = inspector.tasks(queue, TaskState::Archived);
                errors.push(tasks.page(1, 10).await.err());
                errors.push(tasks.delete().await.err());
                errors.push(inspector.archive_task(queue, "s1").await.err());
            }
            _ => {
                errors.push(inspector.groups(queue).await.err());
                errors.push(inspector.memory_usage(queue).await.err());
            }
        }
        for error in errors {
            let error = error.expect("a failure");
            assert_eq!(error.kind(), ErrorKind::Redis);
            let named =
                format!("a key has a value of another type: {wrong} is a hash, not a {expected}");
            assert!(error.to_string().contains(&named), "{error}");
        }
        let _: i64 = world.run(&["DEL", &wrong]).await;
    }
    let _: String = world.run(&["SET", "asynq:queues", "x"]).await;
    let error = inspector.queues().await.unwrap_err().to_string();
    let named = "a key has a value of another type: asynq:queues is a string, not a set";
    assert!(error.ends_with(named), "{error}");
    let _: String = world.run(&["SET", &key("pending"), "x"]).await;
    let error = client.enqueue(Task::new("any", "")).await.unwrap_err();
    assert!(
        error.to_string().contains("to queue \"default\""),
        "{error}"
    );
}

#[tokio::test]
async fn a_key_of_another_type_is_reported_and_the_examination_goes_on() {
    for (name, right) in [
        ("pending", "list"),
        ("active", "list"),
        ("lease", "zset"),
        ("scheduled", "zset"),
        ("retry", "zset"),
        ("archived", "zset"),
        ("completed", "zset"),
        ("groups", "set"),
        ("aggregation_sets", "zset"),
        ("deadlines", "zset"),
        ("paused", "string"),
        ("processed", "string"),
        ("failed", "string"),
        ("g:healthy", "zset"),
        ("g:healthy:7f5c", "zset"),
        ("t:gone", "hash"),
        ("g:gone", "zset"),
        ("unique:any:gone", "string"),
        ("processed:2026-01-02", "string"),
    ] {
        let damaged = Damaged::new().await;
        let (wrong, lock) = (key(name), key("unique:any:leaked"));
        damaged.run(&["DEL", &wrong]).await;
        let (command, found) = match right {
            "list" => ("SADD", "set"),
            _ => ("LPUSH", "list"),
        };
        damaged.run(&[command, &wrong, "x"]).await;
        damaged.run(&["SET", &lock, "gone", "EX", "600"]).await;
        let mut examination = damaged.inspector.examine("default");
        let mut all = Vec::new();
        while let Some(damage) = examination.next().await {
            all.push(damage.unwrap());
        }
        let reported = all
            .iter()
            .filter(|damage| damage.kind == DamageKind::WrongType);
        let reported: Vec<_> = reported.collect();
        assert_eq!(reported.len(), 1, "{name}: {all:?}");
        let damage = reported[0];
        assert_eq!(damage.queue.as_deref(), Some("default"));
        assert_eq!(damage.key, wrong);
        assert_eq!(
            damage.detail,
            format!("the key is a {found}, not a {right}")
        );
        let refused = damaged.inspector.repair(damage).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        // What its loss entails is reported only where a repair can do something.
        all.retain(|damage| damage.kind != DamageKind::WrongType);
        let others: Vec<_> = all
            .iter()
            .map(|damage| (damage.kind, damage.key.clone()))
            .collect();
        let mut expected = vec![(DamageKind::LeakedLock, lock)];
        if name == "g:healthy:7f5c" {
            // Its task can go back into its group.
            expected.push((DamageKind::TaskWithoutPlace, task_key("taken")));
        }
        assert_eq!(others, expected, "{name}");
    }
}

#[tokio::test]
async fn a_queue_with_keys_of_another_type_is_deleted_only_by_force() {
    for name in [
        "pending",
        "active",
        "lease",
        "scheduled",
        "retry",
        "archived",
        "completed",
        "groups",
        "aggregation_sets",
        "deadlines",
        "paused",
        "processed",
        "g:healthy",
        "t:gone",
        "g:gone",
        "unique:any:gone",
        "processed:2020-01-02",
    ] {
        let damaged = Damaged::new().await;
        let world = &damaged.world;
        world
            .run::<i64>(&["DEL", &key("active"), &key("lease"), &key(name)])
            .await;
        let command = if matches!(name, "pending" | "active") {
            "SADD"
        } else {
            "LPUSH"
        };
        damaged.run(&[command, &key(name), "x"]).await;
        let refused = damaged.inspector.delete_queue("default").await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::QueueNotEmpty, "{name}");
        damaged
            .inspector
            .delete_queue("default")
            .force()
            .await
            .unwrap();
        assert_eq!(world.keys().await, [""; 0], "{name}");
    }
}

#[tokio::test]
async fn a_queue_that_has_only_a_key_of_another_type_is_not_empty() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    for name in ["pending", "active", "groups", "aggregation_sets", "retry"] {
        world.register().await;
        let _: String = world.run(&["SET", &key(name), "x"]).await;
        let refused = inspector.delete_queue("default").await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::QueueNotEmpty, "{name}");
        inspector.delete_queue("default").force().await.unwrap();
        assert_eq!(world.keys().await, [""; 0], "{name}");
    }
    // A key of rasynq's own that marks the rest of a deletion.
    world.register().await;
    let _: String = world.run(&["SET", "rasynq:{default}:deleted", "x"]).await;
    inspector.delete_queue("default").await.unwrap();
    assert_eq!(world.keys().await, [""; 0]);
}
