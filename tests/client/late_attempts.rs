//! An attempt of an enqueue arrives after its own repetition: it has no effect any more.

use std::time::Duration;

use rasynq::{Client, Task, TaskState};

use crate::common::{DEADLINE, HOUR, Proxy, Scripted, World, eventually, key, task_key};

/// A client that has enqueued before, so that Redis knows the scripts.
async fn warm_client(connection: &rasynq::Connection) -> Client {
    let client = Client::connect(connection).await.unwrap();
    let warm_up = || Task::new("any", "ok").queue("other");
    client.enqueue(warm_up()).await.unwrap();
    client.enqueue(warm_up()).process_in(HOUR).await.unwrap();
    client
}

/// Enqueues a task whose first attempt is held back. The payload must contain `mark`.
async fn enqueue_held(client: &Client, proxy: &Proxy, task: Task, mark: &str) -> String {
    proxy.hold_request(mark);
    let info = client.enqueue(task).await.expect("the second attempt");
    assert_eq!(proxy.held(), 1);
    info.id
}

/// Lets the attempts arrive that were held back.
async fn arrives_late(proxy: &Proxy, count: usize) {
    let replies = proxy.release().await;
    assert_eq!(replies.len(), count);
    for reply in replies {
        assert!(reply.contains("later attempt"), "{reply}");
    }
}

#[tokio::test]
async fn a_task_that_was_done_before_its_first_attempt_arrives_runs_once() {
    let (world, proxy, connection) = World::behind_proxy().await;
    let client = warm_client(&connection).await;
    let server = world.start(Scripted::new()).await;
    for (n, task) in [
        Task::new("any", "ok marked"),
        Task::new("any", "ok marked").task_id("given"),
        Task::new("any", "ok marked").unique(HOUR),
    ]
    .into_iter()
    .enumerate()
    {
        let id = enqueue_held(&client, &proxy, task, "marked").await;
        world.counter_reaches("processed", n as i64 + 1).await;
        world.task_is(&id, "").await;
        arrives_late(&proxy, 1).await;
        assert_eq!(world.state(&id).await, "");
    }
    assert!(world.locks().await.is_empty());
    server.shutdown().await;
    assert_eq!(world.counter("processed").await, 3);
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_completed_task_stays_completed_when_its_first_attempt_arrives() {
    let (world, proxy, connection) = World::behind_proxy().await;
    let client = warm_client(&connection).await;
    let server = world.start(Scripted::new()).await;
    let task = Task::new("any", "ok marked").retention(HOUR);
    let id = enqueue_held(&client, &proxy, task, "marked").await;
    world.task_is(&id, "completed").await;
    arrives_late(&proxy, 1).await;
    assert_eq!(world.state(&id).await, "completed");
    server.shutdown().await;
    assert_eq!(world.counter("processed").await, 1);
    world.assert_consistent().await;
}

#[tokio::test]
async fn the_retries_of_a_task_are_kept_when_its_first_attempt_arrives() {
    let (world, proxy, connection) = World::behind_proxy().await;
    let client = warm_client(&connection).await;
    let server = world.start(Scripted::new()).await;
    let id = enqueue_held(&client, &proxy, Task::new("any", "fail marked"), "marked").await;
    world.task_is(&id, "retry").await;
    arrives_late(&proxy, 1).await;
    assert_eq!(world.state(&id).await, "retry");
    assert_eq!(world.message(&id).await.retried, 1);
    server.shutdown().await;
    assert_eq!(world.counter("processed").await, 1);
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_first_attempt_that_arrives_late_changes_no_state_of_any_kind_of_task() {
    let (world, proxy, connection) = World::behind_proxy().await;
    let client = warm_client(&connection).await;
    let task = |id: &str| Task::new("any", format!("marked {id}")).task_id(id);
    for (task, state) in [
        (task("plain"), TaskState::Pending),
        (task("later").process_in(HOUR), TaskState::Scheduled),
        (
            task("unique").process_in(HOUR).unique(HOUR),
            TaskState::Scheduled,
        ),
        (task("grouped").group("g"), TaskState::Aggregating),
    ] {
        let id = enqueue_held(&client, &proxy, task, "marked").await;
        assert_eq!(world.state(&id).await, state.to_string());
        // Another client deletes the task.
        for set in ["scheduled", "g:g"] {
            let _: i64 = world.run(&["ZREM", &key(set), &id]).await;
        }
        let _: i64 = world.run(&["LREM", &key("pending"), "0", &id]).await;
        let _: i64 = world.run(&["DEL", &task_key(&id)]).await;
        arrives_late(&proxy, 1).await;
        assert_eq!(world.state(&id).await, "", "{id}");
    }
    assert!(world.list("pending").await.is_empty());
    assert!(world.scores("scheduled").await.is_empty());
    assert!(world.scores("g:g").await.is_empty());
}

#[tokio::test]
async fn two_attempts_that_arrive_after_the_third_have_no_effect() {
    let (world, proxy, connection) = World::behind_proxy().await;
    let client = warm_client(&connection).await;
    let server = world.start(Scripted::new()).await;
    proxy.hold_request("marked");
    let enqueueing = tokio::spawn({
        let client = client.clone();
        async move { client.enqueue(Task::new("any", "ok marked")).await }
    });
    eventually("the first attempt is held", DEADLINE, || async {
        proxy.held() == 1
    })
    .await;
    proxy.hold_request("marked");
    let info = enqueueing.await.unwrap().expect("the third attempt");
    assert_eq!(proxy.held(), 2);
    world.counter_reaches("processed", 1).await;
    world.task_is(&info.id, "").await;
    arrives_late(&proxy, 2).await;
    server.shutdown().await;
    assert_eq!(world.counter("processed").await, 1);
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_batch_that_arrives_after_its_repetition_stores_nothing() {
    let (world, proxy, connection) = World::behind_proxy().await;
    let client = warm_client(&connection).await;
    let server = world.start(Scripted::new()).await;
    proxy.hold_request("marked");
    let tasks = (0..20).map(|n| {
        let task = Task::new("any", "ok marked");
        if n % 2 == 0 {
            task
        } else {
            task.task_id(n.to_string())
        }
    });
    for result in client.enqueue_batch(tasks).await {
        result.expect("the second attempt");
    }
    world.counter_reaches("processed", 20).await;
    arrives_late(&proxy, 1).await;
    server.shutdown().await;
    assert_eq!(world.counter("processed").await, 20);
    assert!(world.task_hashes().await.is_empty());
    world.assert_consistent().await;
}

#[tokio::test]
async fn an_attempt_that_arrives_before_its_repetition_is_recognized() {
    let (world, proxy, connection) = World::behind_proxy().await;
    let client = warm_client(&connection).await;
    proxy.lose_reply_to("marked");
    let info = client.enqueue(Task::new("any", "marked")).await.unwrap();
    assert_eq!(proxy.lost(), 1);
    assert_eq!(world.list("pending").await, [info.id]);
}

#[tokio::test]
async fn only_a_repeated_enqueue_leaves_a_mark_which_ends_after_a_day() {
    let (world, proxy, connection) = World::behind_proxy().await;
    let client = warm_client(&connection).await;
    let marks = || async {
        let mut keys = world.keys().await;
        keys.retain(|key| key.starts_with("rasynq"));
        keys
    };
    client.enqueue(Task::new("any", "")).await.unwrap();
    assert!(marks().await.is_empty());
    enqueue_held(&client, &proxy, Task::new("any", "marked"), "marked").await;
    let marks = marks().await;
    assert_eq!(marks.len(), 1);
    assert!(
        marks[0].starts_with("rasynq:{default}:enqueue:"),
        "{marks:?}"
    );
    let ttl: i64 = world.run(&["TTL", &marks[0]]).await;
    let day = Duration::from_secs(24 * 60 * 60).as_secs() as i64;
    assert!((day - 60..=day).contains(&ttl), "{ttl}");
}
