//! Pages of tasks.

use rasynq::{ErrorKind, Task, TaskState};

use crate::common::{TaskMessage, World, key};
use crate::support::{add_all, ids, page};

#[tokio::test]
async fn pages_are_in_the_order_of_processing_and_of_time() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    world.store_in_each_state().await;
    for (state, expected) in [
        (TaskState::Pending, &["p1", "p2", "p3"][..]),
        (TaskState::Active, &["a1", "a2"]),
        (TaskState::Scheduled, &["s2", "s1"]),
        (TaskState::Retry, &["r2", "r1"]),
        (TaskState::Archived, &["d2", "d1"]),
        (TaskState::Completed, &["c2", "c1"]),
        // Group by group, by name.
        (TaskState::Aggregating, &["g2", "g1"]),
    ] {
        assert_eq!(page(&inspector, state, 1, 30).await, expected);
        assert_eq!(page(&inspector, state, 1, u64::MAX).await, expected);
        for (n, id) in (1..).zip(expected) {
            assert_eq!(page(&inspector, state, n, 1).await, [*id]);
        }
        let end = expected.len() as u64 + 1;
        assert_eq!(page(&inspector, state, end, 1).await, [""; 0]);
        assert_eq!(page(&inspector, state, u64::MAX, 2).await, [""; 0]);
        let mut streamed = Vec::new();
        let selection = inspector.tasks("default", state);
        let mut stream = selection.stream();
        while let Some(task) = stream.next().await {
            streamed.push(task.unwrap());
        }
        assert_eq!(ids(streamed), expected);
        assert_eq!(selection.count().await.unwrap(), expected.len() as u64);
    }
    assert_eq!(page(&inspector, TaskState::Pending, 2, 2).await, ["p3"]);
    let group = inspector
        .tasks("default", TaskState::Aggregating)
        .group("z");
    assert_eq!(ids(group.page(1, 30).await.unwrap()), ["g1"]);
    assert_eq!(group.count().await.unwrap(), 1);
    let missing = group.group("missing");
    assert_eq!(missing.page(1, 30).await.unwrap(), []);
}

#[tokio::test]
async fn listed_tasks_have_their_state_their_times_and_their_results() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    world.store_in_each_state().await;
    let set = |id| {
        [
            "HSET".to_owned(),
            crate::common::task_key(id),
            "result".to_owned(),
            "done".to_owned(),
        ]
    };
    let words = set("c1");
    let _: i64 = world.run(&words.each_ref().map(String::as_str)).await;
    let now = world.now().await;
    for state in TaskState::ALL {
        for task in inspector.tasks("default", state).page(1, 30).await.unwrap() {
            let id = task.id.as_str();
            let next = task.next_process_at.map(|at| at.timestamp());
            match state {
                TaskState::Pending => assert!((now..now + 10).contains(&next.unwrap())),
                TaskState::Scheduled | TaskState::Retry => {
                    let expected = if id.ends_with('1') {
                        2_000_000_020
                    } else {
                        2_000_000_010
                    };
                    assert_eq!(next, Some(expected));
                }
                _ => assert_eq!(next, None),
            }
            assert_eq!(task.state, state);
            assert_eq!(task.is_orphaned, id == "a1");
            assert_eq!(task.result, if id == "c1" { "done" } else { "" });
            assert_eq!(
                inspector
                    .task_info("default", id)
                    .await
                    .unwrap()
                    .is_orphaned,
                id == "a1"
            );
        }
    }
}

#[tokio::test]
async fn ids_without_a_task_are_left_out_and_counted_nowhere() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    world.store_in_each_state().await;
    let _: i64 = world.run(&["LPUSH", &key("pending"), "gone"]).await;
    let _: i64 = world.run(&["RPUSH", &key("pending"), "lost"]).await;
    // A key of a wrong type is no task.
    let _: i64 = world.run(&["ZADD", &key("archived"), "1", "odd"]).await;
    let _: String = world.run(&["SET", &key("t:odd"), "1"]).await;
    for (state, expected) in [
        (TaskState::Pending, &["p1", "p2", "p3"][..]),
        (TaskState::Archived, &["d2", "d1"]),
    ] {
        assert_eq!(page(&inspector, state, 1, 30).await, expected);
        let filter = rasynq::TaskFilter::new().task_type("any");
        let matching = inspector.tasks("default", state).matching(filter);
        assert_eq!(matching.count().await.unwrap(), expected.len() as u64);
    }
    let pending = inspector.tasks("default", TaskState::Pending);
    assert_eq!(pending.count().await.unwrap(), 3);
    assert_eq!(page(&inspector, TaskState::Pending, 1, 2).await, ["p1"]);
}

#[tokio::test]
async fn a_task_that_does_not_decode_is_listed_with_what_is_known_of_it() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    world.store_in_each_state().await;
    world.store_pending("default", "broken", "\x0a\u{ff}").await;
    let pending = inspector.tasks("default", TaskState::Pending);
    let mut tasks = pending.page(1, 30).await.unwrap();
    let task = tasks.pop().unwrap();
    assert!(task.is_undecodable && task.next_process_at.is_some());
    assert_eq!((&*task.id, &*task.queue), ("broken", "default"));
    assert_eq!((task.state, &*task.task_type), (TaskState::Pending, ""));
    assert!(tasks.iter().all(|task| !task.is_undecodable));

    let details = inspector.task_details("default", "broken").await.unwrap();
    let error = details.decode_error.unwrap();
    assert!(error.starts_with("TaskMessage of 3 bytes"), "{error}");
    assert_eq!(details.info.id, "broken");
    let error = inspector.task_info("default", "broken").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Undecodable);
}

#[tokio::test]
async fn ids_that_are_not_utf8_are_listed_too() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    world.register().await;
    let write = "local id = '\\255id'
        redis.call('LPUSH', KEYS[1], id)
        redis.call('HSET', KEYS[2] .. id, 'msg', ARGV[1], 'state', 'pending')
        return 1";
    let (list, prefix) = (key("pending"), key("t:"));
    let _: i64 = world
        .run(&["EVAL", write, "2", &list, &prefix, "\u{1}"])
        .await;
    let task = inspector
        .tasks("default", TaskState::Pending)
        .page(1, 1)
        .await
        .unwrap();
    assert_eq!(ids(task), ["\u{fffd}id"]);
    let selection = inspector.tasks("default", TaskState::Pending);
    assert_eq!(selection.count().await.unwrap(), 1);
    assert_eq!(
        selection.stream().next().await.unwrap().unwrap().id,
        "\u{fffd}id"
    );
}

#[tokio::test]
async fn a_page_of_large_messages_is_read_in_parts() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    world.register().await;
    let payload = "x".repeat(600_000);
    for n in 0..6 {
        let message = TaskMessage::of(&format!("t{n}"), &payload);
        world.store_scored("retry", "retry", n, &message).await;
    }
    let before = world.calls_of(&["hmget"]).await;
    let tasks = inspector
        .tasks("default", TaskState::Retry)
        .page(1, 30)
        .await
        .unwrap();
    assert!(tasks.iter().all(|task| task.payload.len() == payload.len()));
    assert_eq!(ids(tasks), ["t0", "t1", "t2", "t3", "t4", "t5"]);
    // One message fits into a part of 1 MiB. The second one ends it.
    assert_eq!(world.calls_of(&["hmget"]).await - before, 11);
}

#[tokio::test]
async fn a_page_of_all_groups_counts_only_the_groups_up_to_its_end() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    let task = |n: usize| {
        let task = Task::new("any", "").task_id(format!("{n:04}"));
        task.group(format!("g{n:04}"))
    };
    add_all(&world, (0..1_600).map(task)).await;
    let aggregating = inspector.tasks("default", TaskState::Aggregating);
    let before = world.calls_of(&["zcard"]).await;
    let first = ids(aggregating.page(1, 3).await.unwrap());
    assert_eq!(first, ["0000", "0001", "0002"]);
    assert_eq!(world.calls_of(&["zcard"]).await - before, 500);
    // It begins in the first five hundred, and ends behind them.
    let page = ids(aggregating.page(5, 120).await.unwrap());
    let expected: Vec<String> = (480..600).map(|n| format!("{n:04}")).collect();
    assert_eq!(page, expected);
    assert_eq!(world.calls_of(&["zcard"]).await - before, 1_500);
}

#[tokio::test]
async fn a_page_of_nothing_and_a_group_of_another_state_are_refused() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    world.store_in_each_state().await;
    let pending = inspector.tasks("default", TaskState::Pending);
    for (page, size) in [(0, 30), (1, 0)] {
        let error = pending.page(page, size).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    let grouped = pending.clone().group("g");
    let filter = rasynq::TaskFilter::new().payload_json("a[", 1);
    for wrong in [grouped, pending.matching(filter)] {
        let errors = [
            wrong.page(1, 30).await.unwrap_err(),
            wrong.count().await.unwrap_err(),
            wrong.stream().next().await.unwrap().unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        }
    }
}
