//! Links to clusters: which node runs a command, and what becomes of refusals.

use std::time::Duration;

use fred::interfaces::ClientLike;
use fred::types::{ClusterHash, CustomCommand, InfoKind, Value};
use tokio::time::timeout;

use super::super::{Command, Connection, Link, map_redis_error};
use super::support::{DEADLINE, RedisCluster, RedisServer, RedisServerBuilder, eventually};
use crate::error::ErrorKind;

async fn open(cluster: &RedisCluster) -> Link {
    let connection = Connection::cluster(cluster.addresses());
    connection.open().await.expect("an open link")
}

fn set(key: &str) -> Command {
    Command::on_key("SET", [key.into(), "1".into()])
}

fn key_on(node: usize) -> String {
    RedisCluster::queue_on(node, 0)
}

#[tokio::test]
async fn the_hash_slot_of_a_key_is_that_of_redis() {
    let node = RedisServer::builder().cluster().start().await;
    let client = node.client().await;
    for key in [
        "asynq:{default}:pending",
        "asynq:queues",
        "",
        "{",
        "}",
        "{}",
        "{}a",
        "{}{a}",
        "a{b}c{d}",
        "a}b{c}d",
        "{{a}}",
        "{a",
        "a{",
        "asynq:{{odd}}:t:1",
        "é{ü}",
    ] {
        let command = CustomCommand::new_static("CLUSTER", ClusterHash::Random, false);
        let slot: Value = client
            .custom(command, vec!["KEYSLOT", key])
            .await
            .expect("a slot");
        assert_eq!(
            set(key).hash_slot().map(i64::from),
            slot.as_i64(),
            "{key:?}"
        );
    }
}

#[tokio::test]
async fn commands_for_all_nodes_have_their_replies_in_order() {
    let cluster = RedisCluster::start().await;
    let link = open(&cluster).await;
    let keys: Vec<String> = (0..30).map(|n| format!("key {n}")).collect();
    let commands = keys
        .iter()
        .map(|key| Command::on_key("SET", [key.as_str().into(), key.as_str().into()]))
        .chain([Command::without_key("PING", [])]);
    for reply in link.send_all(commands.collect()).await {
        reply.expect("stored");
    }
    let commands = keys
        .iter()
        .map(|key| Command::on_key("GET", [key.as_str().into()]));
    let replies = link.send_all(commands.collect()).await;
    for (key, reply) in keys.iter().zip(replies) {
        assert_eq!(reply.expect("found").as_string().as_ref(), Some(key));
    }
}

#[tokio::test]
async fn a_refused_command_is_sent_on_at_once_and_the_next_ones_go_there_directly() {
    let cluster = RedisCluster::start().await;
    let link = open(&cluster).await;
    let key = key_on(0);
    link.send(set(&key)).await.expect("stored");
    let slot = RedisCluster::slot_of(&key);
    cluster.begin_to_move(slot, 0, 1).await;
    // While the hash slot moves, a key that is not on the old node is on the new one.
    let other = format!("{{{key}}}:other");
    link.send(set(&other))
        .await
        .expect("stored on the new node");
    link.send(Command::on_key("GET", [key.as_str().into()]))
        .await
        .expect("read from the old node");
    cluster.move_keys(slot, 0, 1).await;
    cluster.end_to_move(slot, 1).await;
    for key in [&key, &other] {
        let value = link.send(Command::on_key("GET", [key.as_str().into()]));
        let value = value.await.expect("read from the new node");
        assert_eq!(value.as_i64(), Some(1), "{key}");
    }
    let node = format!("127.0.0.1:{}", cluster.nodes()[1].port());
    assert_eq!(link.node_of(&key), Some(node));
}

#[tokio::test]
async fn nodes_that_do_not_agree_cause_no_storm_of_questions() {
    let cluster = RedisCluster::start().await;
    let link = open(&cluster).await;
    let key = key_on(0);
    let slot = RedisCluster::slot_of(&key);
    let id = |node| cluster.ask(node, vec!["MYID".to_owned()]);
    let other = id(1).await.as_string().expect("an id");
    // The old master says that the hash slot has moved; the new one does not know of it.
    let set_slot = ["SETSLOT", &slot.to_string(), "NODE", &other].map(str::to_owned);
    cluster.ask(0, set_slot.to_vec()).await;
    for node in cluster.nodes() {
        let client = node.client().await;
        let reset = CustomCommand::new_static("CONFIG", ClusterHash::Random, false);
        let () = client
            .custom(reset, vec!["RESETSTAT"])
            .await
            .expect("reset");
    }
    for _ in 0..300 {
        if let Err(error) = link.send(set(&key)).await {
            let error = map_redis_error(error, "set");
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        }
    }
    let mut questions = 0;
    for node in cluster.nodes() {
        let client = node.client().await;
        let info = CustomCommand::new_static("INFO", ClusterHash::Random, false);
        let info: String = client
            .custom(info, vec!["commandstats"])
            .await
            .expect("info");
        let calls = info
            .lines()
            // Redis 6.2 does not tell the subcommand
            .find_map(|line| {
                let rest = line.strip_prefix("cmdstat_cluster|slots:calls=");
                rest.or_else(|| line.strip_prefix("cmdstat_cluster:calls="))
            })
            .and_then(|rest| rest.split(',').next()?.parse::<u64>().ok());
        questions += calls.unwrap_or(0);
    }
    assert!(questions < 60, "{questions}");
}

/// A cluster of one node that has never met another one, so that it does not know its own address.
async fn lone_node(builder: RedisServerBuilder) -> RedisServer {
    let node = builder.cluster().start().await;
    let client = node.client().await;
    let command = || CustomCommand::new_static("CLUSTER", ClusterHash::Random, false);
    let slots = (0..16_384).map(|slot| slot.to_string());
    let args: Vec<String> = ["ADDSLOTS".to_owned()].into_iter().chain(slots).collect();
    let () = client.custom(command(), args).await.expect("slots");
    eventually("the cluster is complete", DEADLINE, || async {
        let info: String = client.custom(command(), vec!["INFO"]).await.expect("info");
        info.contains("cluster_state:ok")
    })
    .await;
    node
}

#[tokio::test]
async fn a_node_that_does_not_know_its_address_is_reached_by_the_known_one() {
    let mut builders = vec![RedisServer::builder()];
    if RedisServer::knows_config("cluster-preferred-endpoint-type", "hostname") {
        for endpoint in ["hostname", "unknown-endpoint"] {
            let name = "cluster-preferred-endpoint-type";
            builders.push(RedisServer::builder().config(name, endpoint));
        }
    }
    for builder in builders {
        let node = lone_node(builder).await;
        let link = Connection::cluster([("localhost", node.port())]);
        let link = link.open().await.expect("an open link");
        link.send(set("a")).await.expect("stored");
        let node = link.node_of("a");
        assert!(node.is_some(), "{node:?}");
        link.dedicated("a").await.expect("a tracking connection");
        link.subscriber().await.expect("a subscriber");
        link.close().await;
    }
}

/// How many connections a node has accepted so far.
async fn accepted(node: &RedisServer) -> u64 {
    let client = node.client().await;
    let info: String = client.info(Some(InfoKind::Stats)).await.expect("info");
    client.quit().await.expect("closed");
    let accepted = |line: &str| {
        line.strip_prefix("total_connections_received:")?
            .parse()
            .ok()
    };
    info.lines().find_map(accepted).expect("a count")
}

#[tokio::test]
async fn a_closed_link_opens_no_connection() {
    let cluster = RedisCluster::start().await;
    let link = open(&cluster).await;
    link.close().await;
    let before = accepted(&cluster.nodes()[0]).await;
    link.node_has_changed();
    tokio::time::sleep(Duration::from_secs(1)).await;
    // One connection is that of the question itself.
    assert_eq!(accepted(&cluster.nodes()[0]).await, before + 1);
}

#[tokio::test]
async fn who_gives_up_waits_for_no_node_of_a_separate_link_either() {
    let cluster = RedisCluster::start_without_full_coverage().await;
    let connection = Connection::cluster(cluster.addresses()).connect_timeout(4 * DEADLINE);
    let link = connection.open().await.expect("an open link");
    cluster.nodes()[2].pause();
    // It is not known yet whether the frozen node will answer.
    let separate = link.separate().await.expect("a separate link");
    link.give_up();
    let key = key_on(2);
    let refused = timeout(DEADLINE, separate.send(set(&key))).await;
    refused.expect("not waited for").expect_err("no reply");
    cluster.nodes()[2].resume();
}

#[tokio::test]
async fn a_node_that_is_met_later_is_connected_on_the_runtime_of_the_link() {
    let mut cluster = RedisCluster::start_without_full_coverage().await;
    let link = open(&cluster).await;
    let added = cluster.add_master().await;
    let key = key_on(0);
    let slot = RedisCluster::slot_of(&key);
    cluster.begin_to_move(slot, 0, added).await;
    let (caller, first) = (link.clone(), set(&key));
    let met = tokio::task::spawn_blocking(move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().expect("a runtime");
        runtime.block_on(caller.send(first))
    });
    let met = met.await.expect("no panic");
    met.expect("stored on the new node");
    let again = link.send(set(&format!("{{{key}}}:other"))).await;
    again.expect("the connection works after the other runtime has ended");
}

#[tokio::test]
async fn a_cluster_that_is_down_costs_no_connection_for_each_command() {
    let mut cluster = RedisCluster::start().await;
    let link = open(&cluster).await;
    let key = key_on(2);
    for node in 0..2 {
        cluster.nodes_mut()[node].kill();
    }
    eventually("the cluster is down", DEADLINE, || async {
        let info = cluster.ask(2, vec!["INFO".to_owned()]).await;
        info.as_string()
            .is_some_and(|info| info.contains("cluster_state:fail"))
    })
    .await;
    let before = accepted(&cluster.nodes()[2]).await;
    for _ in 0..200 {
        let refused = link.send(set(&key)).await.expect_err("the cluster is down");
        let error = map_redis_error(refused, "set");
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    }
    let accepted = accepted(&cluster.nodes()[2]).await - before;
    assert!(accepted < 20, "{accepted}");
    for node in 0..2 {
        cluster.nodes_mut()[node].restart().await;
    }
    eventually("the cluster works again", DEADLINE, || async {
        link.send(set(&key)).await.is_ok()
    })
    .await;
}
