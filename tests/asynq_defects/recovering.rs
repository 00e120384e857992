//! Recovering tasks of crashed servers: rows 17, 20, 22 and 23.

use std::time::Duration;

use rasynq::{LostLease, RetryDelay};

use crate::common::{
    DEADLINE, Log, Scripted, TaskMessage, World, eventually, logged, queue_key, task_key,
};

// row 17
#[tokio::test]
async fn only_one_of_several_recoverers_takes_an_expired_lease_and_the_task_runs_once() {
    let world = World::new().await;
    for n in 0..150 {
        let message = TaskMessage::of(&n.to_string(), "ok");
        world.store_expired(&message).await;
    }
    let handler = Scripted::new();
    let server = || {
        world
            .server()
            .retry_delay(RetryDelay::constant(Duration::ZERO))
            .start(handler.clone())
    };
    let (first, second, third) = tokio::join!(server(), server(), server());
    world.counter_reaches("processed", 300).await;
    for server in [first, second, third] {
        server.unwrap().shutdown().await;
    }
    assert_eq!(world.counter("failed").await, 150);
    assert_eq!(world.counter("processed").await, 300);
    let mut begun = handler.begun();
    assert_eq!(begun.len(), 150);
    begun.sort();
    begun.dedup();
    assert_eq!(begun.len(), 150);
    assert_eq!(world.list("active").await.len(), 0);
}

// row 20
#[tokio::test]
async fn an_expired_lease_whose_task_is_gone_is_dropped() {
    let world = World::new().await;
    let log = Log::capture();
    for id in ["gone", "there"] {
        world.store_expired(&TaskMessage::of(id, "ok")).await;
    }
    let hash = task_key("gone");
    let _: i64 = world.run(&["DEL", &hash]).await;
    let server = world.start(Scripted::new()).await;
    world.task_is("there", "retry").await;
    log.line_with(&[logged::TASK_GONE, "default"]).await;
    server.shutdown().await;
    assert_eq!(world.state("gone").await, "");
    world.assert_none_active().await;
}

// row 22
#[tokio::test]
async fn a_message_that_does_not_decode_is_archived_and_the_others_are_recovered() {
    let world = World::new().await;
    let log = Log::capture();
    let garbage: &[u8] = b"\xff\xff garbage";
    for n in 0..120 {
        let id = format!("bad {n}");
        world.store_lost("a", &id, garbage, 3600).await;
    }
    for queue in ["a", "b"] {
        let message = TaskMessage {
            queue: queue.to_owned(),
            ..TaskMessage::of("good", "ok")
        };
        world.store_expired(&message).await;
    }
    let server = world
        .server()
        .queue("a", 1)
        .queue("b", 1)
        .start(Scripted::new())
        .await
        .unwrap();
    for queue in ["a", "b"] {
        eventually(
            "the decodable tasks wait for their retry",
            DEADLINE,
            || async {
                let waiting: i64 = world.run(&["ZCARD", &queue_key(queue, "retry")]).await;
                waiting == 1
            },
        )
        .await;
    }
    eventually("the others are archived", DEADLINE, || async {
        let archived: i64 = world.run(&["ZCARD", &queue_key("a", "archived")]).await;
        archived == 120
    })
    .await;
    server.shutdown().await;
    let hash = queue_key("a", "t:bad 7");
    assert_eq!(world.bytes(&["HGET", &hash, "msg"]).await, garbage);
    let state: String = world.run(&["HGET", &hash, "state"]).await;
    assert_eq!(state, "archived");
    assert_eq!(log.lines_with(&[logged::UNDECODABLE, "bad 7 "]).len(), 0);
    assert_eq!(
        log.lines_with(&[logged::UNDECODABLE, "task_id=\"bad 7\""])
            .len(),
        1
    );
}

// row 23
#[tokio::test]
async fn a_task_without_retries_is_requeued_after_its_lease_expired_if_configured() {
    let world = World::new().await;
    let message = |id: &str| TaskMessage {
        retry: 0,
        ..TaskMessage::of(id, "ok")
    };
    world.store_expired(&message("task")).await;
    let handler = Scripted::new();
    let server = world
        .server()
        .lost_lease(LostLease::Defer)
        .start(handler.clone())
        .await
        .unwrap();
    world.task_is("task", "").await;
    server.shutdown().await;
    assert_eq!(handler.runs_of("task"), 1);
    assert_eq!(world.counter("failed").await, 0);
    assert_eq!(world.counter("processed").await, 1);
    // without the setting the task is archived, as in asynq
    world.store_expired(&message("other")).await;
    let server = world.start(handler).await;
    world.task_is("other", "archived").await;
    server.shutdown().await;
}
