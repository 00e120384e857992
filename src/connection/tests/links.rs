//! Which connections a link has, and how it closes them.

use fred::interfaces::ClientLike;
use fred::types::{ClientState, InfoKind};

use super::super::Connection;
use super::open;
use super::support::{DEADLINE, RedisCluster, RedisServer, eventually};

#[tokio::test]
async fn a_pool_has_as_many_connections_as_set_and_uses_all() {
    let server = RedisServer::start().await;
    let observer = server.client().await;
    let link = Connection::from_uri(&server.uri())
        .expect("a good URI")
        .pool_size(3)
        .open()
        .await
        .expect("open");
    let info: String = observer.info(Some(InfoKind::Clients)).await.expect("info");
    assert!(info.contains("connected_clients:4\r\n"), "{info}");
    let used: std::collections::BTreeSet<String> =
        (0..9).map(|_| link.commands().id().to_owned()).collect();
    assert_eq!(used.len(), 3);
}

#[tokio::test]
async fn a_callers_own_client_is_used_and_not_closed() {
    let server = RedisServer::start().await;
    let client = server.client().await;
    let link = Connection::from_fred(client.clone())
        .open()
        .await
        .expect("open");
    assert_eq!(link.commands().id(), client.id());
    let own = link.dedicated().await.expect("a connection");
    own.ping::<()>(None).await.expect("pong");
    link.close().await;
    drop(link);
    client.ping::<()>(None).await.expect("still open");
    own.ping::<()>(None)
        .await
        .expect_err("closed with the link");
}

#[tokio::test]
async fn closing_and_dropping_leave_no_connection() {
    let server = RedisServer::start().await;
    let observer = server.client().await;
    let connected = async || {
        let info: String = observer.info(Some(InfoKind::Clients)).await.expect("info");
        info.contains("connected_clients:1\r\n")
    };
    for close in [true, false] {
        let link = open(&server.uri()).await;
        let own = link.dedicated().await.expect("a connection");
        let subscriber = link.subscriber().await.expect("a subscriber");
        assert!(!connected().await);
        if close {
            link.close().await;
            link.close().await;
            link.commands().ping::<()>(None).await.expect_err("closed");
        } else {
            drop((link, own, subscriber));
        }
        eventually("all connections are closed", DEADLINE, &connected).await;
    }
}

#[tokio::test]
async fn a_close_whose_future_was_dropped_can_be_repeated() {
    let server = RedisServer::start().await;
    let link = open(&server.uri()).await;
    let own = link.dedicated().await.expect("a connection");
    {
        let mut close = std::pin::pin!(link.close());
        assert!(futures_util::poll!(&mut close).is_pending());
    }
    assert_ne!(own.state(), ClientState::Disconnected);
    link.close().await;
    for client in [&*own, link.commands()] {
        assert_eq!(client.state(), ClientState::Disconnected);
    }
}

#[tokio::test]
async fn a_link_knows_whether_it_leads_to_a_cluster() {
    let cluster = RedisCluster::start().await;
    let connection = Connection::cluster(cluster.addresses());
    assert!(connection.open().await.expect("open").is_cluster());
    let single = RedisServer::start().await;
    assert!(!open(&single.uri()).await.is_cluster());
}
