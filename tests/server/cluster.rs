//! Redis Cluster: each queue is on one node, and the global keys may be on other nodes.

use std::collections::BTreeSet;
use std::time::Duration;

use fred::interfaces::ClientLike;
use fred::types::{ClusterHash, CustomCommand};
use rasynq::{Client, Connection, ErrorKind, RunningServer, Server, Task};

use crate::common::support::RedisCluster;
use crate::common::{DEADLINE, HOUR, Log, RedisServer, Scripted, World, eventually, logged};

/// Enough queues that every node has some of them.
const QUEUES: usize = 12;

fn queue(n: usize) -> String {
    format!("q{n}")
}

/// A server of all queues that does not poll: only notifications can wake it.
async fn idle(connection: &Connection, handler: &Scripted) -> RunningServer {
    (0..QUEUES)
        .fold(Server::new(connection), |server, n| {
            server.queue(queue(n), 1)
        })
        .task_check_interval(HOUR)
        .delayed_task_check_interval(HOUR)
        .start(handler.clone())
        .await
        .unwrap()
}

#[tokio::test]
async fn an_idle_server_is_notified_of_tasks_on_all_nodes_of_a_cluster() {
    let cluster = RedisCluster::start().await;
    let connection = Connection::cluster(cluster.addresses());
    let client = Client::connect(&connection).await.unwrap();
    let handler = Scripted::new();
    let server = idle(&connection, &handler).await;
    let tasks = (0..QUEUES).map(|n| Task::new("any", "ok").queue(queue(n)));
    for result in client.enqueue_batch(tasks).await {
        result.unwrap();
    }
    handler.has_begun(QUEUES).await;
    for n in 0..QUEUES {
        let task = Task::new("any", "ok").queue(queue(n)).unique(HOUR);
        client.enqueue(task).await.unwrap();
        handler.has_begun(QUEUES + n + 1).await;
        let task = Task::new("any", "ok").queue(queue(n));
        let due = task.process_in(Duration::from_secs(1));
        client.enqueue(due).await.unwrap();
    }
    handler.has_begun(3 * QUEUES).await;
    // an acknowledgement releases the lock of its task
    for n in 0..QUEUES {
        let free = || async {
            let task = Task::new("any", "ok").queue(queue(n)).unique(HOUR);
            match client.enqueue(task).await {
                Ok(_) => true,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::DuplicateTask, "{error}");
                    false
                }
            }
        };
        eventually("the lock is released", DEADLINE, free).await;
    }
    server.shutdown().await;
    let inspector = rasynq::Inspector::connect(&connection).await.unwrap();
    let known: BTreeSet<String> = inspector.queues().await.unwrap().into_iter().collect();
    assert_eq!(known, (0..QUEUES).map(queue).collect());
}

#[tokio::test]
async fn due_tasks_run_after_nodes_of_a_cluster_were_emptied() {
    let cluster = RedisCluster::start().await;
    let connection = Connection::cluster(cluster.addresses());
    let client = Client::connect(&connection).await.unwrap();
    let handler = Scripted::new();
    let server = idle(&connection, &handler).await;
    let tasks = (0..QUEUES).map(|n| Task::new("any", "ok").queue(queue(n)));
    for result in client.enqueue_batch(tasks).await {
        result.unwrap();
    }
    handler.has_begun(QUEUES).await;
    for node in cluster.nodes() {
        let node = node.client().await;
        // The heartbeat notices if the node of this key is emptied. Nothing but a look at each queue shows that
        // another one was.
        let list = CustomCommand::new_static("ZCARD", ClusterHash::FirstKey, false);
        let servers: Result<i64, _> = node.custom(list, vec!["asynq:servers"]).await;
        if servers.is_err() {
            let empty = CustomCommand::new_static("FLUSHALL", ClusterHash::FirstKey, false);
            let _: String = node.custom(empty, Vec::<String>::new()).await.unwrap();
        }
    }
    let tasks = (0..QUEUES).map(|n| {
        let task = Task::new("any", "ok").queue(queue(n));
        task.process_in(Duration::from_secs(1))
    });
    for result in client.enqueue_batch(tasks).await {
        result.unwrap();
    }
    handler.has_begun(2 * QUEUES).await;
    server.shutdown().await;
}

/// asynq: `redis.UniversalClient` of one address is a plain client, whatever the server is.
#[tokio::test]
async fn a_node_that_owns_all_slots_is_served_like_a_single_server() {
    let world = World::on(RedisServer::builder().cluster()).await;
    let slots: Vec<String> = (0..16_384).map(|slot| slot.to_string()).collect();
    let words: Vec<&str> = ["CLUSTER", "ADDSLOTS"]
        .into_iter()
        .chain(slots.iter().map(String::as_str))
        .collect();
    let _: String = world.run(&words).await;
    eventually("the cluster is complete", DEADLINE, || async {
        let info: String = world.run(&["CLUSTER", "INFO"]).await;
        info.contains("cluster_state:ok")
    })
    .await;
    let connection = Connection::tcp("127.0.0.1", world.redis.port());
    let client = Client::connect(&connection).await.unwrap();
    let handler = Scripted::new();
    let log = Log::capture();
    let server = Server::new(&connection)
        .task_check_interval(HOUR)
        .delayed_task_check_interval(HOUR)
        .start(handler.clone())
        .await
        .unwrap();
    for n in 0..3 {
        let task = Task::new("any", "ok").task_id(n.to_string());
        client.enqueue(task).await.unwrap();
    }
    handler.has_begun(3).await;
    // Redis has refused the client's first call, and the server's first read of all queues.
    eventually(
        "both know that keys are in different slots",
        DEADLINE,
        || async {
            let errors: String = world.run(&["INFO", "errorstats"]).await;
            let refused = errors.split("errorstat_CROSSSLOT:count=").nth(1);
            let digits = |text: &str| {
                text.chars()
                    .take_while(char::is_ascii_digit)
                    .collect::<String>()
            };
            refused.is_some_and(|rest| digits(rest).parse::<u32>().unwrap() >= 2)
        },
    )
    .await;
    let last = Task::new("any", "ok").task_id("last");
    client.enqueue(last).await.unwrap();
    handler.has_begun(4).await;
    world.task_is("last", "").await;
    server.shutdown().await;
    for failure in [logged::TRACKING_UNAVAILABLE, logged::SET_NOT_TRACKED] {
        assert_eq!(log.lines_with(&[failure]), Vec::<String>::new());
    }
    let known: Vec<String> = world.run(&["SMEMBERS", "asynq:queues"]).await;
    assert_eq!(known, ["default"]);
}
