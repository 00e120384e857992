//! The inspector on a Redis Cluster.

use std::time::{Duration, Instant};

use rasynq::{ErrorKind, Task, TaskState};
use tokio::time::sleep;

use crate::common::support::RedisCluster;
use crate::common::{World, queue_key};
use crate::support::{ids, on_cluster};

#[tokio::test]
async fn queues_of_a_cluster_are_read_on_their_nodes() {
    let (cluster, client, inspector) = on_cluster().await;
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
async fn reads_and_changes_wait_while_a_hash_slot_moves() {
    let (cluster, client, inspector) = on_cluster().await;
    let queue = &*RedisCluster::queue_on(0, 0);
    for id in ["a", "b", "c"] {
        let task = Task::new("any", id).queue(queue).task_id(id);
        client.enqueue(task).await.unwrap();
    }
    // `b` has moved, the others have not: no node can run a script that reads all three.
    let slot = RedisCluster::slot_of(queue);
    cluster.begin_to_move(slot, 0, 1).await;
    cluster.move_key(&queue_key(queue, "t:b"), 0, 1).await;
    let begun = Instant::now();
    let pending = inspector.tasks(queue, TaskState::Pending);
    let error = pending.count().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("TRYAGAIN"), "{error}");
    assert!(begun.elapsed() >= Duration::from_millis(1_800));

    // All of them wait until the slot has moved.
    let moves = async {
        sleep(Duration::from_millis(500)).await;
        cluster.move_keys(slot, 0, 1).await;
        cluster.end_to_move(slot, 1).await;
    };
    let reads = async {
        tokio::join!(
            pending.count(),
            pending.page(1, 30),
            inspector.queue_info(queue),
            inspector.task_details(queue, "b"),
            inspector.archive_task(queue, "a"),
        )
    };
    let ((count, page, info, details, archived), ()) = tokio::join!(reads, moves);
    archived.unwrap();
    details.unwrap();
    // Before or after `a` was archived.
    let pending = info.unwrap();
    assert_eq!(pending.pending + pending.archived, 3);
    assert!(count.unwrap() >= 2);
    assert!(ids(page.unwrap()).ends_with(&["b".to_owned(), "c".to_owned()]));
    let archived = inspector.tasks(queue, TaskState::Archived);
    assert_eq!(ids(archived.page(1, 30).await.unwrap()), ["a"]);
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
