//! Messages that do not decode, and ids whose hash is gone.

use std::time::Duration;

use rasynq::{ErrorKind, RetryDelay, Task, TaskState};

use crate::common::{DEADLINE, Log, Scripted, TaskMessage, World, eventually, key, logged};

const GARBAGE: &[u8] = b"\x0a\xff\xff\xff\xff not a message";

async fn ok_task(world: &World, id: &str) {
    let client = world.client().await;
    client
        .enqueue(Task::new("any", "ok").task_id(id))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_pending_message_that_does_not_decode_is_archived_unchanged() {
    let world = World::new().await;
    let log = Log::capture();
    ok_task(&world, "before").await;
    for id in ["bad 1", "bad 2"] {
        world.store_pending("default", id, GARBAGE).await;
    }
    ok_task(&world, "after").await;
    let handler = Scripted::new();
    let server = world.start_with_workers(1, handler.clone()).await;
    world.task_is("after", "").await;
    for id in ["bad 1", "bad 2"] {
        world.task_is(id, "archived").await;
        assert_eq!(world.hash(id).await["msg"], GARBAGE);
        let named = format!("task_id=\"{id}\"");
        log.line_with(&[logged::UNDECODABLE, &named, "queue=\"default\""])
            .await;
    }
    assert_eq!(handler.begun(), ["before", "after"]);
    server.shutdown().await;
    assert_eq!(world.counter("processed").await, 2);
    assert_eq!(world.counter("failed").await, 0);
    assert_eq!(world.list("active").await.len(), 0);
    world.assert_consistent().await;
    // the log does not contain payloads
    assert_eq!(log.lines_with(&["not a message"]).len(), 0);
}

#[tokio::test]
async fn a_due_message_that_does_not_decode_is_archived_unchanged() {
    let world = World::new().await;
    let log = Log::capture();
    for (id, state) in [("late", "scheduled"), ("again", "retry")] {
        world.store("default", id, state, GARBAGE).await;
        world.make_due(state, id).await;
    }
    let server = world.start(Scripted::new()).await;
    for id in ["late", "again"] {
        world.task_is(id, "archived").await;
        assert_eq!(world.hash(id).await["msg"], GARBAGE);
        log.line_with(&[logged::UNDECODABLE, id]).await;
    }
    server.shutdown().await;
}

#[tokio::test]
async fn an_id_without_a_hash_is_dropped_from_every_list() {
    let world = World::new().await;
    let _: i64 = world.run(&["LPUSH", &key("pending"), "p"]).await;
    world.make_due("scheduled", "s").await;
    world.make_due("retry", "r").await;
    world.make_due("completed", "c").await;
    let _: i64 = world.run(&["LPUSH", &key("active"), "l"]).await;
    world.make_due("lease", "l").await;
    ok_task(&world, "good").await;
    let handler = Scripted::new();
    let server = world.start(handler.clone()).await;
    world.task_is("good", "").await;
    eventually("no list has an entry", DEADLINE, || async {
        let mut left = Vec::new();
        for list in [
            "pending",
            "scheduled",
            "retry",
            "completed",
            "active",
            "lease",
        ] {
            let exists: i64 = world.run(&["EXISTS", &key(list)]).await;
            left.push(exists);
        }
        left.iter().sum::<i64>() == 0
    })
    .await;
    server.shutdown().await;
    assert_eq!(handler.begun(), ["good"]);
    let hashes = world.task_hashes().await;
    assert_eq!(hashes.len(), 0);
}

#[tokio::test]
async fn an_empty_message_is_a_task_without_a_type() {
    let world = World::new().await;
    world.store_pending("default", "empty", "").await;
    let server = world
        .server()
        .start(rasynq::Mux::new().route("any", Scripted::new()))
        .await
        .unwrap();
    // the message has a maximum of 0 retries
    world.task_is("empty", "archived").await;
    server.shutdown().await;
    assert_eq!(
        world.message("empty").await.error_msg,
        "handler not found for task \"\""
    );
}

#[tokio::test]
async fn numbers_out_of_range_in_a_message_are_clamped() {
    let world = World::new().await;
    for (id, message) in [
        (
            "far",
            TaskMessage {
                timeout: i64::MAX,
                deadline: i64::MAX,
                retention: i64::MAX,
                ..TaskMessage::of("far", "ok")
            },
        ),
        (
            "negative",
            TaskMessage {
                retry: -1,
                retried: -5,
                timeout: -1,
                retention: -1,
                ..TaskMessage::of("negative", "ok")
            },
        ),
        (
            "most",
            TaskMessage {
                retried: i32::MAX,
                retry: i32::MAX,
                ..TaskMessage::of("most", "fail x")
            },
        ),
        (
            "past",
            TaskMessage {
                deadline: i64::MIN,
                retry: 0,
                ..TaskMessage::of("past", "ok")
            },
        ),
    ] {
        world.store_pending("default", id, message.bytes()).await;
    }
    let server = world
        .server()
        .retry_delay(RetryDelay::new(|_, _, _| Duration::MAX))
        .start(Scripted::new())
        .await
        .unwrap();
    world.task_is("far", "completed").await;
    world.task_is("negative", "").await;
    world.task_is("most", "archived").await;
    world.task_is("past", "archived").await;
    // asynqmon cannot read scores of 1e17 and above
    assert!(world.scores("completed").await["far"] < 1e17);
    server.shutdown().await;
}

#[tokio::test]
async fn the_longest_retry_delay_has_a_score_that_asynqmon_can_read() {
    let world = World::new().await;
    let client = world.client().await;
    for (id, payload) in [
        ("fail", "fail x"),
        ("snooze", "snooze 18446744073709551615"),
    ] {
        client
            .enqueue(Task::new("any", payload).task_id(id))
            .await
            .unwrap();
    }
    let server = world
        .server()
        .retry_delay(RetryDelay::constant(Duration::MAX))
        .start(Scripted::new())
        .await
        .unwrap();
    world.task_is("fail", "retry").await;
    world.task_is("snooze", "scheduled").await;
    server.shutdown().await;
    assert!(world.scores("retry").await["fail"] < 1e17);
    assert!(world.scores("scheduled").await["snooze"] < 1e17);
    let inspector = world.inspector().await;
    let info = inspector.task_info("default", "fail").await.unwrap();
    assert_eq!(info.state, TaskState::Retry);
}

#[tokio::test]
async fn the_inspector_names_the_message_that_does_not_decode() {
    let world = World::new().await;
    ok_task(&world, "good").await;
    world.store_pending("default", "bad", GARBAGE).await;
    let inspector = world.inspector().await;
    let error = inspector.task_info("default", "bad").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Undecodable);
    assert!(error.to_string().contains("\"bad\""), "{error}");
    let error = inspector.task_info("default", "no").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TaskNotFound);
    assert_eq!(error.task_id(), Some("no"));
    let error = inspector.task_info("nowhere", "no").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QueueNotFound);
    let info = inspector.task_info("default", "good").await.unwrap();
    assert_eq!(info.state, TaskState::Pending);
}

#[tokio::test]
async fn a_pending_task_with_an_unknown_state_still_runs() {
    let world = World::new().await;
    let message = TaskMessage::of("odd", "ok").bytes();
    world
        .store("default", "odd", "no such state", message)
        .await;
    let _: i64 = world.run(&["LPUSH", &key("pending"), "odd"]).await;
    let inspector = world.inspector().await;
    let error = inspector.task_info("default", "odd").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Undecodable);
    let server = world.start(Scripted::new()).await;
    world.task_is("odd", "").await;
    server.shutdown().await;
}

#[tokio::test]
async fn a_message_with_another_id_is_acknowledged_under_the_id_of_its_hash() {
    let world = World::new().await;
    let message = TaskMessage::of("another", "ok").bytes();
    world.store_pending("default", "task", message).await;
    let server = world.start(Scripted::new()).await;
    world.task_is("task", "").await;
    server.shutdown().await;
    world.assert_none_active().await;
}
