//! How soon a group that is due is aggregated.

use std::time::Duration;

use crate::common::World;
use crate::support::{add, only_aggregating, start};

/// The median, in milliseconds.
fn median(mut late_ms: Vec<i64>) -> i64 {
    late_ms.sort_unstable();
    eprintln!("{late_ms:?} ms");
    late_ms[late_ms.len() / 2]
}

/// The time by Redis' clock (unix ms).
async fn now_ms(world: &World) -> i64 {
    let (secs, micros): (i64, i64) = world.run(&["TIME"]).await;
    secs * 1000 + micros / 1000
}

#[tokio::test]
async fn a_group_that_reaches_its_max_size_is_aggregated_within_50_ms() {
    let world = World::new().await;
    let server = start(only_aggregating(&world).await.group_max_size(5)).await;
    let client = world.client().await;
    let mut late_ms = Vec::new();
    for n in 0..20 {
        // Every second group is new.
        let group = format!("g{}", n - n % 2);
        let ids = (0..5).map(|id| format!("{n}.{id}"));
        add(&client, &group, ids).await;
        let reached = now_ms(&world).await;
        world.has_pending(n + 1).await;
        late_ms.push(world.pending_since_ms(&format!("{group}:{n}.0")).await - reached);
        tokio::time::sleep(Duration::from_millis(37)).await;
    }
    let median = median(late_ms);
    assert!(median <= 50, "{median} ms");
    server.shutdown().await;
}

#[tokio::test]
async fn a_group_whose_grace_period_is_over_is_aggregated_within_100_ms() {
    let world = World::new().await;
    let server = start(
        only_aggregating(&world)
            .await
            .group_grace_period(Duration::from_secs(2)),
    )
    .await;
    let client = world.client().await;
    let groups: Vec<String> = (0..20).map(|n| format!("g{n}")).collect();
    let mut due = Vec::new();
    for group in &groups {
        add(
            &client,
            group,
            [&format!("{group}.a"), &format!("{group}.b")],
        )
        .await;
        let newest = world.group(group).await[&format!("{group}.b")] as i64;
        due.push((newest + 2) * 1000);
        tokio::time::sleep(Duration::from_millis(53)).await;
    }
    world.has_pending(groups.len()).await;
    let mut late_ms = Vec::new();
    for (group, due) in groups.iter().zip(due) {
        late_ms.push(world.pending_since_ms(&format!("{group}:{group}.a")).await - due);
    }
    assert!(late_ms.iter().all(|late| *late >= 0), "{late_ms:?}");
    let median = median(late_ms);
    assert!(median <= 100, "{median} ms");
    server.shutdown().await;
}
