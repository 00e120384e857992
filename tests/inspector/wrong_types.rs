//! A key of another type: each failure that comes of it names the key.

use rasynq::{ErrorKind, Task, TaskState};

use crate::common::{World, key};

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
