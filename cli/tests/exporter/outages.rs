//! Redis is away, and comes back.

use rasynq::{Client, Connection, Task};

use crate::process::{Exporter, command, failure_of, series};
use crate::support::{DEADLINE, RedisCluster, RedisServer, eventually};

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

async fn exporter_of(cluster: &RedisCluster) -> Exporter {
    let addresses = cluster.addresses();
    let nodes = addresses
        .iter()
        .map(|(host, port)| format!("{host}:{port}"));
    let nodes = format!(
        "--cluster_addrs={}",
        nodes.collect::<Vec<String>>().join(",")
    );
    Exporter::start_by(command("", &["--cluster", &nodes])).await
}

#[tokio::test]
async fn a_dead_node_of_a_cluster_hides_no_queue_of_the_others() {
    let mut cluster = RedisCluster::start_without_full_coverage().await;
    let connection = Connection::cluster(cluster.addresses());
    let client = Client::connect(&connection).await.unwrap();
    let queues = [0, 1, 2].map(|node| RedisCluster::queue_on(node, 0));
    for queue in &queues {
        let task = Task::new("x", "x").queue(queue);
        client.enqueue(task).await.unwrap();
    }
    client.close().await;
    // The lists of queues and schedulers are on node 0, that of runs is on node 1.
    let dead = RedisCluster::first_node_of("asynq:workers");
    assert_eq!((RedisCluster::first_node_of("asynq:queues"), dead), (0, 1));
    let exporter = exporter_of(&cluster).await;
    cluster.nodes_mut()[dead].kill();
    let page = async || {
        let page = exporter.get("/metrics").await;
        (page.status, series(&page.text))
    };
    let is_seen = || async {
        let up = format!("rasynq_queue_up{{queue=\"{}\"}}", queues[dead]);
        page().await.1.get(&up) == Some(&0.0)
    };
    eventually("the node is seen to be dead", DEADLINE, is_seen).await;
    let (status, series) = page().await;
    assert_eq!((status, series["rasynq_redis_up"] as u32), (200, 1));
    let of_each = |name: &str| {
        let names = queues
            .clone()
            .map(|queue| format!("{name}{{queue=\"{queue}\"}}"));
        names.map(|name| series.get(&name).map(|value| *value as u32))
    };
    assert_eq!(of_each("rasynq_queue_up"), [Some(1), Some(0), Some(1)]);
    assert_eq!(of_each("asynq_queue_size"), [Some(1), None, Some(1)]);
    // Nobody knows how many servers there are, but that there are no schedulers.
    assert_eq!(of_each("rasynq_queue_servers"), [None, None, None]);
    assert_eq!(series["rasynq_schedulers"] as u32, 0);
}

#[tokio::test]
async fn a_silent_node_of_a_cluster_does_not_use_up_the_time_of_a_scrape() {
    let cluster = RedisCluster::start_without_full_coverage().await;
    let connection = Connection::cluster(cluster.addresses());
    let client = Client::connect(&connection).await.unwrap();
    let silent = RedisCluster::first_node_of("asynq:workers");
    let found = RedisCluster::queue_on(0, 0);
    // More than are read at once.
    let lost: Vec<String> = (0..30).map(|n| RedisCluster::queue_on(silent, n)).collect();
    for queue in lost.iter().chain([&found]) {
        client
            .enqueue(Task::new("x", "x").queue(queue))
            .await
            .unwrap();
    }
    client.close().await;
    let exporter = exporter_of(&cluster).await;
    cluster.nodes()[silent].pause();
    let page = exporter.get("/metrics").await;
    cluster.nodes()[silent].resume();
    let series = series(&page.text);
    assert_eq!(page.status, 200, "{page:?}");
    let up = |queue: &String| series[&format!("rasynq_queue_up{{queue=\"{queue}\"}}")] as u32;
    assert_eq!(up(&found), 1);
    assert_eq!(lost.iter().map(up).sum::<u32>(), 0);
}
