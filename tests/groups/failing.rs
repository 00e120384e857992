//! Aggregators that are slow, fail or panic.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rasynq::{RunningServer, Task};
use tokio::sync::Semaphore;

use crate::common::{HOUR, Log, World, eventually, key};
use crate::support::{LONG, add, join, member, only_aggregating, start};

/// Makes the deadlines of all sets pass, and starts a server that reclaims them and aggregates nothing.
async fn reclaim(world: &World) -> RunningServer {
    let stale = world.end_sets().await;
    let server = start(world.server()).await;
    eventually("the sets are reclaimed", LONG, || async {
        let sets = world.sets().await;
        stale.iter().all(|set| !sets.contains_key(set))
    })
    .await;
    server
}

/// Waits for the semaphore for groups whose names begin with `slow`, then joins the payloads.
fn slow(gate: &Arc<Semaphore>) -> impl rasynq::GroupAggregator + use<> {
    let gate = Arc::clone(gate);
    move |group: String, tasks: Vec<Task>| {
        let gate = Arc::clone(&gate);
        async move {
            if group.starts_with("slow") {
                gate.acquire().await?.forget();
            }
            join(group, tasks).await
        }
    }
}

#[tokio::test]
async fn a_slow_aggregation_stops_neither_other_groups_nor_the_next_set_of_its_group() {
    let world = World::new().await;
    let gate = Arc::new(Semaphore::new(0));
    let server = only_aggregating(&world)
        .await
        .group_max_size(2)
        .aggregate(slow(&gate));
    let server = start(server).await;
    let client = world.client().await;
    add(&client, "slow", 0..4).await;
    eventually("both sets are formed", LONG, || async {
        world.sets().await.len() == 2
    })
    .await;
    for n in 0..10 {
        add(&client, &format!("fast{n}"), [2 * n + 10, 2 * n + 11]).await;
    }
    world.has_pending(10).await;
    assert_eq!(world.sets().await.len(), 2);
    gate.add_permits(2);
    world.has_pending(12).await;
    server.shutdown().await;
}

#[tokio::test]
async fn no_more_sets_are_aggregated_at_once_than_the_setting_says() {
    let world = World::new().await;
    let gate = Arc::new(Semaphore::new(0));
    let server = only_aggregating(&world)
        .await
        .group_max_size(1)
        .group_concurrency(2);
    let server = start(server.aggregate(slow(&gate))).await;
    let client = world.client().await;
    for n in 0..5 {
        add(&client, &format!("slow{n}"), [n]).await;
    }
    for left in [3, 2, 1, 0, 0] {
        let waiting = || async {
            let waiting = world.group_names().await.len();
            (waiting, world.sets().await.len())
        };
        let sets = 2.min(5 - world.list("pending").await.len());
        eventually("two are being aggregated", LONG, || async {
            waiting().await == (left, sets)
        })
        .await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(waiting().await, (left, sets));
        gate.add_permits(1);
        let before = world.list("pending").await.len();
        world.has_pending(before + 1).await;
    }
    server.shutdown().await;
}

#[tokio::test]
async fn tasks_whose_aggregation_failed_are_aggregated_again_once_their_set_is_reclaimed() {
    let world = World::new().await;
    let log = Log::capture();
    let calls = Arc::new(AtomicUsize::new(0));
    let fails_three_times = {
        let calls = Arc::clone(&calls);
        move |group: String, tasks: Vec<Task>| {
            let call = calls.fetch_add(1, Ordering::SeqCst);
            async move {
                match call {
                    0 => anyhow::bail!("no such user"),
                    1 => panic!("on purpose"),
                    2 => Ok(Task::new(" ", "")),
                    _ => join(group, tasks).await,
                }
            }
        }
    };
    let server = start(
        only_aggregating(&world)
            .await
            .group_max_size(3)
            .aggregate(fails_three_times),
    )
    .await;
    add(&world.client().await, "g", [1, 2, 3]).await;
    for (round, text) in ["no such user", "]: on purpose", "its task is refused"]
        .iter()
        .enumerate()
    {
        log.line_with(&["aggregation of a group failed", text, "tasks=3"])
            .await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(
            calls.load(Ordering::SeqCst),
            round + 1,
            "it is not tried all the time"
        );
        assert_eq!(world.sets().await.len(), 1);
        reclaim(&world).await.shutdown().await;
    }
    world.has_pending(1).await;
    assert_eq!(world.pending().await, ["1 2 3"]);
    assert!(world.sets().await.is_empty());
    server.shutdown().await;
}

#[tokio::test]
async fn an_aggregate_that_is_a_duplicate_leaves_the_tasks_in_their_set() {
    let world = World::new().await;
    let log = Log::capture();
    let server = only_aggregating(&world).await.group_max_size(2).aggregate(
        async |group: String, _: Vec<Task>| -> rasynq::Result<Task> {
            Ok(Task::new("digest", group).unique(HOUR))
        },
    );
    let server = start(server).await;
    let client = world.client().await;
    add(&client, "g", [1, 2]).await;
    world.has_pending(1).await;
    add(&client, "g", [3, 4]).await;
    log.line_with(&["its task is refused", "already exists", "tasks=2"])
        .await;
    assert_eq!(world.sets().await.len(), 1);
    assert_eq!(world.list("pending").await.len(), 1);
    server.shutdown().await;
}

#[tokio::test]
async fn a_server_without_an_aggregator_leaves_groups_alone_but_reclaims_sets() {
    let world = World::new().await;
    let client = world.client().await;
    add(&client, "g", [1, 2]).await;
    // A set of a server that has died. The name of its group is gone.
    let set = key("g:dead:7e5f");
    for id in ["3", "4"] {
        client.enqueue(member("dead", id)).await.unwrap();
    }
    let _: String = world.run(&["RENAME", &key("g:dead"), &set]).await;
    let _: i64 = world.run(&["SREM", &key("groups"), "dead"]).await;
    let _: i64 = world
        .run(&["ZADD", &key("aggregation_sets"), "1", &set])
        .await;
    let server = reclaim(&world).await;
    world.group_has("dead", 2).await;
    assert_eq!(world.group_names().await, ["dead", "g"]);
    assert_eq!(world.group("g").await.len(), 2);
    assert!(world.sets().await.is_empty());
    server.shutdown().await;
}

#[tokio::test]
async fn a_key_of_a_wrong_type_stops_no_other_group() {
    let world = World::new().await;
    let _: String = world.run(&["SET", &key("g:odd"), "x"]).await;
    let _: i64 = world.run(&["SADD", &key("groups"), "odd"]).await;
    let server = start(only_aggregating(&world).await.group_max_size(2)).await;
    add(&world.client().await, "g", [1, 2]).await;
    world.has_pending(1).await;
    server.shutdown().await;
}

#[tokio::test]
async fn groups_are_aggregated_again_after_redis_was_away() {
    let (world, proxy, connection) = World::behind_proxy().await;
    world.pause("default").await;
    let server = World::server_on(&connection)
        .aggregate(join)
        .group_max_size(2);
    let server = start(server.group_grace_period(Duration::from_secs(1))).await;
    let client = world.client().await;
    add(&client, "before", [1, 2]).await;
    world.has_pending(1).await;
    proxy.refuse(true);
    add(&client, "size", [3, 4]).await;
    add(&client, "grace", [5]).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(world.list("pending").await.len(), 1);
    proxy.refuse(false);
    world.has_pending(3).await;
    server.shutdown().await;
}

#[tokio::test]
async fn groups_are_aggregated_after_redis_was_emptied() {
    let world = World::new().await;
    let server = start(only_aggregating(&world).await.group_max_size(2)).await;
    let client = world.client().await;
    add(&client, "g", [1]).await;
    let _: String = world.run(&["FLUSHALL"]).await;
    world.pause("default").await;
    add(&client, "g", [1, 2]).await;
    world.has_pending(1).await;
    assert_eq!(world.pending().await, ["1 2"]);
    server.shutdown().await;
}
