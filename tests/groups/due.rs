//! When groups are aggregated.

use std::time::Duration;

use rasynq::{GroupLimits, Server, Task};

use crate::common::support::RedisCluster;
use crate::common::{HOUR, Log, RedisServer, Scripted, World, eventually, logged};
use crate::support::{LONG, add, add_all, join, member, only_aggregating, start};

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[tokio::test]
async fn a_group_is_aggregated_when_its_grace_period_is_over_and_not_before() {
    let world = World::new().await;
    let server = start(only_aggregating(&world).await.group_grace_period(secs(2))).await;
    let client = world.client().await;
    add(&client, "g", [1, 2]).await;
    tokio::time::sleep(secs(1)).await;
    add(&client, "g", [3]).await;
    let newest = world.group("g").await["3"] as i64;
    world.has_pending(1).await;
    assert_eq!(world.pending().await, ["1 2 3"]);
    let late_ms = world.pending_since_ms("g:1").await - (newest + 2) * 1000;
    assert!((0..1_000).contains(&late_ms), "{late_ms}");
    assert_eq!(world.group_names().await, [""; 0]);
    assert!(world.sets().await.is_empty());
    assert_eq!(
        world.task_hashes().await.len(),
        1,
        "the members are deleted"
    );
    server.shutdown().await;
}

#[tokio::test]
async fn a_group_to_which_tasks_are_added_all_the_time_is_aggregated_after_its_max_delay() {
    let world = World::new().await;
    let server = only_aggregating(&world).await.group_grace_period(secs(60));
    let server = start(server.group_max_delay(secs(2))).await;
    let client = world.client().await;
    add(&client, "g", ["0000"]).await;
    let oldest = world.group("g").await["0000"] as i64;
    for n in 1.. {
        if !world.list("pending").await.is_empty() {
            break;
        }
        add(&client, "g", [format!("{n:04}")]).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let late_ms = world.pending_since_ms("g:0000").await - (oldest + 2) * 1000;
    assert!((0..1_000).contains(&late_ms), "{late_ms}");
    server.shutdown().await;
}

#[tokio::test]
async fn a_group_that_reaches_its_max_size_is_aggregated_at_once_and_no_aggregate_is_larger() {
    let world = World::new().await;
    let client = world.client().await;
    // Some were there before.
    add(&client, "g", 10..37).await;
    let server = start(only_aggregating(&world).await.group_max_size(10)).await;
    world.has_pending(2).await;
    add(&client, "g", 37..40).await;
    world.has_pending(3).await;
    // All have joined in the same second or two, so nothing is known of their order.
    let sizes: Vec<_> = world
        .pending()
        .await
        .iter()
        .map(|p| p.split(' ').count())
        .collect();
    assert_eq!(sizes, [10, 10, 10]);
    assert_eq!(world.group_names().await, [""; 0]);
    add(&client, "g", 40..59).await;
    world.has_pending(4).await;
    assert_eq!(world.group("g").await.len(), 9);
    assert_eq!(world.group_names().await, ["g"]);
    server.shutdown().await;
}

#[tokio::test]
async fn a_queue_and_a_group_have_limits_of_their_own() {
    let world = World::new().await;
    world.pause("mail").await;
    let server = only_aggregating(&world)
        .await
        .queue("default", 1)
        .queue("mail", 1)
        .group_max_size(4)
        .group_limits_of_queue("mail", GroupLimits::new().max_size(3))
        .group_limits_of_group("mail", "vip", GroupLimits::new().max_size(2))
        .group_limits_of_group("mail", "slow", GroupLimits::new().max_size(0));
    let server = start(server).await;
    let client = world.client().await;
    for (queue, group) in [
        ("default", "g"),
        ("mail", "g"),
        ("mail", "vip"),
        ("mail", "slow"),
    ] {
        let tasks = (0..5).map(|n| {
            Task::new("member", format!("{n}"))
                .queue(queue)
                .group(group)
        });
        add_all(&client, tasks).await;
    }
    let sizes = async |queue| {
        let mut sizes: Vec<_> = world
            .pending_of(queue)
            .await
            .iter()
            .map(|p| p.split(' ').count())
            .collect();
        sizes.sort_unstable();
        sizes
    };
    eventually("the groups are aggregated", LONG, || async {
        sizes("default").await == [4] && sizes("mail").await == [2, 2, 3]
    })
    .await;
    server.shutdown().await;
    assert_eq!(sizes("default").await, [4]);
    assert_eq!(sizes("mail").await, [2, 2, 3]);
}

#[tokio::test]
async fn a_paused_queue_is_aggregated_and_its_aggregate_waits() {
    let world = World::new().await;
    let handler = Scripted::new();
    let server = only_aggregating(&world)
        .await
        .group_max_size(2)
        .start(handler.clone())
        .await
        .unwrap();
    add(&world.client().await, "g", [1, 2]).await;
    world.has_pending(1).await;
    assert_eq!(handler.begun(), [""; 0]);
    world
        .inspector()
        .await
        .unpause_queue("default")
        .await
        .unwrap();
    handler.has_begun(1).await;
    server.shutdown().await;
}

#[tokio::test]
async fn wrong_limits_are_refused_at_the_start() {
    let world = World::new().await;
    let half = Duration::from_millis(500);
    for (server, text) in [
        (
            world.server().aggregate(join).group_grace_period(half),
            "group_grace_period is 500ms, it must be at least 1s",
        ),
        (
            world
                .server()
                .aggregate(join)
                .group_limits_of_queue("x", GroupLimits::new()),
            "there are limits of queue \"x\", but the server has no such queue",
        ),
    ] {
        let error = server.start(Scripted::new()).await.err().unwrap();
        assert_eq!(error.kind(), rasynq::ErrorKind::Invalid);
        assert_eq!(error.to_string(), text);
    }
}

#[tokio::test]
async fn groups_are_polled_where_client_tracking_is_forbidden() {
    let rules = "on >secret ~* &* +@all -client +client|id +client|setname";
    let world = World::on(RedisServer::builder().user_with_rules("bob", rules)).await;
    world.pause("default").await;
    let log = Log::capture();
    let connection = world.connection().username("bob").password("secret");
    let server = Server::new(&connection)
        .aggregate(join)
        .group_grace_period(secs(1))
        .group_max_size(5)
        .start(Scripted::new())
        .await
        .unwrap();
    log.line_with(&[logged::TRACKING_UNAVAILABLE]).await;
    let client = world.client().await;
    add(&client, "small", [1]).await;
    add(&client, "large", 2..8).await;
    world.has_pending(2).await;
    eventually("all are aggregated", LONG, || async {
        world.group_names().await.is_empty()
    })
    .await;
    server.shutdown().await;
}

#[tokio::test]
async fn groups_of_all_nodes_of_a_cluster_are_aggregated() {
    const QUEUES: usize = 12;
    let cluster = RedisCluster::start().await;
    let connection = rasynq::Connection::cluster(cluster.addresses());
    let client = rasynq::Client::connect(&connection).await.unwrap();
    let handler = Scripted::new();
    let server = (0..QUEUES)
        .fold(Server::new(&connection), |server, n| {
            server.queue(format!("q{n}"), 1)
        })
        .task_check_interval(HOUR)
        .aggregate(join)
        .group_grace_period(HOUR)
        .group_max_size(3)
        .start(handler.clone())
        .await
        .unwrap();
    for round in 1..3 {
        for n in 0..QUEUES {
            for id in ["a", "b", "c"] {
                let task = member("g", &format!("{id}{round}")).queue(format!("q{n}"));
                client.enqueue(task).await.unwrap();
            }
        }
        handler.has_begun(QUEUES * round).await;
    }
    server.shutdown().await;
}
