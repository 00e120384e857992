//! Several schedulers in one process.

use std::time::Duration;

use rasynq::{Entry, RunningScheduler, Task, Tz};

use crate::common::{DEADLINE, World, eventually};
use crate::seen::{
    LONGEST_GAP, assert_each_once, every, longest_gap, pending, pending_reach, scheduler, start,
};

/// The types of the pending tasks, each with their number.
async fn types(world: &World) -> Vec<(String, usize)> {
    let mut types: Vec<(String, usize)> = Vec::new();
    for task in pending(world).await {
        match types.iter_mut().find(|(other, _)| *other == task.task_type) {
            Some((_, n)) => *n += 1,
            None => types.push((task.task_type, 1)),
        }
    }
    types.sort();
    types
}

#[tokio::test]
async fn three_schedulers_enqueue_each_tick_once_and_list_each_entry_once() {
    let world = World::new().await;
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(start(&world, every(1, "tick")).await);
    }
    let tasks = pending_reach(&world, 6).await;
    let leaders: Vec<bool> = all.iter().map(RunningScheduler::is_leader).collect();
    assert_eq!(leaders, [true, false, false]);
    let ids: Vec<_> = all.iter().map(|one| one.entries()[0].id.clone()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]));
    let led: Vec<bool> = all.iter().map(|one| one.entries()[0].is_led).collect();
    assert_eq!(led, [true, false, false]);
    let inspector = world.inspector().await;
    assert_eq!(inspector.scheduler_entries().await.unwrap().len(), 1);
    let mut listed: Vec<(bool, usize)> = inspector
        .schedulers()
        .await
        .unwrap()
        .into_iter()
        .map(|one| (one.is_leader, one.entries))
        .collect();
    listed.sort_unstable();
    assert_eq!(listed, [(false, 0), (false, 0), (true, 1)]);
    for one in all {
        one.shutdown().await;
    }
    assert_each_once(&tasks);
    assert_eq!(longest_gap(&tasks), 1, "{tasks:?}");
}

#[tokio::test]
async fn when_the_leader_shuts_down_another_scheduler_takes_over_within_3_seconds() {
    let world = World::new().await;
    let first = start(&world, every(1, "tick")).await;
    let second = start(&world, every(1, "tick")).await;
    pending_reach(&world, 2).await;
    first.shutdown().await;
    let so_far = pending(&world).await.len();
    let tasks = pending_reach(&world, so_far + 3).await;
    assert!(second.is_leader());
    let previous = second.entries()[0].previous.unwrap().timestamp();
    assert!(previous >= tasks[so_far].since_ms / 1000, "{previous}");
    second.shutdown().await;
    assert_each_once(&tasks);
    assert!(longest_gap(&tasks) <= 3, "{tasks:?}");
}

#[tokio::test]
async fn a_dropped_scheduler_leaves_its_entries_to_another_one() {
    let world = World::new().await;
    let first = start(&world, every(1, "tick")).await;
    let second = start(&world, every(1, "tick")).await;
    pending_reach(&world, 2).await;
    drop(first);
    let so_far = pending(&world).await.len();
    let tasks = pending_reach(&world, so_far + 3).await;
    second.shutdown().await;
    assert_each_once(&tasks);
    assert!(longest_gap(&tasks) <= LONGEST_GAP, "{tasks:?}");
}

#[tokio::test]
async fn an_entry_that_only_a_follower_has_is_enqueued_by_it() {
    let world = World::new().await;
    let leader = start(&world, every(1, "of both")).await;
    let follower = start(&world, every(1, "of both")).await;
    follower.register(every(1, "of one")).await.unwrap();
    eventually("both entries tick", DEADLINE, || async {
        let types = types(&world).await;
        types.len() == 2 && types.iter().all(|(_, n)| *n >= 2)
    })
    .await;
    let led: Vec<bool> = follower.entries().iter().map(|one| one.is_led).collect();
    assert_eq!(led, [false, true]);
    // The leader takes the entry once it has it too.
    leader.register(every(1, "of one")).await.unwrap();
    eventually("the leader leads both", DEADLINE, || async {
        leader.entries().iter().all(|one| one.is_led)
            && follower.entries().iter().all(|one| !one.is_led)
    })
    .await;
    leader.shutdown().await;
    follower.shutdown().await;
    let tasks = pending(&world).await;
    for task_type in ["of both", "of one"] {
        let own = tasks.iter().filter(|task| task.task_type == task_type);
        assert_each_once(&own.cloned().collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn without_leader_election_everything_is_enqueued_twice() {
    let world = World::new().await;
    let builder = || scheduler(&world).leader_election(false);
    let first = builder().register(every(2, "tick")).start().await.unwrap();
    let second = builder().register(every(2, "tick")).start().await.unwrap();
    assert!(first.is_leader() && second.is_leader());
    assert_ne!(first.entries()[0].id, second.entries()[0].id);
    let tasks = pending_reach(&world, 4).await;
    let span_s = (tasks[3].since_ms - tasks[0].since_ms) / 1000;
    assert!(span_s <= 3, "{tasks:?}");
    first.shutdown().await;
    second.shutdown().await;
    let left = world.keys().await;
    let own: Vec<&String> = left
        .iter()
        .filter(|key| key.starts_with("rasynq:"))
        .collect();
    assert!(own.is_empty(), "{own:?}");
}

#[tokio::test]
async fn the_same_entry_twice_in_one_scheduler_is_two() {
    let world = World::new().await;
    let both = || {
        scheduler(&world)
            .register(every(1, "tick"))
            .register(every(1, "tick"))
    };
    let first = both().start().await.unwrap();
    let second = both().start().await.unwrap();
    let ids = |one: &RunningScheduler| -> Vec<String> {
        one.entries().into_iter().map(|entry| entry.id).collect()
    };
    assert_ne!(ids(&first)[0], ids(&first)[1]);
    assert_eq!(ids(&first), ids(&second));
    let tasks = pending_reach(&world, 4).await;
    // The first one is free again.
    first.unregister(&ids(&first)[0]).await.unwrap();
    let again = first.register(every(1, "tick")).await.unwrap();
    assert_eq!(again, ids(&second)[0]);
    first.shutdown().await;
    second.shutdown().await;
    let of_first_second = tasks
        .iter()
        .filter(|task| task.since_ms / 1000 == tasks[0].since_ms / 1000);
    assert_eq!(of_first_second.count(), 2, "{tasks:?}");
}

#[tokio::test]
async fn schedulers_with_other_locations_have_other_entries_unless_they_are_named() {
    let world = World::new().await;
    let entry = |name: Option<&str>| {
        let entry = every(1, name.unwrap_or("nameless"));
        match name {
            Some(name) => entry.name(name),
            None => entry,
        }
    };
    let mut all = Vec::new();
    for zone in [Tz::UTC, Tz::Europe__Berlin] {
        let builder = scheduler(&world).location(zone);
        let builder = builder.register(entry(None)).register(entry(Some("named")));
        all.push(builder.start().await.unwrap());
    }
    eventually("all tick", DEADLINE, || async {
        types(&world).await.iter().map(|(_, n)| n).sum::<usize>() >= 9
    })
    .await;
    for one in all {
        one.shutdown().await;
    }
    let types = types(&world).await;
    let [(_, named), (_, nameless)] = types.as_slice() else {
        panic!("{types:?}");
    };
    assert!(nameless.abs_diff(2 * named) <= 2, "{types:?}");
}

#[tokio::test]
async fn a_named_entry_is_the_same_one_when_its_task_has_changed() {
    let world = World::new().await;
    let entry =
        |payload: &'static str| Entry::new("@every 1s", Task::new("tick", payload)).name("named");
    let old = start(&world, entry("old")).await;
    let new = start(&world, entry("new")).await;
    let before = pending_reach(&world, 2).await.len();
    old.shutdown().await;
    let tasks = pending_reach(&world, before + 2).await;
    new.shutdown().await;
    assert_each_once(&tasks);
    let last = world.message(&tasks[before + 1].id).await;
    assert_eq!(last.payload, b"new");
}

#[tokio::test]
async fn a_leader_whose_lease_was_taken_enqueues_nothing_more() {
    let world = World::new().await;
    let scheduler = start(&world, every(1, "tick")).await;
    pending_reach(&world, 1).await;
    // Another scheduler leads everything, for as long as this test takes.
    let until = ((world.now().await + 600) * 1000).to_string();
    let other = "other:1:some-uuid";
    let entry: Vec<String> = world.run(&["HKEYS", "rasynq:{scheduler}:entries"]).await;
    let _: i64 = world
        .run(&["ZADD", "rasynq:{scheduler}:members", &until, other])
        .await;
    let _: i64 = world
        .run(&["HSET", "rasynq:{scheduler}:leader", "id", other])
        .await;
    let held = format!("99999999999999:{other}");
    let _: i64 = world
        .run(&["HSET", "rasynq:{scheduler}:entries", &entry[0], &held])
        .await;
    eventually("the scheduler has noticed", DEADLINE, || async {
        !scheduler.is_leader() && !scheduler.entries()[0].is_led
    })
    .await;
    let so_far = pending(&world).await;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(pending(&world).await, so_far);
    scheduler.shutdown().await;
}
