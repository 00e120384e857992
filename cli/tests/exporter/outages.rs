//! Redis is away, and comes back.

use crate::process::{Exporter, command, failure_of, series};
use crate::support::{DEADLINE, RedisServer, eventually};

/// Waits until a scrape has this status.
async fn status_becomes(exporter: &Exporter, status: u16) {
    let is_so = || async { exporter.get("/metrics").await.status == status };
    eventually(&format!("the status is {status}"), DEADLINE, is_so).await;
}

#[tokio::test]
async fn without_redis_a_scrape_fails_with_the_reason_and_the_exporter_recovers() {
    let mut redis = RedisServer::builder().tcp().start().await;
    let exporter = Exporter::start(&redis, &[]).await;
    exporter.scrape().await;
    redis.stop().await;
    status_becomes(&exporter, 503).await;
    let page = exporter.get("/metrics").await;
    assert_eq!(series(&page.text)["rasynq_redis_up"] as u32, 0, "{page:?}");
    assert!(page.text.starts_with("# "), "{page:?}");
    assert_eq!(exporter.get("/healthz").await.status, 200);
    redis.restart().await;
    status_becomes(&exporter, 200).await;
    assert_eq!(
        series(&exporter.scrape().await)["rasynq_redis_up"] as u32,
        1
    );
}

#[tokio::test]
async fn the_exporter_starts_without_redis_and_connects_when_redis_is_there() {
    let mut redis = RedisServer::builder().tcp().start().await;
    redis.stop().await;
    let exporter = Exporter::start(&redis, &[]).await;
    assert_eq!(exporter.get("/metrics").await.status, 503);
    redis.restart().await;
    status_becomes(&exporter, 200).await;
}

#[tokio::test]
async fn a_password_that_redis_refuses_ends_the_exporter() {
    let redis = RedisServer::builder().tcp().password("right").start().await;
    let (code, text) = failure_of(command(&redis.uri_with("default:wrong@"), &[])).await;
    assert_eq!(code, Some(5), "{text}");
}
