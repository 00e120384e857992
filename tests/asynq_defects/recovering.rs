//! Rows 17, 20, 22 and 23.

use std::time::Duration;

use rasynq::{LostLease, RetryDelay};

use crate::common::{DEADLINE, Log, Scripted, TaskMessage, World, eventually, queue_key};

const HOUR: Duration = Duration::from_secs(3600);

// row 17
#[tokio::test]
async fn only_one_of_several_recoverers_takes_an_expired_lease_and_the_task_runs_once() {
    let world = World::new().await;
    for n in 0..150 {
        let id = n.to_string();
        let message = TaskMessage::of(&id, "ok").bytes();
        world.store_lost("default", &id, message, 60).await;
    }
    let handler = Scripted::new();
    let server = || {
        world
            .server()
            .retry_delay(RetryDelay::constant(Duration::ZERO))
            .start(handler.clone())
    };
    let (first, second, third) = tokio::join!(server(), server(), server());
    eventually("all are done", DEADLINE, || async {
        world.counter("processed").await >= 300
    })
    .await;
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
    let message = |id: &str| TaskMessage::of(id, "ok").bytes();
    for id in ["gone", "there"] {
        world.store_lost("default", id, message(id), 60).await;
    }
    let hash = crate::common::task_key("gone");
    let _: i64 = world.run(&["DEL", &hash]).await;
    let server = world
        .server()
        .retry_delay(RetryDelay::constant(HOUR))
        .start(Scripted::new())
        .await
        .unwrap();
    world.task_is("there", "retry").await;
    log.line_with(&["task is gone", "default"]).await;
    server.shutdown().await;
    assert_eq!(world.state("gone").await, "");
    assert_eq!(world.list("active").await.len(), 0);
    assert_eq!(world.scores("lease").await.len(), 0);
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
        world.store_lost(queue, "good", message.bytes(), 60).await;
    }
    let server = world
        .server()
        .queue("a", 1)
        .queue("b", 1)
        .retry_delay(RetryDelay::constant(HOUR))
        .start(Scripted::new())
        .await
        .unwrap();
    for queue in ["a", "b"] {
        eventually("the good ones wait for their retry", DEADLINE, || async {
            let waiting: i64 = world.run(&["ZCARD", &queue_key(queue, "retry")]).await;
            waiting == 1
        })
        .await;
    }
    eventually("the others are put aside", DEADLINE, || async {
        let aside: i64 = world.run(&["ZCARD", &queue_key("a", "archived")]).await;
        aside == 120
    })
    .await;
    server.shutdown().await;
    let hash = queue_key("a", "t:bad 7");
    assert_eq!(world.bytes(&["HGET", &hash, "msg"]).await, garbage);
    let state: String = world.run(&["HGET", &hash, "state"]).await;
    assert_eq!(state, "archived");
    assert_eq!(log.lines_with(&["does not decode", "bad 7 "]).len(), 0);
    assert_eq!(
        log.lines_with(&["does not decode", "task_id=\"bad 7\""])
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
    let lost = message("task");
    world.store_lost("default", "task", lost.bytes(), 60).await;
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
    // and by default as asynq
    world
        .store_lost("default", "other", message("other").bytes(), 60)
        .await;
    let server = world.server().start(handler).await.unwrap();
    world.task_is("other", "archived").await;
    server.shutdown().await;
}
