//! Running, archiving and deleting all tasks of a selection.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use rasynq::{BulkProgress, ErrorKind, Inspector, RetryDelay, Task, TaskFilter, TaskState};

use super::place::{exists, put, put_message};
use crate::common::{
    DEADLINE, HOUR, RedisServer, Scripted, TaskMessage, World, eventually, key, task_key,
};

/// Enqueues this many pending tasks, the ids from 0 on; the odd ones are of type `odd`, the others of type `even`.
async fn enqueue(world: &World, count: usize, payload: &str) {
    let tasks = (0..count).map(|n| {
        let kind = if n % 2 == 1 { "odd" } else { "even" };
        Task::new(kind, payload.to_owned()).task_id(n.to_string())
    });
    let stored = world.client().await.enqueue_batch(tasks).await;
    assert!(stored.iter().all(Result::is_ok));
}

#[tokio::test]
async fn archiving_more_than_the_archive_keeps_tells_how_many_tasks_were_deleted() {
    let world = World::new().await;
    enqueue(&world, 10_300, "").await;
    let inspector = world.inspector().await;
    let result = inspector
        .tasks("default", TaskState::Pending)
        .archive()
        .await;
    let result = result.unwrap();
    assert_eq!((result.changed, result.trimmed), (10_300, 300));
    assert_eq!(all_in(&inspector, TaskState::Archived).await, 10_000);
    assert_eq!(world.task_hashes().await.len(), 10_000);
}

#[tokio::test]
async fn all_tasks_of_a_state_are_changed_or_the_call_is_refused() {
    for state in TaskState::ALL {
        for verb in ["run", "archive", "delete"] {
            let world = World::new().await;
            let inspector = world.inspector().await;
            for id in ["a", "b", "c"] {
                put(&world, id, state, world.now().await).await;
            }
            put(&world, "other", TaskState::Retry, 1).await;
            let all = inspector.tasks("default", state);
            let result = match verb {
                "run" => all.run().await,
                "archive" => all.archive().await,
                _ => all.delete().await,
            };
            let is_refused = match verb {
                "run" => matches!(state, TaskState::Pending | TaskState::Active),
                "archive" => matches!(state, TaskState::Archived | TaskState::Active),
                _ => state == TaskState::Active,
            };
            let expected = 3 + u64::from(state == TaskState::Retry);
            if is_refused {
                let error = result.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Invalid);
                let text = format!("cannot {verb} the {state} tasks of queue \"default\"");
                assert_eq!(error.to_string(), text);
                assert_eq!(world.state("a").await, state.as_str());
                continue;
            }
            let result = result.unwrap();
            assert_eq!([result.examined, result.changed], [expected; 2]);
            assert_eq!(all_in(&inspector, state).await, 0);
            let then = match verb {
                "run" => all_in(&inspector, TaskState::Pending).await,
                "archive" => all_in(&inspector, TaskState::Archived).await,
                _ => expected,
            };
            assert_eq!(then, expected, "{verb} {state}");
            world.assert_consistent().await;
        }
    }
}

async fn all_in(inspector: &Inspector, state: TaskState) -> u64 {
    inspector.tasks("default", state).count().await.unwrap()
}

#[tokio::test]
async fn a_queue_that_is_not_there_is_an_error_and_an_empty_one_is_not() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    let all = inspector.tasks("none", TaskState::Retry);
    assert_eq!(
        all.run().await.unwrap_err().kind(),
        ErrorKind::QueueNotFound
    );
    put(&world, "task", TaskState::Archived, 1).await;
    let result = inspector.tasks("default", TaskState::Retry).run().await;
    assert_eq!(result.unwrap().changed, 0);
}

#[tokio::test]
async fn only_tasks_that_match_are_changed() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    enqueue(&world, 1_000, "x").await;
    let odd = inspector
        .tasks("default", TaskState::Pending)
        .matching(TaskFilter::new().task_type("odd"));
    assert_eq!(odd.count().await.unwrap(), 500);
    let result = odd.archive().await.unwrap();
    assert_eq!([result.examined, result.changed], [1_000, 500]);
    assert_eq!(all_in(&inspector, TaskState::Archived).await, 500);
    // The others keep their order: the newest is at the left.
    let left: Vec<String> = (0..1_000).step_by(2).rev().map(|n| n.to_string()).collect();
    assert_eq!(world.list("pending").await, left);
    world.assert_consistent().await;
}

#[tokio::test]
async fn only_the_tasks_of_the_group_are_changed() {
    for verb in ["run", "archive", "delete"] {
        let world = World::new().await;
        let inspector = world.inspector().await;
        let client = world.client().await;
        for (id, group) in [("a", "g"), ("b", "g"), ("c", "other")] {
            let task = Task::new("any", "x").task_id(id).group(group);
            client.enqueue(task).await.unwrap();
        }
        let group = inspector
            .tasks("default", TaskState::Aggregating)
            .group("g");
        let result = match verb {
            "run" => group.run().await,
            "archive" => group.archive().await,
            _ => group.delete().await,
        };
        assert_eq!(result.unwrap().changed, 2);
        let groups = inspector.groups("default").await.unwrap();
        assert_eq!((groups.len(), &*groups[0].group), (1, "other"));
        assert_eq!(world.state("c").await, "aggregating");
    }
}

#[tokio::test]
async fn each_task_runs_once_though_it_fails_and_comes_back_at_once() {
    for (payload, state) in [
        ("skip x", TaskState::Archived),
        ("fail x", TaskState::Retry),
    ] {
        let world = World::new().await;
        let handler = Scripted::new();
        let server = world
            .server()
            .retry_delay(RetryDelay::constant(HOUR))
            .concurrency(50);
        let server = server.start(handler.clone()).await.unwrap();
        enqueue(&world, 3_000, payload).await;
        let inspector = world.inspector().await;
        all_are(&inspector, state, 3_000).await;
        assert_eq!(handler.begun().len(), 3_000);
        let again = inspector.tasks("default", state).run().await.unwrap();
        assert_eq!([again.examined, again.changed], [3_000; 2]);
        eventually("all tasks have run again", DEADLINE, || async {
            handler.begun().len() >= 6_000
        })
        .await;
        all_are(&inspector, state, 3_000).await;
        let begun = handler.begun();
        let second: BTreeSet<&String> = begun[3_000..].iter().collect();
        assert_eq!((begun.len(), second.len()), (6_000, 3_000));
        server.shutdown().await;
    }
}

async fn all_are(inspector: &Inspector, state: TaskState, count: u64) {
    eventually("all tasks are in the state", DEADLINE, || async {
        let info = inspector.queue_info("default").await.unwrap();
        let there = match state {
            TaskState::Retry => info.retry,
            _ => info.archived,
        };
        there == count
    })
    .await;
}

#[tokio::test]
async fn pending_tasks_are_deleted_while_servers_fetch_from_the_list() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    enqueue(&world, 4_000, "ok").await;
    let handler = Scripted::new();
    let server = world.server().concurrency(20);
    let server = server.start(handler.clone()).await.unwrap();
    let odd = inspector
        .tasks("default", TaskState::Pending)
        .matching(TaskFilter::new().task_type("odd"));
    let deleted = odd.delete().await.unwrap().changed;
    eventually("the queue is empty", DEADLINE, || async {
        world.task_hashes().await.is_empty()
    })
    .await;
    server.shutdown().await;
    let begun = handler.begun();
    let distinct: BTreeSet<&String> = begun.iter().collect();
    assert_eq!(begun.len(), distinct.len());
    assert_eq!(begun.len() as u64 + deleted, 4_000);
    let is_even = |id: &&String| id.parse::<u32>().unwrap() % 2 == 0;
    assert_eq!(begun.iter().filter(is_even).count(), 2_000);
    assert!(deleted > 0);
}

#[tokio::test]
async fn progress_is_told_after_each_step_and_no_step_changes_more_than_400_tasks() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    enqueue(&world, 1_000, "x").await;
    let told: Arc<Mutex<Vec<BulkProgress>>> = Arc::default();
    for (verb, most) in [("archive", 100), ("run", 400), ("delete", 100)] {
        let state = match verb {
            "run" => TaskState::Archived,
            _ => TaskState::Pending,
        };
        told.lock().unwrap().clear();
        let heard = Arc::clone(&told);
        let all = inspector
            .tasks("default", state)
            .on_progress(move |progress| heard.lock().unwrap().push(progress));
        let changed = match verb {
            "archive" => all.archive().await,
            "run" => all.run().await,
            _ => all.delete().await,
        };
        assert_eq!(changed.unwrap().changed, 1_000);
        let told = told.lock().unwrap().clone();
        let steps = told.windows(2).map(|two| two[1].changed - two[0].changed);
        assert!(steps.max() <= Some(most), "{verb}: {told:?}");
        let last = told.last().unwrap();
        let BulkProgress {
            examined,
            matched,
            changed,
            total,
            ..
        } = *last;
        assert_eq!([examined, matched, changed, total], [1_000; 4]);
    }
}

#[tokio::test]
async fn a_task_that_does_not_match_any_more_or_has_come_back_is_left_alone() {
    let world = World::on(RedisServer::builder().tcp()).await;
    let inspector = world.inspector().await;
    for (id, payload) in [("same", "x"), ("other", "x"), ("back", "x"), ("never", "y")] {
        let message = TaskMessage::of(id, payload);
        put_message(&world, &message, TaskState::Retry, 1_000).await;
    }
    let message = TaskMessage::of("other", "y").bytes();
    let message: String = message
        .iter()
        .map(|byte| format!("\\x{byte:02x}"))
        .collect();
    let changes = format!(
        "HSET {} msg \"{message}\"\r\nZADD {} 2000 back\r\n",
        task_key("other"),
        key("retry")
    );
    let port = world.redis.port();
    let filter = TaskFilter::new().payload_contains("x");
    let all = inspector
        .tasks("default", TaskState::Retry)
        .matching(filter)
        .on_progress(move |progress| {
            if progress.changed == 0 {
                // The tasks are read, and not changed yet.
                let mut redis = TcpStream::connect(("127.0.0.1", port)).unwrap();
                redis.write_all(changes.as_bytes()).unwrap();
                let mut answers = [0; 8];
                redis.read_exact(&mut answers).unwrap();
            }
        });
    let result = all.delete().await.unwrap();
    let counts = [result.examined, result.matched, result.changed];
    assert_eq!(counts, [4, 3, 1]);
    let left: Vec<String> = world.scores("retry").await.into_keys().collect();
    assert_eq!(left, ["back", "never", "other"]);
}

#[tokio::test]
async fn an_error_in_the_middle_says_how_many_tasks_were_changed_and_loses_none() {
    let (world, proxy, connection) = World::behind_proxy().await;
    let proxy = Arc::new(proxy);
    let inspector = Inspector::connect(&connection).await.unwrap();
    for n in 0..1_000 {
        put(&world, &n.to_string(), TaskState::Archived, 1).await;
    }
    let cut = Arc::clone(&proxy);
    let all = inspector
        .tasks("default", TaskState::Archived)
        .on_progress(move |progress| {
            if progress.changed > 0 {
                cut.silence();
            }
        });
    let error = all.run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        error
            .to_string()
            .ends_with("at least 400 tasks were changed"),
        "{error}"
    );
    world.assert_consistent().await;
    let pending: i64 = world.run(&["LLEN", &key("pending")]).await;
    let archived: i64 = world.run(&["ZCARD", &key("archived")]).await;
    assert_eq!(pending + archived, 1_000);
}

#[tokio::test]
async fn a_step_whose_reply_is_lost_is_not_made_again() {
    let (world, proxy, connection) = World::behind_proxy().await;
    let inspector = Inspector::connect(&connection).await.unwrap();
    put(&world, "task", TaskState::Archived, 1).await;
    let before = world.calls_of(&["lpush"]).await;
    proxy.lose_reply_to("reschedule");
    let run = inspector.run_task("default", "task");
    assert_eq!(run.await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(world.list("pending").await, ["task"]);
    assert_eq!(world.calls_of(&["lpush"]).await, before + 1);
}

#[tokio::test]
async fn large_messages_are_read_in_several_steps() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    // The locks of these are only in their messages.
    for n in 0..6 {
        let id = n.to_string();
        let lock = key(&format!("unique:any:{n}"));
        let message = TaskMessage {
            unique_key: lock.clone(),
            group_key: "g".to_owned(),
            ..TaskMessage::of(&id, &"x".repeat(400_000))
        };
        put_message(&world, &message, TaskState::Aggregating, 1).await;
        let _: String = world.run(&["SET", &lock, &id]).await;
    }
    let all = inspector.tasks("default", TaskState::Aggregating);
    assert_eq!(all.delete().await.unwrap().changed, 6);
    assert_eq!(world.keys().await, ["asynq:queues"]);
    let hash = task_key("0");
    assert!(!exists(&world, &hash).await);
}
