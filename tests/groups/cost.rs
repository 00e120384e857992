//! What groups cost Redis while none is due.

use std::time::Duration;

use rasynq::{GroupLimits, Task};

use crate::common::{HOUR, Log, RedisServer, Scripted, World, eventually, key, logged};
use crate::support::{LONG, add, add_all, join, member, only_aggregating};

/// The commands that read groups.
const READS: [&str; 6] = [
    "sscan",
    "smembers",
    "smismember",
    "zcard",
    "zrange",
    "zscore",
];

async fn many_groups(world: &World, groups: usize) {
    let client = world.client().await;
    let tasks = (0..groups).map(|n| member(&format!("group:{n}"), &format!("first{n}")));
    add_all(&client, tasks).await;
}

#[tokio::test]
async fn ten_thousand_idle_groups_are_found_in_a_few_calls_and_then_cost_nothing() {
    const GROUPS: usize = 10_000;
    let world = World::new().await;
    many_groups(&world, GROUPS).await;
    let before = world
        .calls_of(&["evalsha", "eval", "sscan", "smismember"])
        .await;
    let server = only_aggregating(&world).await.group_max_size(5);
    let server = server
        .group_max_delay(HOUR)
        .start(Scripted::new())
        .await
        .unwrap();
    eventually("all groups are read", LONG, || async {
        world.calls_of(&["zcard"]).await >= GROUPS as u64
    })
    .await;
    let calls = world
        .calls_of(&["evalsha", "eval", "sscan", "smismember"])
        .await
        - before;
    assert!(calls < 100, "{calls}");
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (reads, all) = (world.calls_of(&READS).await, world.all_calls().await);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(world.calls_of(&READS).await, reads);
    // Heartbeats and checks, and this test's own calls.
    let idle = world.all_calls().await - all;
    assert!(idle < 40, "{idle}");
    // One of them is noticed at once.
    add(&world.client().await, "group:77", ["a", "b", "c", "d"]).await;
    world.has_pending(1).await;
    server.shutdown().await;
}

#[tokio::test]
async fn a_group_to_which_tasks_are_added_all_the_time_is_not_read_for_each() {
    let world = World::new().await;
    let server = only_aggregating(&world).await.group_max_size(1_000_000);
    let server = server.start(Scripted::new()).await.unwrap();
    let client = world.client().await;
    add(&client, "g", ["first"]).await;
    let before = world.calls_of(&["smismember"]).await;
    let began = std::time::Instant::now();
    for n in 0..2_000 {
        client
            .enqueue(Task::new("member", format!("{n}")).group("g"))
            .await
            .unwrap();
    }
    let most = began.elapsed().as_millis() as u64 / 20 + 2;
    let reads = world.calls_of(&["smismember"]).await - before;
    assert!((1..=most).contains(&reads), "{reads} reads, at most {most}");
    server.shutdown().await;
}

#[tokio::test]
async fn a_group_that_only_has_a_grace_period_is_not_read_while_tasks_are_added() {
    let world = World::new().await;
    let server = only_aggregating(&world)
        .await
        .start(Scripted::new())
        .await
        .unwrap();
    let client = world.client().await;
    add(&client, "g", ["first"]).await;
    eventually("the group is read", LONG, || async {
        world.calls_of(&["smismember"]).await == 1
    })
    .await;
    for n in 0..500 {
        client
            .enqueue(Task::new("member", format!("{n}")).group("g"))
            .await
            .unwrap();
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(world.calls_of(&["smismember"]).await, 1);
    server.shutdown().await;
}

#[tokio::test]
async fn many_groups_that_are_due_at_once_are_aggregated_soon() {
    const GROUPS: usize = 2_000;
    let world = World::new().await;
    many_groups(&world, GROUPS).await;
    let server = only_aggregating(&world).await.aggregate(join);
    let server = server.group_grace_period(Duration::from_secs(1));
    let server = server.start(Scripted::new()).await.unwrap();
    world.has_pending(GROUPS).await;
    let names: i64 = world.run(&["SCARD", &key("groups")]).await;
    assert_eq!(names, 0);
    server.shutdown().await;
}

#[tokio::test]
async fn many_groups_that_change_at_once_are_all_noticed() {
    const GROUPS: usize = 5_000;
    let world = World::new().await;
    many_groups(&world, GROUPS).await;
    let server = only_aggregating(&world)
        .await
        .group_max_size(2)
        .group_concurrency(50);
    let server = server.start(Scripted::new()).await.unwrap();
    eventually("all groups are read", LONG, || async {
        world.calls_of(&["zcard"]).await >= GROUPS as u64
    })
    .await;
    let tasks = (0..GROUPS).map(|n| member(&format!("group:{n}"), &format!("second{n}")));
    add_all(&world.client().await, tasks).await;
    world.has_pending(GROUPS).await;
    server.shutdown().await;
}

#[tokio::test]
async fn a_redis_without_space_for_the_subscriptions_to_groups_is_polled() {
    let redis = RedisServer::builder().config("tracking-table-max-keys", "20");
    let world = World::on(redis).await;
    many_groups(&world, 500).await;
    let log = Log::capture();
    let server = only_aggregating(&world).await.group_max_size(2);
    let server = server.group_limits_of_group(
        "default",
        "g",
        GroupLimits::new().grace_period(Duration::from_secs(1)),
    );
    let server = server.start(Scripted::new()).await.unwrap();
    log.line_with(&[logged::TRACKING_UNAVAILABLE, "tracking-table-max-keys"])
        .await;
    add(&world.client().await, "group:7", ["second"]).await;
    world.has_pending(1).await;
    server.shutdown().await;
}
