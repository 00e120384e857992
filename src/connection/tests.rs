//! Of the link, which no public call shows, against real servers.

#[path = "../../tests/support/mod.rs"]
mod support;

use fred::interfaces::{ClientLike, KeysInterface};

use super::Connection;
use support::RedisServer;

fn connection(uri: &str) -> Connection {
    Connection::from_uri(uri).expect("a good URI")
}

#[tokio::test]
async fn a_link_carries_commands_over_a_unix_socket() {
    let server = RedisServer::start().await;
    let link = connection(&server.uri()).open().await.expect("open");
    link.commands().ping::<()>(None).await.expect("pong");
    let _: () = link
        .commands()
        .set("a", 1, None, None, false)
        .await
        .expect("set");
    link.close().await;
    assert!(link.commands().ping::<()>(None).await.is_err());
}

#[tokio::test]
async fn a_restarted_server_keeps_its_data() {
    let mut server = RedisServer::builder().tcp().start().await;
    let link = connection(&server.uri()).open().await.expect("open");
    let _: () = link
        .commands()
        .set("a", 1, None, None, false)
        .await
        .expect("set");
    server.kill();
    server.restart().await;
    let value: i64 = link.commands().get("a").await.expect("get");
    assert_eq!(value, 1);
}

#[tokio::test]
async fn a_cluster_starts() {
    let cluster = support::RedisCluster::start().await;
    let link = Connection::cluster(cluster.addresses())
        .open()
        .await
        .expect("open");
    assert!(link.is_cluster());
    for key in ["a", "b", "c", "d"] {
        let _: () = link
            .commands()
            .set(key, 1, None, None, false)
            .await
            .expect("set");
    }
}
