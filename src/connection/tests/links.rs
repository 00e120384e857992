//! Which connections a link has, and how it closes them.

use fred::interfaces::{ClientInterface, ClientLike};
use fred::types::{ClientState, ClusterHash, CustomCommand, InfoKind, Value};

use super::super::{Command, Connection};
use super::support::{DEADLINE, RedisCluster, RedisServer, eventually};
use super::{open, ping};

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
    let mut used = std::collections::BTreeSet::new();
    for _ in 0..9 {
        let id = Command::without_key("CLIENT", ["ID".into()]);
        used.insert(link.send(id).await.expect("an id").as_i64());
    }
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
    let id = Command::without_key("CLIENT", ["ID".into()]);
    let id = link.send(id).await.expect("an id").as_i64();
    let own_id: i64 = client.client_id().await.expect("an id");
    assert_eq!(id, Some(own_id));
    let own = link.dedicated("a").await.expect("a connection");
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
        let own = link.dedicated("a").await.expect("a connection");
        let subscriber = link.subscriber().await.expect("a subscriber");
        assert!(!connected().await);
        if close {
            link.close().await;
            link.close().await;
            ping(&link).await.expect_err("closed");
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
    let own = link.dedicated("a").await.expect("a connection");
    {
        let mut close = std::pin::pin!(link.close());
        assert!(futures_util::poll!(&mut close).is_pending());
    }
    assert_ne!(own.state(), ClientState::Disconnected);
    link.close().await;
    assert_eq!(own.state(), ClientState::Disconnected);
    ping(&link).await.expect_err("closed");
}

#[tokio::test]
async fn a_link_knows_whether_it_leads_to_a_cluster() {
    let cluster = RedisCluster::start().await;
    let connection = Connection::cluster(cluster.addresses());
    assert!(connection.open().await.expect("open").is_cluster());
    let single = RedisServer::start().await;
    assert!(!open(&single.uri()).await.is_cluster());
}

#[tokio::test]
async fn commands_that_are_sent_together_run_in_their_order_on_one_connection() {
    let server = RedisServer::start().await;
    let link = Connection::from_uri(&server.uri())
        .expect("a good URI")
        .pool_size(3)
        .open()
        .await
        .expect("open");
    for round in 1..=50 {
        let text = round.to_string();
        let replies = link
            .send_all(vec![
                Command::on_key("SET", ["a".into(), text.as_str().into()]),
                Command::on_key("LPUSH", ["a".into(), "b".into()]),
                Command::on_key("GET", ["a".into()]),
            ])
            .await;
        let [set, refused, got] = &replies[..] else {
            panic!("{replies:?}");
        };
        assert!(set.is_ok(), "{set:?}");
        assert!(refused.is_err(), "{refused:?}");
        let got = got.as_ref().ok().and_then(|got| got.as_string());
        assert_eq!(got, Some(text));
    }
}

#[tokio::test]
async fn commands_use_the_connections_of_a_pool_that_are_open() {
    let server = RedisServer::start().await;
    let observer = server.client().await;
    let link = Connection::from_uri(&server.uri())
        .expect("a good URI")
        .pool_size(3)
        .open()
        .await
        .expect("open");
    let id = || link.send(Command::without_key("CLIENT", ["ID".into()]));
    let lost = id().await.expect("an id").as_i64().expect("an id");
    // Redis accepts no connection in place of the one that is killed.
    for words in [
        ["CONFIG", "SET", "maxclients", "3"],
        ["CLIENT", "KILL", "ID", &lost.to_string()],
    ] {
        let command = CustomCommand::new(words[0], ClusterHash::Random, false);
        let sent = observer.custom::<Value, _>(command, words[1..].to_vec());
        sent.await.expect("done");
    }
    eventually("it is noticed", DEADLINE, || async {
        let mut used = std::collections::BTreeSet::new();
        for _ in 0..9 {
            used.extend(id().await.ok().and_then(|id| id.as_i64()));
        }
        used.len() == 2 && !used.contains(&lost)
    })
    .await;
    for _ in 0..9 {
        id().await.expect("an open connection");
        link.check_open().expect("two are open");
    }
}
