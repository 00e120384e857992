//! Schedulers on a Redis Cluster: the queues of their entries are on several nodes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rasynq::{Connection, Inspector, Scheduler};

use crate::common::support::RedisCluster;
use crate::common::{DEADLINE, eventually};
use crate::seen::every;

#[tokio::test]
async fn schedulers_on_a_cluster_enqueue_to_queues_of_all_nodes_each_tick_once() {
    let cluster = RedisCluster::start().await;
    let connection = Connection::cluster(cluster.addresses());
    let queues: Vec<String> = (0..3).map(|node| RedisCluster::queue_on(node, 0)).collect();
    let mut all = Vec::new();
    for _ in 0..2 {
        let mut builder = Scheduler::new(&connection);
        for queue in &queues {
            builder = builder.register(every(1, "tick").queue(queue));
        }
        all.push(builder.start().await.unwrap());
    }
    let inspector = Inspector::connect(&connection).await.unwrap();
    let entries = inspector.scheduler_entries().await.unwrap();
    assert_eq!(entries.len(), 3);
    let histories = async || {
        let mut all = Vec::new();
        for entry in &entries {
            all.push(inspector.enqueue_events(&entry.id, 1, 100).await.unwrap());
        }
        all
    };
    eventually("each entry has ticked", DEADLINE, || async {
        histories().await.iter().all(|events| events.len() >= 3)
    })
    .await;
    for events in histories().await {
        let seconds: BTreeSet<i64> = events
            .iter()
            .map(|event| event.enqueued_at.timestamp())
            .collect();
        assert_eq!(seconds.len(), events.len(), "{events:?}");
    }
    for one in all {
        one.shutdown().await;
    }
    assert!(inspector.scheduler_entries().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_silent_node_does_not_keep_the_next_leader_from_its_lease() {
    let cluster = RedisCluster::start_without_full_coverage().await;
    let connection = Connection::cluster(cluster.addresses());
    let electing = RedisCluster::first_node_of("rasynq:{scheduler}:leader");
    let silent = (electing + 1) % 3;
    let start = async || {
        let mut builder = Scheduler::new(&connection);
        for node in [silent, electing] {
            builder = builder.register(every(1, "tick").queue(RedisCluster::queue_on(node, 0)));
        }
        builder.start().await.unwrap()
    };
    let first = start().await;
    let second = start().await;
    cluster.nodes()[silent].pause();
    first.shutdown().await;
    eventually("the second one leads", DEADLINE, || async {
        second.is_leader()
    })
    .await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(6) {
        assert!(second.is_leader(), "after {:?}", begun.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(second.entries()[1].is_led);
    second.shutdown().await;
}
