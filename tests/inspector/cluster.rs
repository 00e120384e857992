//! The inspector on a Redis Cluster.

use rasynq::{Client, Connection, ErrorKind, Inspector, Task, TaskState};

use crate::common::World;
use crate::common::support::RedisCluster;

#[tokio::test]
async fn queues_of_a_cluster_are_read_on_their_nodes() {
    let cluster = RedisCluster::start().await;
    let connection = Connection::cluster(cluster.addresses());
    let client = Client::connect(&connection).await.unwrap();
    let inspector = Inspector::connect(&connection).await.unwrap();
    for node in 0..3 {
        let queue = RedisCluster::queue_on(node, 0);
        let task = |n: usize| Task::new("any", n.to_string()).queue(&*queue);
        let tasks = (0..600).map(task);
        let grouped = (0..30).map(|n| task(n).group(format!("g{n}")));
        for stored in client.enqueue_batch(tasks.chain(grouped)).await {
            stored.unwrap();
        }
        let info = inspector.queue_info(&queue).await.unwrap();
        assert_eq!((info.pending, info.aggregating, info.groups), (600, 30, 30));
        assert!(inspector.memory_usage(&queue).await.unwrap() > 10_000);
        assert_eq!(inspector.history(&queue, 400).await.unwrap().len(), 400);
        let pending = inspector.tasks(&*queue, TaskState::Pending);
        assert_eq!(pending.count().await.unwrap(), 600);
        assert_eq!(pending.page(2, 500).await.unwrap().len(), 100);
        let grouped = inspector.tasks(&*queue, TaskState::Aggregating);
        let mut stream = grouped.stream();
        let mut n = 0;
        while let Some(task) = stream.next().await {
            let task = task.unwrap();
            inspector.task_details(&queue, &task.id).await.unwrap();
            n += 1;
        }
        assert_eq!(n, 30);

        let slot = inspector.cluster_key_slot(&queue).await.unwrap();
        assert_eq!(slot, RedisCluster::slot_of(&queue));
        let nodes = inspector.cluster_nodes(&queue).await.unwrap();
        let port = cluster.nodes()[node].port();
        assert_eq!(nodes.len(), 1);
        assert_eq!(nodes[0].address, format!("127.0.0.1:{port}"));
        assert_eq!(nodes[0].id.len(), 40);
    }
    assert_eq!(inspector.servers().await.unwrap(), []);
}

#[tokio::test]
async fn a_single_server_has_no_hash_slots() {
    let world = World::new().await;
    let inspector = world.inspector().await;
    let error = inspector.cluster_key_slot("default").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(error.to_string(), "this Redis is not a cluster");
    let error = inspector.cluster_nodes("default").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}
