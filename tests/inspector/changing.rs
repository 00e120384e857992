//! Running, archiving and deleting one task.

use rasynq::{ErrorKind, Inspector, Result, TaskState};

use super::place::{exists, lock, put};
use crate::common::{TaskMessage, World, key, task_key};

const RUN: [TaskState; 5] = [
    TaskState::Scheduled,
    TaskState::Retry,
    TaskState::Archived,
    TaskState::Completed,
    TaskState::Aggregating,
];

const ARCHIVE: [TaskState; 5] = [
    TaskState::Pending,
    TaskState::Scheduled,
    TaskState::Retry,
    TaskState::Completed,
    TaskState::Aggregating,
];

async fn run(inspector: &Inspector, id: &str) -> Result<()> {
    inspector.run_task("default", id).await
}

/// The list or set of a state.
fn place_of(state: TaskState) -> String {
    match state {
        TaskState::Aggregating => key("g:g"),
        state => key(state.as_str()),
    }
}

#[tokio::test]
async fn tasks_of_five_states_can_be_run_and_are_pending_since_then() {
    for state in RUN {
        let world = World::new().await;
        let inspector = world.inspector().await;
        put(&world, "task", state, 1).await;
        run(&inspector, "task").await.unwrap();
        assert_eq!(world.list("pending").await, ["task"], "{state}");
        assert!(!exists(&world, &place_of(state)).await, "{state}");
        assert_eq!(
            world.fields("task").await,
            ["msg", "pending_since", "state"]
        );
        assert_eq!(world.state("task").await, "pending");
        assert!(!exists(&world, &key("groups")).await);
    }
}

#[tokio::test]
async fn tasks_of_five_states_can_be_archived() {
    for state in ARCHIVE {
        let world = World::new().await;
        let inspector = world.inspector().await;
        put(&world, "task", state, 1).await;
        let before = world.now().await;
        inspector.archive_task("default", "task").await.unwrap();
        let archived_at = world.scores("archived").await["task"] as i64;
        assert!((before..=before + 5).contains(&archived_at));
        assert!(!exists(&world, &place_of(state)).await, "{state}");
        assert_eq!(world.fields("task").await, ["msg", "state"]);
        assert_eq!(world.state("task").await, "archived");
        assert!(!exists(&world, &key("groups")).await);
    }
}

#[tokio::test]
async fn tasks_of_every_state_but_active_can_be_deleted_with_their_locks() {
    for state in TaskState::ALL {
        if state == TaskState::Active {
            continue;
        }
        let world = World::new().await;
        let inspector = world.inspector().await;
        put(&world, "task", state, 1).await;
        lock(&world, "task").await;
        inspector.delete_task("default", "task").await.unwrap();
        assert_eq!(world.keys().await, ["asynq:queues"], "{state}");
    }
}

#[tokio::test]
async fn a_lock_that_another_task_holds_stays_when_a_task_is_deleted() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    put(&world, "task", TaskState::Retry, 1).await;
    let lock = lock(&world, "task").await;
    let _: String = world.run(&["SET", &lock, "another"]).await;
    inspector.delete_task("default", "task").await.unwrap();
    assert_eq!(world.keys().await, ["asynq:queues", &lock]);
}

#[tokio::test]
async fn an_archived_task_keeps_its_lock() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    put(&world, "task", TaskState::Scheduled, 1).await;
    let lock = lock(&world, "task").await;
    inspector.archive_task("default", "task").await.unwrap();
    assert_eq!(world.bytes(&["GET", &lock]).await, b"task");
}

#[tokio::test]
async fn a_task_in_a_wrong_state_stays_as_it_is_and_the_error_names_the_state() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    for state in TaskState::ALL {
        put(&world, state.as_str(), state, 1).await;
    }
    let keys = world.keys().await;
    let i = &inspector;
    let refused = [
        (run(i, "active").await, "run", "active"),
        (run(i, "pending").await, "run", "pending"),
        (
            i.archive_task("default", "active").await,
            "archive",
            "active",
        ),
        (
            i.archive_task("default", "archived").await,
            "archive",
            "archived",
        ),
        (i.delete_task("default", "active").await, "delete", "active"),
    ];
    for (result, verb, state) in refused {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WrongState);
        assert_eq!(error.task_id(), Some(state));
        let text = format!("cannot {verb} task {state:?} in queue \"default\": it is {state}");
        assert_eq!(error.to_string(), text);
    }
    assert_eq!(world.keys().await, keys);
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_task_that_is_being_aggregated_cannot_be_changed() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    put(&world, "task", TaskState::Aggregating, 1).await;
    let _: String = world.run(&["RENAME", &key("g:g"), &key("g:g:set")]).await;
    for result in [
        run(&inspector, "task").await,
        inspector.archive_task("default", "task").await,
        inspector.delete_task("default", "task").await,
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WrongState);
        assert!(
            error.to_string().ends_with("it is being aggregated"),
            "{error}"
        );
    }
    assert_eq!(world.fields("task").await, ["group", "msg", "state"]);
}

#[tokio::test]
async fn what_is_not_there_is_told_apart() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    for id in ["task", ""] {
        let error = run(&inspector, id).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::QueueNotFound);
        assert_eq!(error.to_string(), "no queue \"default\"");
    }
    put(&world, "task", TaskState::Retry, 1).await;
    for id in ["other", ""] {
        let error = inspector.delete_task("default", id).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TaskNotFound);
        assert_eq!(
            error.to_string(),
            format!("no task {id:?} in queue \"default\"")
        );
    }
    let error = inspector.archive_task(" ", "task").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_group_stays_listed_until_its_last_task_has_left() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    for id in ["a", "b", "c"] {
        put(&world, id, TaskState::Aggregating, 1).await;
    }
    run(&inspector, "a").await.unwrap();
    inspector.archive_task("default", "b").await.unwrap();
    assert_eq!(inspector.groups("default").await.unwrap()[0].size, 1);
    inspector.delete_task("default", "c").await.unwrap();
    assert!(!exists(&world, &key("groups")).await);
}

#[tokio::test]
async fn a_scheduled_task_that_is_run_does_not_join_its_group_later() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    put(&world, "task", TaskState::Scheduled, 1).await;
    let own = [
        "HSET",
        &task_key("task"),
        "rasynq_group",
        "g",
        "rasynq_owner",
        "x@1",
    ];
    let _: i64 = world.run(&own).await;
    run(&inspector, "task").await.unwrap();
    assert_eq!(
        world.fields("task").await,
        ["msg", "pending_since", "state"]
    );
}

#[tokio::test]
async fn the_lock_of_a_go_task_in_a_group_is_found_in_its_message() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    let lock = key("unique:any:digest");
    for id in ["deleted", "run"] {
        let message = TaskMessage {
            unique_key: lock.clone(),
            group_key: "g".to_owned(),
            headers: [("name".to_owned(), "value".to_owned())].into(),
            last_failed_at: 1_700_000_000,
            ..TaskMessage::of(id, &"payload".repeat(100))
        };
        super::place::put_message(&world, &message, TaskState::Aggregating, 1).await;
        let _: String = world.run(&["SET", &lock, id]).await;
        if id == "deleted" {
            inspector.delete_task("default", id).await.unwrap();
            assert!(!exists(&world, &lock).await);
        } else {
            run(&inspector, id).await.unwrap();
            let name = ["HGET", &task_key(id), "unique_key"];
            assert_eq!(world.bytes(&name).await, lock.as_bytes());
        }
    }
}

#[tokio::test]
async fn a_pending_task_is_found_in_a_list_too_long_to_search() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    fill_pending(&world, 250_000).await;
    for id in ["1", "125000", "249999"] {
        let hash = ["HSET", &task_key(id), "state", "pending", "msg", ""];
        let _: i64 = world.run(&hash).await;
        inspector.delete_task("default", id).await.unwrap();
        let found: Option<i64> = world.run(&["LPOS", &key("pending"), id]).await;
        assert_eq!(found, None);
    }
    let length: i64 = world.run(&["LLEN", &key("pending")]).await;
    assert_eq!(length, 249_997);
    // From both ends the order is kept. In the middle, the newest has taken the place.
    let newest: String = world.run(&["LINDEX", &key("pending"), "0"]).await;
    let oldest: String = world.run(&["LINDEX", &key("pending"), "-1"]).await;
    let middle: String = world.run(&["LINDEX", &key("pending"), "-124999"]).await;
    assert_eq!([&*newest, &*oldest, &*middle], ["249998", "2", "250000"]);
}

/// Writes a list of pending ids without hashes: 1 is the oldest.
async fn fill_pending(world: &World, count: u32) {
    let fill = "for first = ARGV[1], ARGV[2], 1000 do local ids = {} \
                for id = first, first + 999 do ids[#ids + 1] = id end \
                redis.call('LPUSH', KEYS[1], unpack(ids)) end return 1";
    for first in (1..=count).step_by(50_000) {
        let last = (first + 49_999).min(count).to_string();
        let first = first.to_string();
        let fill = ["EVAL", fill, "1", &key("pending"), &first, &last];
        let _: i64 = world.run(&fill).await;
    }
}

#[tokio::test]
async fn tasks_are_run_archived_and_deleted_while_memory_is_full() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    for id in ["run", "archived", "deleted"] {
        put(&world, id, TaskState::Scheduled, 1).await;
    }
    put(&world, "pending", TaskState::Pending, 1).await;
    world.set_out_of_memory(true).await;
    run(&inspector, "run").await.unwrap();
    inspector.archive_task("default", "archived").await.unwrap();
    inspector.delete_task("default", "deleted").await.unwrap();
    inspector.delete_task("default", "pending").await.unwrap();
    assert_eq!(world.list("pending").await, ["run"]);
    world.assert_consistent().await;
}

#[tokio::test]
async fn a_pending_task_that_is_in_no_list_is_damaged_and_not_on_its_way() {
    for count in [1, 150_000] {
        let world = World::new().await;
        let inspector = world.inspector().await;
        fill_pending(&world, count).await;
        put(&world, "task", TaskState::Pending, 1).await;
        let _: i64 = world.run(&["LREM", &key("pending"), "0", "task"]).await;
        for result in [
            inspector.archive_task("default", "task").await,
            inspector.delete_task("default", "task").await,
        ] {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::WrongState, "{error}");
            let end = "its hash says pending, but it is not among the pending tasks";
            assert!(error.to_string().ends_with(end), "{error}");
        }
        assert_eq!(world.state("task").await, "pending");
    }
}

#[tokio::test]
async fn an_archive_that_is_larger_than_the_default_keeps_its_size() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    let fill = "for i = 1, 10500 do local id = 'old-' .. i redis.call('ZADD', KEYS[1], i, id) \
                redis.call('HSET', KEYS[2] .. id, 'msg', '', 'state', 'archived') end";
    let fill = ["EVAL", fill, "2", &key("archived"), &task_key("")];
    let _: Option<i64> = world.run(&fill).await;
    for id in ["a", "b", "c"] {
        put(&world, id, TaskState::Retry, 1).await;
    }
    inspector.archive_task("default", "a").await.unwrap();
    let all = inspector.tasks("default", TaskState::Retry);
    assert_eq!(all.archive().await.unwrap().changed, 2);
    let archived: i64 = world.run(&["ZCARD", &key("archived")]).await;
    assert_eq!(
        (archived, world.task_hashes().await.len()),
        (10_500, 10_500)
    );
    assert_eq!(world.state("old-3").await, "");
    assert_eq!(world.state("old-4").await, "archived");
}
