//! Many tasks in one call.

use rasynq::{ErrorKind, Task, TaskState};

use crate::common::{HOUR, World, queue_key};

#[tokio::test]
async fn each_task_of_a_batch_has_its_own_result() {
    let world = World::new().await;
    let client = world.client().await;
    let unique = Task::new("once", "x").unique(HOUR);
    client
        .enqueue(Task::new("any", "").task_id("old"))
        .await
        .unwrap();
    let results = client
        .enqueue_batch([
            Task::new("any", "").task_id("plain"),
            Task::new("any", "").task_id("old"),
            unique.clone().task_id("unique"),
            unique.clone().task_id("duplicate"),
            Task::new("any", "").task_id("later").process_in(HOUR),
            Task::new("any", "").task_id("grouped").group("g"),
            Task::new("any", "").task_id("elsewhere").queue("other"),
            Task::new("", ""),
            Task::new("any", "").task_id("plain"),
            Task::new("any", "").task_id("last").header("h", "v"),
        ])
        .await;
    let outcomes: Vec<_> = results
        .iter()
        .map(|result| match result {
            Ok(info) => (info.id.as_str(), Ok(info.state)),
            Err(error) => (error.task_id().unwrap_or_default(), Err(error.kind())),
        })
        .collect();
    assert_eq!(
        outcomes,
        [
            ("plain", Ok(TaskState::Pending)),
            ("old", Err(ErrorKind::TaskIdConflict)),
            ("unique", Ok(TaskState::Pending)),
            ("unique", Err(ErrorKind::DuplicateTask)),
            ("later", Ok(TaskState::Scheduled)),
            ("grouped", Ok(TaskState::Aggregating)),
            ("elsewhere", Ok(TaskState::Pending)),
            ("", Err(ErrorKind::Invalid)),
            ("plain", Err(ErrorKind::TaskIdConflict)),
            ("last", Ok(TaskState::Pending)),
        ]
    );
    assert_eq!(
        world.list("pending").await,
        ["last", "unique", "plain", "old"]
    );
    assert_eq!(world.message("last").await.headers["h"], "v");
    world.assert_consistent().await;
    assert!(client.enqueue_batch([]).await.is_empty());
}

#[tokio::test]
async fn a_batch_of_a_thousand_keeps_its_order_in_each_queue() {
    let world = World::new().await;
    let client = world.client().await;
    let tasks = (0..1000).map(|n| {
        Task::new("any", vec![b'x'; 2000])
            .task_id(format!("{n:04}"))
            .queue(["default", "a", "b"][n % 3])
    });
    let results = client.enqueue_batch(tasks).await;
    for (n, result) in results.iter().enumerate() {
        assert_eq!(result.as_ref().unwrap().id, format!("{n:04}"));
    }
    for (first, queue) in ["default", "a", "b"].into_iter().enumerate() {
        let ids: Vec<String> = world
            .run(&["LRANGE", &queue_key(queue, "pending"), "0", "-1"])
            .await;
        let expected: Vec<String> = (first..1000)
            .step_by(3)
            .map(|n| format!("{n:04}"))
            .rev()
            .collect();
        assert_eq!(ids, expected, "{queue}");
    }
}

#[tokio::test]
async fn a_batch_needs_few_commands_however_many_tasks_it_contains() {
    let world = World::new().await;
    let client = world.client().await;
    client.enqueue(Task::new("any", "")).await.unwrap();
    let _: String = world.run(&["CONFIG", "RESETSTAT"]).await;
    let tasks = (0..500).map(|n| Task::new("any", "").queue(["a", "b"][n % 2]));
    for result in client.enqueue_batch(tasks).await {
        result.unwrap();
    }
    let calls = world.calls_of(&["evalsha", "eval", "sadd"]).await;
    assert!((4..=16).contains(&calls), "{calls}");
}
