//! A cluster with a node that is dead or frozen, and slots that move.

use std::time::{Duration, Instant};

use fred::interfaces::{ClientLike, SortedSetsInterface};
use rasynq::{Client, Connection, ErrorKind, Inspector, RunningServer, Server, Task};

use crate::common::support::RedisCluster;
use crate::common::{DEADLINE, HOUR, Scripted, eventually, queue_key};

/// How many queues on each node the tests use.
const QUEUES: usize = 2;

/// What happens to a node.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Killed,
    Frozen,
}

fn connection(cluster: &RedisCluster) -> Connection {
    Connection::cluster(cluster.addresses())
}

/// The queues of these nodes.
fn queues(nodes: impl IntoIterator<Item = usize>) -> Vec<String> {
    let on = |node| (0..QUEUES).map(move |n| RedisCluster::queue_on(node, n));
    nodes.into_iter().flat_map(on).collect()
}

/// A server of the queues of all nodes that does not poll: only notifications can wake it.
async fn idle(connection: &Connection, handler: &Scripted) -> RunningServer {
    queues(0..3)
        .into_iter()
        .fold(Server::new(connection), |server, queue| {
            server.queue(queue, 1)
        })
        .concurrency(20)
        .task_check_interval(HOUR)
        .delayed_task_check_interval(HOUR)
        .shutdown_timeout(Duration::from_secs(2))
        .start(handler.clone())
        .await
        .unwrap()
}

async fn hit(cluster: &mut RedisCluster, node: usize, fault: Fault) {
    match fault {
        Fault::Killed => cluster.nodes_mut()[node].kill(),
        Fault::Frozen => cluster.nodes()[node].pause(),
    }
}

async fn mend(cluster: &mut RedisCluster, node: usize, fault: Fault) {
    match fault {
        Fault::Killed => cluster.nodes_mut()[node].restart().await,
        Fault::Frozen => cluster.nodes()[node].resume(),
    }
}

fn id_of(queue: &str, n: usize) -> String {
    format!("{queue}-{n}")
}

async fn enqueue(client: &Client, queue: &str, id: String) -> rasynq::Result<()> {
    let task = Task::new("any", "ok").queue(queue).task_id(id);
    client.enqueue(task).await.map(drop)
}

/// One node at a time fails: also that of the global keys.
async fn queues_on_healthy_nodes_do_not_notice(fault: Fault) {
    let mut cluster = RedisCluster::start_without_full_coverage().await;
    let connection = connection(&cluster);
    let client = Client::connect(&connection).await.unwrap();
    let handler = Scripted::new();
    let server = idle(&connection, &handler).await;
    // Every queue has been used before, and has a task that runs all the time.
    for queue in queues(0..3) {
        let task = Task::new("any", "wait").queue(&queue).task_id("long");
        client.enqueue(task).await.unwrap();
    }
    handler.has_begun(3 * QUEUES).await;
    for node in 0..3 {
        let healthy = queues((0..3).filter(|other| *other != node));
        let dead = queues([node]);
        let before = handler.begun().len();
        hit(&mut cluster, node, fault).await;
        let mut ids = Vec::new();
        for n in 0..30 {
            for queue in &healthy {
                let (id, started) = (format!("{node}-{}", id_of(queue, n)), Instant::now());
                enqueue(&client, queue, id.clone()).await.unwrap();
                assert!(started.elapsed() < Duration::from_secs(4), "{id}");
                ids.push(id);
            }
        }
        handler.has_begun(before + ids.len()).await;
        for id in &ids {
            assert_eq!(handler.runs_of(id), 1, "{id}");
        }
        // The runs on the healthy nodes keep their leases.
        let mut before = Vec::new();
        for queue in &healthy {
            before.push((queue, lease(&cluster, queue).await));
        }
        for (queue, before) in before {
            eventually("the lease is renewed", DEADLINE, || async {
                lease(&cluster, queue).await > before
            })
            .await;
        }
        for queue in &dead {
            let started = Instant::now();
            let error = enqueue(&client, queue, "refused".to_owned())
                .await
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
            // That a node is frozen shows only after the command timeout of 5 s.
            assert!(started.elapsed() < Duration::from_secs(10), "{error}");
        }
        mend(&mut cluster, node, fault).await;
        let before = handler.begun().len();
        for queue in &dead {
            let id = format!("{node}-{}", id_of(queue, 0));
            eventually("the queue works again", DEADLINE, || async {
                match enqueue(&client, queue, id.clone()).await {
                    Ok(()) => true,
                    Err(error) => error.kind() == ErrorKind::TaskIdConflict,
                }
            })
            .await;
        }
        handler.has_begun(before + dead.len()).await;
        cluster.is_complete().await;
    }
    handler.release(3 * QUEUES);
    server.shutdown().await;
    assert_eq!(handler.runs_of("long"), 3 * QUEUES);
}

/// When the lease of the long run in a queue expires.
async fn lease(cluster: &RedisCluster, queue: &str) -> f64 {
    let node = RedisCluster::first_node_of(&format!("{{{queue}}}"));
    let redis = cluster.nodes()[node].client().await;
    let lease = redis.zscore(queue_key(queue, "lease"), "long").await;
    redis.quit().await.unwrap();
    lease.unwrap()
}

#[tokio::test]
async fn queues_on_healthy_nodes_do_not_notice_a_node_that_was_killed() {
    queues_on_healthy_nodes_do_not_notice(Fault::Killed).await;
}

#[tokio::test]
async fn queues_on_healthy_nodes_do_not_notice_a_node_that_does_not_answer() {
    queues_on_healthy_nodes_do_not_notice(Fault::Frozen).await;
}

#[tokio::test]
async fn callers_of_a_queue_without_an_answer_do_not_hold_up_those_of_other_queues() {
    let cluster = RedisCluster::start_without_full_coverage().await;
    let client = Client::connect(&connection(&cluster)).await.unwrap();
    let [dead, healthy] = [0, 1].map(|node| RedisCluster::queue_on(node, 0));
    for queue in [&dead, &healthy] {
        enqueue(&client, queue, "first".to_owned()).await.unwrap();
    }
    cluster.nodes()[0].pause();
    let waiting: Vec<_> = (0..20)
        .map(|n| {
            let (client, dead) = (client.clone(), dead.clone());
            tokio::spawn(async move { enqueue(&client, &dead, id_of(&dead, n)).await })
        })
        .collect();
    // Those calls are in flight.
    tokio::task::yield_now().await;
    let started = Instant::now();
    for n in 0..200 {
        enqueue(&client, &healthy, id_of(&healthy, n))
            .await
            .unwrap();
    }
    let batch = [&healthy, &dead].map(|queue| Task::new("any", "ok").queue(queue));
    assert!(started.elapsed() < Duration::from_secs(4));
    let [stored, refused] = &client.enqueue_batch(batch).await[..] else {
        panic!("two results");
    };
    assert!(stored.is_ok(), "{stored:?}");
    assert!(refused.is_err(), "{refused:?}");
    for waiting in waiting {
        let error = waiting.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    }
}

#[tokio::test]
async fn a_server_starts_and_ends_while_a_node_is_dead() {
    for fault in [Fault::Killed, Fault::Frozen] {
        for node in 0..3 {
            let mut cluster = RedisCluster::start_without_full_coverage().await;
            let connection = connection(&cluster);
            hit(&mut cluster, node, fault).await;
            let client = Client::connect(&connection).await.unwrap();
            let handler = Scripted::new();
            let server = idle(&connection, &handler).await;
            let healthy = queues((0..3).filter(|other| *other != node));
            for queue in &healthy {
                enqueue(&client, queue, id_of(queue, 0)).await.unwrap();
            }
            handler.has_begun(healthy.len()).await;
            let started = Instant::now();
            server.shutdown().await;
            assert!(
                started.elapsed() < Duration::from_secs(8),
                "{fault:?} {node}"
            );
        }
    }
}

#[tokio::test]
async fn tasks_of_a_slot_that_moves_under_load_run_once_each() {
    let cluster = RedisCluster::start().await;
    let connection = connection(&cluster);
    let client = Client::connect(&connection).await.unwrap();
    let handler = Scripted::new();
    let server = idle(&connection, &handler).await;
    let queue = RedisCluster::queue_on(0, 0);
    let slot = RedisCluster::slot_of(&queue);
    let producer = {
        let (client, queue) = (client.clone(), queue.clone());
        tokio::spawn(async move {
            for n in 0..400 {
                let id = id_of(&queue, n);
                eventually("the task is stored", DEADLINE, || async {
                    match enqueue(&client, &queue, id.clone()).await {
                        Ok(()) => true,
                        // An attempt without a reply had stored it.
                        Err(error) if error.kind() == ErrorKind::TaskIdConflict => true,
                        Err(error) if error.is_transient() => false,
                        Err(error) => panic!("{error}"),
                    }
                })
                .await;
            }
        })
    };
    for (from, to) in [(0, 1), (1, 2), (2, 0), (0, 2), (2, 1)] {
        cluster.move_slot(slot, from, to).await;
    }
    producer.await.unwrap();
    handler.has_begun(400).await;
    server.shutdown().await;
    for n in 0..400 {
        assert_eq!(handler.runs_of(&id_of(&queue, n)), 1, "{n}");
    }
}

#[tokio::test]
async fn a_command_for_a_slot_that_is_moving_is_sent_where_its_key_is() {
    let cluster = RedisCluster::start().await;
    let connection = connection(&cluster);
    let client = Client::connect(&connection).await.unwrap();
    let inspector = Inspector::connect(&connection).await.unwrap();
    let queue = RedisCluster::queue_on(0, 0);
    let slot = RedisCluster::slot_of(&queue);
    enqueue(&client, &queue, "before".to_owned()).await.unwrap();
    cluster.begin_to_move(slot, 0, 1).await;
    // The flag does not exist, so it is created on the new node.
    inspector.pause_queue(&queue).await.unwrap();
    cluster.move_keys(slot, 0, 1).await;
    inspector.unpause_queue(&queue).await.unwrap();
    cluster.end_to_move(slot, 1).await;
    // It reads several keys in one script. Redis refuses such calls while only some of the keys have moved.
    inspector.task_info(&queue, "before").await.unwrap();
    enqueue(&client, &queue, "after".to_owned()).await.unwrap();
    inspector.task_info(&queue, "after").await.unwrap();
}

#[tokio::test]
async fn an_idle_server_is_notified_of_tasks_in_a_queue_that_has_moved() {
    let cluster = RedisCluster::start().await;
    let connection = connection(&cluster);
    let client = Client::connect(&connection).await.unwrap();
    let handler = Scripted::new();
    let server = idle(&connection, &handler).await;
    let queue = RedisCluster::queue_on(0, 0);
    enqueue(&client, &queue, "before".to_owned()).await.unwrap();
    handler.has_begun(1).await;
    handler.is_idle().await;
    cluster.move_slot(RedisCluster::slot_of(&queue), 0, 1).await;
    for n in 0..10 {
        enqueue(&client, &queue, id_of(&queue, n)).await.unwrap();
        handler.has_begun(n + 2).await;
    }
    server.shutdown().await;
}

#[tokio::test]
async fn a_replica_takes_over_and_nothing_is_lost() {
    let mut cluster = RedisCluster::start_without_full_coverage().await;
    cluster.add_replica(0).await;
    let connection = connection(&cluster);
    let client = Client::connect(&connection).await.unwrap();
    let handler = Scripted::new();
    let server = idle(&connection, &handler).await;
    let queue = RedisCluster::queue_on(0, 0);
    enqueue(&client, &queue, "before".to_owned()).await.unwrap();
    handler.has_begun(1).await;
    handler.is_idle().await;
    cluster.nodes_mut()[0].kill();
    for n in 0..10 {
        let id = id_of(&queue, n);
        eventually("the replica stores the task", DEADLINE, || async {
            match enqueue(&client, &queue, id.clone()).await {
                Ok(()) => true,
                Err(error) => error.kind() == ErrorKind::TaskIdConflict,
            }
        })
        .await;
        handler.has_begun(n + 2).await;
    }
    server.shutdown().await;
    for id in handler.begun() {
        assert_eq!(handler.runs_of(&id), 1, "{id}");
    }
}

#[tokio::test]
async fn runs_are_cancelled_after_the_node_of_the_subscription_has_failed() {
    for fault in [Fault::Killed, Fault::Frozen] {
        let mut cluster = RedisCluster::start_without_full_coverage().await;
        let connection = connection(&cluster).command_timeout(Duration::from_secs(1));
        let client = Client::connect(&connection).await.unwrap();
        let handler = Scripted::new();
        let server = idle(&connection, &handler).await;
        for (n, node) in [(0, 0), (1, 1), (2, 2)] {
            let queue = RedisCluster::queue_on((node + 1) % 3, 0);
            hit(&mut cluster, node, fault).await;
            let id = format!("run {n}");
            let task = Task::new("any", "until_cancelled")
                .queue(&queue)
                .task_id(&id);
            client.enqueue(task).await.unwrap();
            handler.has_begun(n + 1).await;
            let inspector = Inspector::connect(&connection).await.unwrap();
            eventually("the run is cancelled", DEADLINE, || async {
                inspector.cancel_processing(&id).await.unwrap();
                handler.running() == 0
            })
            .await;
            mend(&mut cluster, node, fault).await;
            cluster.is_complete().await;
        }
        server.shutdown().await;
    }
}

#[tokio::test]
async fn a_queue_without_an_answer_does_not_delay_the_leases_of_other_queues() {
    let cluster = RedisCluster::start_without_full_coverage().await;
    // A renewal for the frozen node has no end within this test.
    let connection = connection(&cluster).command_timeout(10 * DEADLINE);
    let client = Client::connect(&connection).await.unwrap();
    let [dead, healthy] = [0, 1].map(|node| RedisCluster::queue_on(node, 0));
    let handler = Scripted::new();
    let server = Server::new(&connection)
        .queue(&dead, 1)
        .queue(&healthy, 1)
        .shutdown_timeout(Duration::from_secs(2))
        .start(handler.clone())
        .await
        .unwrap();
    for queue in [&dead, &healthy] {
        let task = Task::new("any", "wait").queue(queue).task_id("long");
        client.enqueue(task).await.unwrap();
    }
    handler.has_begun(2).await;
    cluster.nodes()[0].pause();
    for _ in 0..3 {
        let before = lease(&cluster, &healthy).await;
        eventually("the lease is renewed", DEADLINE, || async {
            lease(&cluster, &healthy).await > before
        })
        .await;
    }
    cluster.nodes()[0].resume();
    handler.release(2);
    server.shutdown().await;
}
