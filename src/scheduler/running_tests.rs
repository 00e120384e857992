//! Calls on a running scheduler at the same time.

use fred::clients::Client;
use fred::interfaces::ClientLike;
use fred::types::InfoKind;
use futures_util::future::join_all;

use crate::connection::Connection;
use crate::scheduler::{Entry, Scheduler};
use crate::task::Task;
use crate::test_support::RedisServer;

/// How often a list was written.
async fn lists_written(redis: &Client) -> usize {
    let stats: String = redis
        .info(Some(InfoKind::CommandStats))
        .await
        .expect("INFO");
    let pushes = stats
        .lines()
        .find(|line| line.starts_with("cmdstat_lpush:"));
    let calls = pushes.and_then(|line| line.split(['=', ',']).nth(1));
    calls.map_or(0, |calls| calls.parse().expect("a number"))
}

#[tokio::test]
async fn changes_at_the_same_time_are_shown_together() {
    let redis = RedisServer::start().await;
    let raw = redis.client().await;
    let connection = Connection::from_uri(&redis.uri()).expect("a URI");
    let scheduler = Scheduler::new(&connection)
        .register(Entry::new("@yearly", Task::without_payload("any")))
        .start()
        .await
        .expect("started");
    let before = lists_written(&raw).await;
    join_all((0..100).map(|_| scheduler.show_changes())).await;
    // The first call, one for all that came meanwhile, and one of the lister, which the start may have woken.
    let written = lists_written(&raw).await - before;
    assert!((2..=3).contains(&written), "{written}");
    scheduler.show_changes().await;
    assert!(
        lists_written(&raw).await > before + written,
        "a later change is shown"
    );
    scheduler.shutdown().await;
}
