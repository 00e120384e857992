//! Redis' clock decides, not that of this machine.

use crate::common::{DEADLINE, RedisServer, World, eventually};
use crate::seen::{assert_each_once, every, pending, pending_reach, start};

#[tokio::test]
async fn ticks_come_in_their_seconds_by_the_clock_of_redis() {
    let world = World::on(RedisServer::builder().clock_shift(2 * 86_400)).await;
    let scheduler = start(&world, every(1, "tick")).await;
    let tasks = pending_reach(&world, 4).await;
    let next = scheduler.entries()[0].next.unwrap().timestamp();
    let now = world.now().await;
    assert!((now..=now + 2).contains(&next), "{next} at {now}");
    scheduler.shutdown().await;
    assert_each_once(&tasks);
    let mut late_ms: Vec<i64> = tasks.iter().map(|task| task.since_ms % 1000).collect();
    late_ms.sort_unstable();
    assert!(late_ms[1] <= 50, "{late_ms:?}");
}

/// The scheduler learns of the new time within 30 s.
#[tokio::test]
async fn a_clock_of_redis_that_is_set_back_by_hours_does_not_silence_the_entries() {
    let mut world = World::on(RedisServer::builder().clock_shift(0)).await;
    let scheduler = start(&world, every(1, "tick")).await;
    let before = pending_reach(&world, 3).await;
    world.redis.set_clock(-6 * 3600);
    eventually("ticks come by the new time", DEADLINE, || async {
        let tasks = pending(&world).await;
        let newest = tasks.last().unwrap();
        let earlier = before[0].since_ms - 5 * 3_600_000;
        tasks.iter().filter(|task| task.since_ms < earlier).count() >= 3
            && newest.since_ms < earlier
    })
    .await;
    scheduler.shutdown().await;
    assert_each_once(&pending(&world).await);
}
