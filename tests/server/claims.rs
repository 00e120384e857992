//! A run may decide on its task only while the lease is the one that its own server wrote.

use std::sync::Arc;

use anyhow::anyhow;
use rasynq::{Answer, ErrorKind, RunningServer, Task, TaskContext};
use tokio::sync::{Semaphore, mpsc};

use crate::common::{DEADLINE, HOUR, Log, Scripted, World, eventually, key, logged};

/// Starts a server whose handler waits for a permit, and then answers with what the type of the task names.
async fn start_gated(
    world: &World,
) -> (
    RunningServer,
    Arc<Semaphore>,
    mpsc::UnboundedReceiver<Option<ErrorKind>>,
) {
    let gate = Arc::new(Semaphore::new(0));
    let (events, receiver) = mpsc::unbounded_channel();
    let may_answer = Arc::clone(&gate);
    let server = world
        .start(move |cx: TaskContext, task: Task| {
            let (gate, events) = (Arc::clone(&may_answer), events.clone());
            async move {
                events.send(None)?;
                gate.acquire().await?.forget();
                match task.task_type() {
                    "fail" => Err(anyhow!("boom")),
                    "snooze" => Ok(Answer::Snooze(HOUR)),
                    "result" => {
                        let written = cx.write_result("mine").await;
                        events.send(written.err().map(|error| error.kind()))?;
                        Ok(Answer::Done)
                    }
                    _ => Ok(Answer::Done),
                }
            }
        })
        .await;
    (server, gate, receiver)
}

#[tokio::test]
async fn what_a_run_comes_to_has_no_effect_after_a_go_server_has_taken_the_task() {
    let world = World::new().await;
    let client = world.client().await;
    let log = Log::capture();
    let (server, gate, mut events) = start_gated(&world).await;
    for (id, task) in [
        ("done", Task::new("ok", "").unique(HOUR)),
        ("completed", Task::new("ok", "").retention(HOUR)),
        ("retried", Task::new("fail", "")),
        ("archived", Task::new("fail", "").max_retry(0)),
        ("snoozed", Task::new("snooze", "")),
        ("result", Task::new("result", "")),
    ] {
        client.enqueue(task).task_id(id).await.unwrap();
        events.recv().await.unwrap();
        let until = world.go_takes_over(id).await;
        let before = world.hash(id).await;
        gate.add_permits(1);
        if id == "result" {
            let written = events.recv().await.unwrap();
            assert_eq!(written, Some(ErrorKind::TaskNotFound));
        }
        log.line_with(&[logged::CLAIM_LOST, id]).await;
        assert_eq!(world.hash(id).await, before, "{id}");
        assert_eq!(world.scores("lease").await[id] as i64, until, "{id}");
        assert!(world.list("active").await.contains(&id.to_owned()));
    }
    assert_eq!(world.counter("processed").await, 0);
    assert_eq!(world.locks().await.len(), 1);
    server.shutdown().await;
}

#[tokio::test]
async fn a_shutdown_does_not_requeue_a_task_that_a_go_server_has_taken() {
    let world = World::new().await;
    let client = world.client().await;
    let handler = Scripted::new();
    let server = world.start(handler.clone()).await;
    client
        .enqueue(Task::new("any", "wait").task_id("task"))
        .await
        .unwrap();
    handler.has_begun(1).await;
    let until = world.go_takes_over("task").await;
    let before = world.hash("task").await;
    server.shutdown_now().await;
    assert_eq!(world.hash("task").await, before);
    assert_eq!(world.scores("lease").await["task"] as i64, until);
    assert_eq!(world.list("pending").await.len(), 0);
}

#[tokio::test]
async fn a_heartbeat_does_not_renew_the_lease_of_a_go_server_and_ends_the_run() {
    let world = World::new().await;
    let client = world.client().await;
    let handler = Scripted::new();
    let server = world.start(handler.clone()).await;
    for id in ["taken", "kept"] {
        let task = Task::new("any", "wait").task_id(id);
        client.enqueue(task).await.unwrap();
    }
    handler.has_begun(2).await;
    let until = world.go_takes_over("taken").await;
    world.shorten_lease("kept").await;
    world.lease_is_renewed("kept").await;
    eventually("the run ends", DEADLINE, || async {
        handler.running() == 1
    })
    .await;
    assert_eq!(world.scores("lease").await["taken"] as i64, until);
    handler.release(1);
    world.task_is("kept", "").await;
    server.shutdown().await;
}

#[tokio::test]
async fn an_expired_lease_proves_the_claim_as_long_as_nobody_has_taken_the_task() {
    let world = World::new().await;
    let client = world.client().await;
    let (server, gate, mut events) = start_gated(&world).await;
    for (id, task) in [
        ("done", Task::new("ok", "").unique(HOUR)),
        ("retry", Task::new("fail", "")),
        ("completed", Task::new("result", "").retention(HOUR)),
    ] {
        client.enqueue(task).task_id(id).await.unwrap();
        events.recv().await.unwrap();
        world.end_lease_in(id, -20).await;
        gate.add_permits(1);
        let state = if id == "done" { "" } else { id };
        world.task_is(id, state).await;
    }
    assert_eq!(events.recv().await.unwrap(), None, "the result is written");
    assert_eq!(world.hash("completed").await["result"], "mine");
    server.shutdown().await;
}

#[tokio::test]
async fn a_fetch_that_finds_an_active_task_in_pending_leaves_its_lease_as_it_is() {
    let world = World::new().await;
    let client = world.client().await;
    let handler = Scripted::new();
    let server = world.start(handler.clone()).await;
    client
        .enqueue(Task::new("any", "wait").task_id("task"))
        .await
        .unwrap();
    handler.has_begun(1).await;
    world.end_lease_in("task", 29).await;
    let log = Log::capture();
    let _: i64 = world.run(&["LPUSH", &key("pending"), "task"]).await;
    log.line_with(&[logged::IDS_DROPPED, "pending"]).await;
    handler.release(1);
    world.task_is("task", "").await;
    server.shutdown().await;
    assert_eq!(handler.runs_of("task"), 1);
}

#[tokio::test]
async fn a_lease_that_was_left_behind_does_not_keep_a_task_from_its_acknowledgement() {
    let world = World::new().await;
    let client = world.client().await;
    for id in ["one", "two"] {
        let task = Task::new("any", "ok").task_id(id);
        client.enqueue(task).await.unwrap();
    }
    let later = (world.now().await + 1000).to_string();
    let _: i64 = world.run(&["ZADD", &key("lease"), &later, "one"]).await;
    let server = world.start(Scripted::new()).await;
    world.task_is("one", "").await;
    world.task_is("two", "").await;
    server.shutdown().await;
    world.assert_none_active().await;
}

#[tokio::test]
async fn a_lease_that_somebody_has_shortened_still_belongs_to_its_owner_until_it_may_be_recovered()
{
    let world = World::new().await;
    let client = world.client().await;
    let log = Log::capture();
    let (server, gate, mut events) = start_gated(&world).await;
    for (id, secs, is_ours) in [
        ("soon", 6, true),
        ("expired", -20, true),
        ("old", -31, false),
    ] {
        let task = Task::new("ok", "").task_id(id);
        client.enqueue(task).await.unwrap();
        events.recv().await.unwrap();
        let until = (world.now().await + secs).to_string();
        let _: i64 = world.run(&["ZADD", &key("lease"), &until, id]).await;
        gate.add_permits(1);
        if is_ours {
            world.task_is(id, "").await;
        } else {
            log.line_with(&[logged::CLAIM_LOST, id]).await;
            assert_eq!(world.state(id).await, "active");
        }
    }
    server.shutdown().await;
}
