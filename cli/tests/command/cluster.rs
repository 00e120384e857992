//! A cluster with a node that is dead or silent: the queues of the other nodes are shown.

use std::time::{Duration, Instant};

use rasynq::{Client, Connection, Task};

use crate::common::{Command, Ran, support::RedisCluster};

/// Runs the command on the cluster.
async fn run(cluster: &RedisCluster, verb: &str) -> Ran {
    let nodes: Vec<String> = cluster
        .addresses()
        .iter()
        .map(|(host, port)| format!("{host}:{port}"))
        .collect();
    let nodes = format!("--cluster_addrs={}", nodes.join(","));
    let mut arguments: Vec<&str> = verb.split_whitespace().collect();
    arguments.extend(["--cluster", &nodes]);
    Command::with_url(None).run(&arguments).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_node_of_a_cluster_hides_no_queue_of_the_others() {
    let mut cluster = RedisCluster::start_without_full_coverage().await;
    let connection = Connection::cluster(cluster.addresses());
    let client = Client::connect(&connection).await.expect("a client");
    let home = RedisCluster::first_node_of("asynq:queues");
    let [dead, other] = [(home + 1) % 3, (home + 2) % 3];
    let lost = RedisCluster::queue_on(dead, 0);
    let found = [home, other].map(|node| RedisCluster::queue_on(node, 0));
    for queue in found.iter().chain([&lost]) {
        let task = Task::new("x", "x").queue(queue);
        client.enqueue(task).await.expect("enqueued");
    }
    client.close().await;
    cluster.nodes_mut()[dead].kill();
    for verb in ["stats", "stats --memory", "watch --count 1"] {
        let ran = run(&cluster, verb).await;
        assert_eq!(ran.code, 5, "{verb}: {ran:?}");
        for queue in &found {
            let row = format!("\n{queue} ");
            assert!(ran.stdout.contains(&row), "{verb}: {ran:?}");
        }
        let told = format!("rasynq: queue {lost:?}: ");
        assert!(ran.stderr.starts_with(&told), "{verb}: {ran:?}");
        assert_eq!(ran.stderr.lines().count(), 1, "{verb}: {ran:?}");
    }
    let ran = run(&cluster, "doctor").await;
    assert_eq!(ran.code, 5, "{ran:?}");
    assert!(ran.stderr.contains("examined 2 of 3 queues"), "{ran:?}");
    assert!(ran.stderr.contains(&format!("queue {lost:?}: ")), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queues_of_a_silent_node_do_not_wait_one_after_the_other() {
    let cluster = RedisCluster::start_without_full_coverage().await;
    let connection = Connection::cluster(cluster.addresses());
    let client = Client::connect(&connection).await.expect("a client");
    let home = RedisCluster::first_node_of("asynq:queues");
    let silent = (home + 1) % 3;
    // Far more than are read at once.
    let lost = (0..100).map(|n| RedisCluster::queue_on(silent, n));
    let found = RedisCluster::queue_on(home, 0);
    for queue in lost.chain([found.clone()]) {
        let task = Task::new("x", "x").queue(queue);
        client.enqueue(task).await.expect("enqueued");
    }
    client.close().await;
    cluster.nodes()[silent].pause();
    let began = Instant::now();
    let ran = run(&cluster, "watch --count 1").await;
    let took = began.elapsed();
    cluster.nodes()[silent].resume();
    assert_eq!(ran.code, 5, "{ran:?}");
    assert!(ran.stdout.contains(&format!("\n{found} ")), "{ran:?}");
    assert_eq!(ran.stderr.lines().count(), 100, "{ran:?}");
    // One wait is at most 5 s; one after the other they were 35 s.
    assert!(took < Duration::from_secs(20), "{took:?}");
}
