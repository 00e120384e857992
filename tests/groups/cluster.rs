//! Groups in a cluster whose nodes freeze and whose slots move.

use std::sync::Arc;

use rasynq::{Client, Connection, RunningServer, Server, Task};
use tokio::sync::Semaphore;

use crate::common::support::RedisCluster;
use crate::common::{HOUR, Scripted};
use crate::support::{join, member};

/// A server of these queues that aggregates two tasks.
fn server(connection: &Connection, queues: [&str; 2]) -> Server {
    let [one, other] = queues;
    Server::new(connection)
        .queue(one, 1)
        .queue(other, 1)
        .task_check_interval(HOUR)
        .aggregate(join)
        .group_grace_period(HOUR)
        .group_max_size(2)
}

async fn start(connection: &Connection, queues: [&str; 2], handler: &Scripted) -> RunningServer {
    let server = server(connection, queues);
    server.start(handler.clone()).await.unwrap()
}

async fn add<const N: usize>(client: &Client, queue: &str, group: &str, ids: [&str; N]) {
    for id in ids {
        client
            .enqueue(member(group, id).queue(queue))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn groups_on_healthy_nodes_do_not_notice_a_frozen_node() {
    let cluster = RedisCluster::start_without_full_coverage().await;
    let connection = Connection::cluster(cluster.addresses());
    let client = Client::connect(&connection).await.unwrap();
    let [frozen, healthy] = [1, 2].map(|node| RedisCluster::queue_on(node, 0));
    let handler = Scripted::new();
    let server = start(&connection, [&frozen, &healthy], &handler).await;
    add(&client, &frozen, "first", ["1", "2"]).await;
    add(&client, &healthy, "first", ["1", "2"]).await;
    handler.has_begun(2).await;
    add(&client, &frozen, "waits", ["3"]).await;
    cluster.nodes()[1].pause();
    for n in 0..20 {
        let [a, b] = [format!("{n}.a"), format!("{n}.b")];
        add(&client, &healthy, &format!("g{n}"), [&a, &b]).await;
    }
    handler.has_begun(22).await;
    cluster.nodes()[1].resume();
    add(&client, &frozen, "waits", ["4"]).await;
    handler.has_begun(23).await;
    server.shutdown().await;
}

#[tokio::test]
async fn sets_that_wait_for_a_frozen_node_take_no_slot_from_groups_on_healthy_nodes() {
    let cluster = RedisCluster::start_without_full_coverage().await;
    let connection = Connection::cluster(cluster.addresses());
    let client = Client::connect(&connection).await.unwrap();
    let [frozen, healthy] = [1, 2].map(|node| RedisCluster::queue_on(node, 0));
    let [begun, gate] = [(); 2].map(|()| Arc::new(Semaphore::new(0)));
    let waits = {
        let (begun, gate) = (Arc::clone(&begun), Arc::clone(&gate));
        move |group: String, tasks: Vec<Task>| {
            let (begun, gate) = (Arc::clone(&begun), Arc::clone(&gate));
            async move {
                if group.starts_with("waits") {
                    begun.add_permits(1);
                    gate.acquire().await?.forget();
                }
                join(group, tasks).await
            }
        }
    };
    let handler = Scripted::new();
    let server = server(&connection, [&frozen, &healthy])
        .group_concurrency(2)
        .aggregate(waits)
        .start(handler.clone())
        .await
        .unwrap();
    add(&client, &frozen, "waits1", ["1", "2"]).await;
    add(&client, &frozen, "waits2", ["3", "4"]).await;
    begun.acquire_many(2).await.unwrap().forget();
    add(&client, &healthy, "g", ["5", "6"]).await;
    cluster.nodes()[1].pause();
    gate.add_permits(2);
    handler.has_begun(1).await;
    cluster.nodes()[1].resume();
    handler.has_begun(3).await;
    server.shutdown().await;
}

#[tokio::test]
async fn groups_in_a_slot_that_moves_are_aggregated() {
    let cluster = RedisCluster::start().await;
    let connection = Connection::cluster(cluster.addresses());
    let client = Client::connect(&connection).await.unwrap();
    let [moves, stays] = [0, 1].map(|node| RedisCluster::queue_on(node, 0));
    let handler = Scripted::new();
    let server = start(&connection, [&moves, &stays], &handler).await;
    add(&client, &moves, "first", ["1", "2"]).await;
    add(&client, &moves, "waits", ["3"]).await;
    handler.has_begun(1).await;
    cluster.move_slot(RedisCluster::slot_of(&moves), 0, 2).await;
    add(&client, &moves, "waits", ["4"]).await;
    handler.has_begun(2).await;
    add(&client, &moves, "last", ["5", "6"]).await;
    handler.has_begun(3).await;
    server.shutdown().await;
}
