//! Selections with a filter.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rasynq::{BulkProgress, Task, TaskFilter, TaskState};

use crate::common::{HOUR, Log, TaskMessage, World};
use crate::support::{add_all, ids};

#[tokio::test]
async fn pages_streams_and_counts_have_only_the_tasks_that_match() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    let task = |n: usize| {
        let payload = format!(r#"{{"user": {{"id": {}}}}}"#, n % 3);
        let task = Task::new(
            if n.is_multiple_of(2) {
                "email:send"
            } else {
                "image"
            },
            payload,
        );
        task.task_id(format!("t{n:04}"))
            .header("n", (n % 5).to_string())
    };
    add_all(&world, (0..1_200).map(task)).await;
    let filter = TaskFilter::new()
        .task_type("email:*")
        .payload_json("user.id", 0)
        .header("n", "0");
    let selection = inspector
        .tasks("default", TaskState::Pending)
        .matching(filter);
    // Every 30th task.
    let expected: Vec<String> = (0..40).map(|n| format!("t{:04}", n * 30)).collect();
    let mut stream = selection.stream();
    let mut streamed = Vec::new();
    while let Some(task) = stream.next().await {
        streamed.push(task.unwrap());
    }
    assert_eq!(ids(streamed), expected);
    assert_eq!(ids(selection.page(1, 15).await.unwrap()), expected[..15]);
    assert_eq!(ids(selection.page(3, 15).await.unwrap()), expected[30..]);
    assert_eq!(selection.page(4, 15).await.unwrap(), []);
    assert_eq!(selection.count().await.unwrap(), 40);
}

#[tokio::test]
async fn the_age_of_a_task_depends_on_its_state() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    world.store_in_each_state().await;
    let now = world.now().await;
    let old = |id: &str| TaskMessage {
        last_failed_at: now - 7_200,
        completed_at: now - 7_200,
        ..TaskMessage::of(id, "")
    };
    for (set, state, score) in [
        ("retry", "retry", now + 60),
        ("archived", "archived", now - 7_200),
        ("completed", "completed", now + 60),
        ("g:a", "aggregating", now - 7_200),
        ("scheduled", "scheduled", now + 60),
    ] {
        world
            .store_scored(set, state, score, &old(&format!("old:{state}")))
            .await;
    }
    world
        .store_pending("default", "old:pending", old("old:pending").bytes())
        .await;
    let since = ((now - 7_200) * 1_000_000_000).to_string();
    let task = crate::common::task_key("old:pending");
    let _: i64 = world.run(&["HSET", &task, "pending_since", &since]).await;
    for state in TaskState::ALL {
        let of = |filter| inspector.tasks("default", state).matching(filter);
        let expected = match state {
            TaskState::Active | TaskState::Scheduled => vec![],
            state => vec![format!("old:{state}")],
        };
        let older = TaskFilter::new().older_than(HOUR);
        let hours = 3 * HOUR;
        let between = older.clone().younger_than(hours);
        for filter in [older, between] {
            let found = of(filter).page(1, 30).await.unwrap();
            assert_eq!(ids(found), expected, "{state}");
        }
        let older = TaskFilter::new().older_than(hours);
        assert_eq!(of(older).count().await.unwrap(), 0, "{state}");
    }
    let orphans = inspector
        .tasks("default", TaskState::Active)
        .matching(TaskFilter::new().orphaned());
    assert_eq!(ids(orphans.page(1, 30).await.unwrap()), ["a1"]);
    let in_group = inspector
        .tasks("default", TaskState::Aggregating)
        .matching(TaskFilter::new().group("z"));
    assert_eq!(ids(in_group.page(1, 30).await.unwrap()), ["g1"]);
}

#[tokio::test]
async fn progress_is_reported_after_each_step_and_a_hook_may_panic() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    let task =
        |n: usize| Task::new(if n == 700 { "rare" } else { "any" }, "").task_id(n.to_string());
    add_all(&world, (0..1_200).map(task)).await;
    let reports: Arc<Mutex<Vec<BulkProgress>>> = Arc::default();
    let hook = {
        let reports = Arc::clone(&reports);
        move |progress| reports.lock().unwrap().push(progress)
    };
    let pending = inspector
        .tasks("default", TaskState::Pending)
        .on_progress(hook);
    let rare = pending
        .clone()
        .matching(TaskFilter::new().task_type("rare"));
    let numbers = || -> Vec<_> {
        let reported = reports.lock().unwrap().split_off(0);
        let numbers = reported.iter();
        numbers
            .map(|p| (p.examined, p.matched, p.changed, p.total))
            .collect()
    };
    let expected = [
        (500, 0, 0, 1_200),
        (1_000, 1, 0, 1_200),
        (1_200, 1, 0, 1_200),
    ];
    assert_eq!(rare.count().await.unwrap(), 1);
    assert_eq!(numbers(), expected);
    let mut stream = rare.stream();
    assert_eq!(stream.next().await.unwrap().unwrap().id, "700");
    assert!(stream.next().await.is_none());
    assert_eq!(numbers(), expected);
    assert_eq!(pending.count().await.unwrap(), 1_200);
    let last = reports.lock().unwrap().pop().unwrap();
    assert_eq!(
        (last.examined, last.matched, last.total),
        (1_200, 1_200, 1_200)
    );

    let log = Log::capture();
    let panics = pending.on_progress(|_| panic!("in the hook"));
    assert_eq!(panics.count().await.unwrap(), 1_200);
    assert!(
        !log.lines_with(&["a hook panicked", "on_progress", "in the hook"])
            .is_empty()
    );
}

/// A value of the caller whose drop panics.
struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("in the drop");
    }
}

#[tokio::test]
async fn a_value_of_the_progress_hook_may_panic_when_it_is_dropped() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    world.store_in_each_state().await;
    let log = Log::capture();
    let value = PanicsWhenDropped;
    let pending = inspector
        .tasks("default", TaskState::Pending)
        .on_progress(move |_| {
            let _ = &value;
        });
    let clone = pending.clone();
    assert_eq!(pending.count().await.unwrap(), 3);
    drop(pending);
    assert!(log.lines_with(&["in the drop"]).is_empty());
    drop(clone);
    let lines = log.lines_with(&["panicked while it was dropped", "in the drop"]);
    assert_eq!(lines.len(), 1);
}

#[tokio::test]
async fn a_stream_goes_on_where_a_dropped_future_was() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    let task = |n: usize| Task::new("any", "").task_id(format!("{n:04}"));
    add_all(&world, (0..1_100).map(task)).await;
    let mut stream = inspector.tasks("default", TaskState::Pending).stream();
    let mut found = Vec::new();
    loop {
        // Mostly too short for a round trip.
        let next = tokio::time::timeout(Duration::from_micros(100), stream.next());
        match next.await {
            Ok(Some(task)) => found.push(task.unwrap().id),
            Ok(None) => break,
            Err(_) => {}
        }
    }
    let expected: Vec<String> = (0..1_100).map(|n| format!("{n:04}")).collect();
    assert_eq!(found, expected);
    assert!(stream.next().await.is_none());
}
