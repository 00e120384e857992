//! What the inspector says of queues: sizes, counters, memory, history.

use std::time::Duration;

use rasynq::chrono::{DateTime, TimeDelta};
use rasynq::{ErrorKind, Task, TaskFilter, TaskState};

use crate::common::{TaskMessage, World, key, task_key};
use crate::support::{add_all, ids};

/// Makes groups of one task each, without hashes.
const MAKE_GROUPS: &str = "
for n = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  redis.call('SADD', KEYS[1], 'group' .. n)
  redis.call('ZADD', KEYS[2] .. 'group' .. n, 1, 'task' .. n)
end
return 1";

async fn make_groups(world: &World, first: u32, last: u32) {
    let (groups, prefix) = (key("groups"), key("g:"));
    let (first, last) = (first.to_string(), last.to_string());
    let call = ["EVAL", MAKE_GROUPS, "2", &groups, &prefix, &first, &last];
    let _: i64 = world.run(&call).await;
}

#[tokio::test]
async fn the_info_of_a_queue_counts_the_tasks_of_each_state_and_reads_its_counters() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    world.store_in_each_state().await;
    let now = world.now().await;
    let today = DateTime::from_timestamp(now, 0).unwrap().date_naive();
    for (counter, n) in [
        (format!("processed:{today}"), "7"),
        (format!("failed:{today}"), "2"),
        ("processed".to_owned(), "70"),
        ("failed".to_owned(), "20"),
        ("paused".to_owned(), "1700000000"),
    ] {
        let _: String = world.run(&["SET", &key(&counter), n]).await;
    }
    // The task that is processed next is the one that was pushed first.
    let since = ((now - 90) * 1_000_000_000).to_string();
    let set = ["HSET", &task_key("p1"), "pending_since", &since];
    let _: i64 = world.run(&set).await;

    let info = inspector.queue_info("default").await.unwrap();
    let sizes = [
        info.pending,
        info.active,
        info.orphaned,
        info.scheduled,
        info.retry,
        info.archived,
        info.completed,
        info.aggregating,
        info.groups,
    ];
    assert_eq!(sizes, [3, 2, 1, 2, 2, 2, 2, 2, 2]);
    assert_eq!(info.size(), 15);
    assert!(!info.aggregating_is_estimate);
    let counters = [
        info.processed,
        info.failed,
        info.processed_total,
        info.failed_total,
    ];
    assert_eq!(counters, [7, 2, 70, 20]);
    assert!(info.is_paused());
    assert_eq!(
        info.paused_since,
        DateTime::from_timestamp(1_700_000_000, 0)
    );
    let latency = info.latency.as_secs_f64();
    assert!((90.0..100.0).contains(&latency), "{latency}");
    let age = info.read_at.timestamp() - now;
    assert!((0..10).contains(&age), "{age}");
}

#[tokio::test]
async fn an_empty_queue_has_zeros_and_what_is_no_number_counts_as_zero() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    world.register().await;
    let info = inspector.queue_info("default").await.unwrap();
    assert_eq!((info.size(), info.groups, info.orphaned), (0, 0, 0));
    assert_eq!((info.latency, info.paused_since), (Duration::ZERO, None));
    assert_eq!(inspector.memory_usage("default").await.unwrap(), 0);

    let _: String = world.run(&["SET", &key("processed"), "many"]).await;
    let _: String = world.run(&["SET", &key("paused"), "since noon"]).await;
    // Its task is gone.
    let _: i64 = world.run(&["LPUSH", &key("pending"), "gone"]).await;
    let info = inspector.queue_info("default").await.unwrap();
    assert_eq!((info.processed_total, info.latency), (0, Duration::ZERO));
    assert!(info.is_paused());
}

#[tokio::test]
async fn an_orphaned_task_is_an_active_one_whose_lease_has_expired() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    world.store_in_each_state().await;
    let expired = (world.now().await - 1).to_string();
    // Leases of tasks that are not active, and of one that is gone.
    for id in ["p1", "s1", "gone"] {
        let _: i64 = world.run(&["ZADD", &key("lease"), &expired, id]).await;
    }
    let orphaned = inspector
        .tasks("default", TaskState::Active)
        .matching(TaskFilter::new().orphaned());
    assert_eq!(ids(orphaned.page(1, 30).await.unwrap()), ["a1"]);
    let info = inspector.queue_info("default").await.unwrap();
    assert_eq!((info.active, info.orphaned), (2, 1));

    // So many that they are not all looked at.
    for n in 0..600 {
        let id = format!("x{n:03}");
        let _: i64 = world.run(&["ZADD", &key("lease"), &expired, &id]).await;
    }
    let info = inspector.queue_info("default").await.unwrap();
    assert_eq!((info.active, info.orphaned), (2, 2));
}

#[tokio::test]
async fn a_group_of_a_wrong_type_counts_as_none() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    world.register().await;
    make_groups(&world, 1, 3).await;
    let _: i64 = world.run(&["DEL", &key("g:group2")]).await;
    let _: i64 = world.run(&["LPUSH", &key("g:group2"), "task2"]).await;
    let info = inspector.queue_info("default").await.unwrap();
    assert_eq!((info.groups, info.aggregating), (3, 2));
    assert!(inspector.memory_usage("default").await.unwrap() > 0);
}

#[tokio::test]
async fn groups_are_counted_up_to_five_thousand_and_more_are_estimated_from_a_sample() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    world.register().await;
    make_groups(&world, 1, 5_000).await;
    let info = inspector.queue_info("default").await.unwrap();
    assert_eq!((info.groups, info.aggregating), (5_000, 5_000));
    assert!(!info.aggregating_is_estimate);

    make_groups(&world, 5_001, 20_000).await;
    let all = ["zcard", "smembers", "srandmember"];
    let before = (world.calls_of(&all).await, world.all_calls().await);
    let info = inspector.queue_info("default").await.unwrap();
    assert_eq!((info.groups, info.aggregating), (20_000, 20_000));
    assert!(info.aggregating_is_estimate);
    inspector.memory_usage("default").await.unwrap();
    let after = (world.calls_of(&all).await, world.all_calls().await);
    // For each of the two calls: 1,000 groups, the sample of their names, and some sets. The first number counts as well
    // what the second one does.
    assert!(after.0 - before.0 < 2_030, "{}", after.0 - before.0);
    assert!(after.1 - before.1 < 2_150, "{}", after.1 - before.1);
    assert_eq!(world.calls_of(&["smembers"]).await, 1);
}

#[tokio::test]
async fn the_memory_of_a_queue_is_estimated_from_a_sample_of_its_tasks() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    let payload = "x".repeat(10_000);
    let task = |n: usize| Task::new("any", payload.clone()).task_id(n.to_string());
    add_all(&world, (0..300).map(task)).await;
    let task = |n: usize| Task::new("any", payload.clone()).group(format!("group{}", n % 20));
    add_all(&world, (0..100).map(task)).await;
    let bytes = inspector.memory_usage("default").await.unwrap();
    assert!((4_000_000..5_200_000).contains(&bytes), "{bytes}");
    let before = world.calls_of(&["memory|usage"]).await;
    inspector.memory_usage("default").await.unwrap();
    // 20 pending tasks, 25 of five groups, these groups, and the lists.
    let calls = world.calls_of(&["memory|usage"]).await - before;
    assert!(calls < 60, "{calls}");

    // Ids whose tasks are gone do not count for the mean.
    let _: i64 = world.run(&["LPUSH", &key("pending"), "gone", "lost"]).await;
    let with_ids = inspector.memory_usage("default").await.unwrap();
    assert!((bytes..bytes + 50_000).contains(&with_ids), "{with_ids}");
}

#[tokio::test]
async fn a_history_begins_with_today_and_has_each_day_once() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    world.register().await;
    let today = DateTime::from_timestamp(world.now().await, 0).unwrap();
    let day = |ago: i64| (today - TimeDelta::days(ago)).date_naive();
    for (name, ago, n) in [
        ("processed", 0, "5"),
        ("failed", 0, "1"),
        ("processed", 2, "3"),
        ("processed", 800, "9"),
    ] {
        let name = key(&format!("{name}:{}", day(ago)));
        let _: String = world.run(&["SET", &name, n]).await;
    }
    let history = inspector.history("default", 3).await.unwrap();
    let shown: Vec<_> = history
        .iter()
        .map(|stats| (&*stats.queue, stats.date, stats.processed, stats.failed))
        .collect();
    assert_eq!(
        shown,
        [
            ("default", day(0), 5, 1),
            ("default", day(1), 0, 0),
            ("default", day(2), 3, 0),
        ]
    );
    let long = inspector.history("default", 1_000).await.unwrap();
    assert_eq!(long.len(), 1_000);
    assert_eq!((long[800].date, long[800].processed), (day(800), 9));
    for days in [0, 3_651] {
        let error = inspector.history("default", days).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}

#[tokio::test]
async fn a_name_that_is_not_utf8_hides_no_other_queue_and_no_other_group() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    make_groups(&world, 1, 2).await;
    world.register().await;
    for set in ["asynq:queues", &key("groups")] {
        let call = [
            "EVAL",
            "return redis.call('SADD', KEYS[1], '\\255')",
            "1",
            set,
        ];
        let _: i64 = world.run(&call).await;
    }
    let queues = inspector.queues().await.unwrap();
    assert_eq!(queues, ["default", "\u{fffd}"]);
    let groups = inspector.groups("default").await.unwrap();
    let names: Vec<&str> = groups.iter().map(|group| &*group.group).collect();
    assert_eq!(names, ["group1", "group2"]);
}

#[tokio::test]
async fn a_queue_that_does_not_exist_is_not_found() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    let message = TaskMessage::of("known", "");
    // Its queue is not listed.
    world.store_pending("other", "known", message.bytes()).await;
    for (queue, expected) in [
        ("other", ErrorKind::QueueNotFound),
        ("missing", ErrorKind::QueueNotFound),
        (" ", ErrorKind::Invalid),
    ] {
        let pending = inspector.tasks(queue, TaskState::Pending);
        let errors = [
            inspector.queue_info(queue).await.unwrap_err(),
            inspector.memory_usage(queue).await.unwrap_err(),
            inspector.history(queue, 1).await.unwrap_err(),
            inspector.task_info(queue, "gone").await.unwrap_err(),
            inspector.task_details(queue, "gone").await.unwrap_err(),
            pending.page(1, 30).await.unwrap_err(),
            pending.count().await.unwrap_err(),
            pending.stream().next().await.unwrap().unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), expected, "{queue:?}: {error}");
            assert!(error.to_string().contains(&format!("{queue:?}")), "{error}");
        }
    }
}
