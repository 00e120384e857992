//! Enqueueing: rows 1, 12, 16 and 31.

use rasynq::{Client, ErrorKind, Task, TaskState};

use crate::common::{HOUR, Scripted, World};

// row 1
#[tokio::test]
async fn an_id_conflict_of_a_unique_task_leaves_the_lock_free() {
    let world = World::new().await;
    let client = world.client().await;
    client
        .enqueue(Task::new("any", "a").task_id("taken"))
        .await
        .unwrap();
    for task in [
        Task::new("once", "b"),
        Task::new("once", "c").process_in(HOUR),
        Task::new("once", "d").group("g"),
    ] {
        let task = task.unique(HOUR);
        let error = client
            .enqueue(task.clone())
            .task_id("taken")
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TaskIdConflict);
        client.enqueue(task).await.expect("the lock is free");
    }
}

// row 12
#[tokio::test]
async fn a_queue_deleted_by_another_process_is_registered_again_by_the_next_enqueue() {
    let world = World::new().await;
    let client = world.client().await;
    for _ in 0..2 {
        client.enqueue(Task::new("any", "")).await.unwrap();
        let removed: i64 = world.run(&["SREM", "asynq:queues", "default"]).await;
        assert_eq!(removed, 1);
    }
    client.enqueue_batch([Task::new("any", "")]).await;
    let known: i64 = world.run(&["SISMEMBER", "asynq:queues", "default"]).await;
    assert_eq!(known, 1);
}

// row 16
#[tokio::test]
async fn an_enqueue_whose_reply_is_lost_succeeds_and_stores_one_task() {
    let (world, proxy, connection) = World::behind_proxy().await;
    let client = Client::connect(&connection).await.unwrap();
    // warm up: afterwards Redis knows the script, and one request carries the payload
    client
        .enqueue(Task::new("any", "").queue("other"))
        .await
        .unwrap();
    let task = |id: &str| Task::new("any", format!("payload of {id}")).task_id(id);
    for (n, (task, state)) in [
        (task("plain"), TaskState::Pending),
        (task("unique").unique(HOUR), TaskState::Pending),
        (task("later").process_in(HOUR), TaskState::Scheduled),
        (
            task("unique later").process_in(HOUR).unique(HOUR),
            TaskState::Scheduled,
        ),
        (
            task("grouped").group("g").unique(HOUR),
            TaskState::Aggregating,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let payload = String::from_utf8(task.payload().to_vec()).unwrap();
        proxy.lose_reply_to(&payload);
        let info = client.enqueue(task.clone()).await.unwrap();
        assert_eq!(info.state, state, "{payload}");
        assert!(proxy.lost() > n, "{payload}: the reply was lost");
        // another enqueue with the same id is still a conflict
        let error = client.enqueue(task).await.unwrap_err();
        assert_eq!(error.task_id(), Some(info.id.as_str()));
    }
    assert_eq!(world.list("pending").await, ["unique", "plain"]);
    assert_eq!(world.scores("scheduled").await.len(), 2);
    assert_eq!(world.scores("g:g").await.len(), 1);
    world.assert_consistent().await;
}

// row 16
#[tokio::test]
async fn a_generated_id_is_stored_once_when_the_reply_is_lost() {
    let (world, proxy, connection) = World::behind_proxy().await;
    let client = Client::connect(&connection).await.unwrap();
    client.enqueue(Task::new("any", "first")).await.unwrap();
    proxy.lose_reply_to("marked");
    let info = client.enqueue(Task::new("any", "marked")).await.unwrap();
    assert_eq!(proxy.lost(), 1);
    assert_eq!(world.list("pending").await.len(), 2);
    assert_eq!(world.state(&info.id).await, "pending");
}

// row 16
#[tokio::test]
async fn each_task_of_a_batch_whose_reply_is_lost_keeps_its_own_result() {
    let (world, proxy, connection) = World::behind_proxy().await;
    let client = Client::connect(&connection).await.unwrap();
    client
        .enqueue(Task::new("any", "").task_id("old"))
        .await
        .unwrap();
    proxy.lose_reply_to("marked");
    let unique = Task::new("once", "x").unique(HOUR);
    let results = client
        .enqueue_batch([
            Task::new("any", "marked").task_id("new"),
            Task::new("any", "").task_id("old").max_retry(1),
            unique.clone().task_id("first"),
            unique.task_id("second"),
        ])
        .await;
    assert!(proxy.lost() >= 1);
    let outcomes: Vec<_> = results
        .iter()
        .map(|result| result.as_ref().map(|_| ()).map_err(|error| error.kind()))
        .collect();
    assert_eq!(
        outcomes,
        [
            Ok(()),
            Err(ErrorKind::TaskIdConflict),
            Ok(()),
            Err(ErrorKind::DuplicateTask)
        ]
    );
    assert_eq!(world.list("pending").await, ["first", "new", "old"]);
}

// rows 16, 31
#[tokio::test]
async fn only_one_of_two_tasks_of_a_batch_with_the_same_id_is_stored_when_replies_are_lost() {
    let (world, proxy, connection) = World::behind_proxy().await;
    let client = Client::connect(&connection).await.unwrap();
    let warm_up = Task::new("any", "").queue("other");
    client.enqueue(warm_up).await.unwrap();
    // The two tasks of an id are in different calls, and all of these calls are sent again.
    let task = |n: usize| Task::new("any", "same").task_id((n % 300).to_string());
    proxy.lose_reply_to("same");
    let results = client.enqueue_batch((0..600).map(task)).await;
    assert!(proxy.lost() >= 1);
    for (first, second) in results[..300].iter().zip(&results[300..]) {
        assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    }
    assert_eq!(world.list("pending").await.len(), 300);
}

// row 16
#[tokio::test]
async fn an_enqueue_whose_reply_is_lost_succeeds_when_the_task_has_already_run_and_failed() {
    let (world, proxy, connection) = World::behind_proxy().await;
    let client = Client::connect(&connection).await.unwrap();
    client
        .enqueue(Task::new("any", "ok").queue("other"))
        .await
        .unwrap();
    let server = world.start(Scripted::new()).await;
    proxy.lose_reply_to("fail marked");
    let info = client
        .enqueue(Task::new("any", "fail marked"))
        .await
        .expect("the task was stored");
    assert_eq!(proxy.lost(), 1);
    world.task_is(&info.id, "retry").await;
    assert_eq!(world.counter("processed").await, 1);
    server.shutdown().await;
}

// row 31
#[tokio::test]
async fn a_batch_accepts_unique_and_grouped_tasks_and_headers_and_reports_each_result() {
    let world = World::new().await;
    let client = world.client().await;
    let batch = || {
        [
            Task::new("any", "u").unique(HOUR).task_id("unique"),
            Task::new("any", "g").group("g").task_id("grouped"),
            Task::new("any", "h").header("k", "v").task_id("header"),
        ]
    };
    for result in client.enqueue_batch(batch()).await {
        result.unwrap();
    }
    assert_eq!(world.message("header").await.headers["k"], "v");
    assert_eq!(world.state("grouped").await, "aggregating");
    let locks = world.locks().await;
    assert_eq!(locks.len(), 1);
    let again: Vec<_> = client
        .enqueue_batch(batch())
        .await
        .into_iter()
        .map(|result| result.unwrap_err().kind())
        .collect();
    assert_eq!(
        again,
        [
            ErrorKind::DuplicateTask,
            ErrorKind::TaskIdConflict,
            ErrorKind::TaskIdConflict
        ]
    );
}

// row 16, the opposite case: the request never arrived, and the second attempt stores the task
#[tokio::test]
async fn an_enqueue_on_a_dead_connection_is_sent_again() {
    let (world, proxy, connection) = World::behind_proxy().await;
    let client = Client::connect(&connection).await.unwrap();
    proxy.silence();
    let info = client.enqueue(Task::new("any", "x")).await.unwrap();
    assert_eq!(world.list("pending").await, [info.id]);
}
