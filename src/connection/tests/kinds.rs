//! Each kind of place, reached.

use fred::interfaces::{ClientLike, KeysInterface};
use fred::types::InfoKind;

use super::super::{Connection, Link};
use super::open;
use super::support::{MASTER, RedisCluster, RedisSentinel, RedisServer};
use crate::error::ErrorKind;

async fn whoami(link: &Link) -> String {
    let command = fred::types::CustomCommand::new_static("ACL", None, false);
    link.commands()
        .custom(command, vec!["WHOAMI"])
        .await
        .expect("a user")
}

async fn works(link: &Link) {
    let client = link.commands();
    for number in 0..10 {
        let key = format!("key:{number}");
        let _: () = client
            .set(&key, number, None, None, false)
            .await
            .expect("set");
        let found: i64 = client.get(&key).await.expect("get");
        assert_eq!(found, number);
    }
}

#[tokio::test]
async fn a_server_is_reached_over_tcp() {
    let server = RedisServer::builder().tcp().start().await;
    works(&open(&server.uri()).await).await;
    works(
        &Connection::tcp("127.0.0.1", server.port())
            .open()
            .await
            .expect("open"),
    )
    .await;
}

#[tokio::test]
async fn a_server_is_reached_over_a_unix_socket() {
    let server = RedisServer::start().await;
    works(&open(&server.uri()).await).await;
    works(
        &Connection::unix(server.socket())
            .open()
            .await
            .expect("open"),
    )
    .await;
}

#[tokio::test]
async fn the_database_of_the_uri_is_used() {
    let server = RedisServer::start().await;
    let link = open(&format!("{}?db=3", server.uri())).await;
    let _: () = link
        .commands()
        .set("a", 1, None, None, false)
        .await
        .expect("set");
    let there = server.client_for_database(3).await;
    assert_eq!(there.get::<i64, _>("a").await.expect("get"), 1);
}

#[tokio::test]
async fn the_password_of_the_uri_is_used_decoded() {
    let server = RedisServer::builder().password("p@ss/w:rd").start().await;
    let link = open(&server.uri_with(":p%40ss%2Fw%3Ard@")).await;
    works(&link).await;
    assert_eq!(whoami(&link).await, "default");
}

#[tokio::test]
async fn a_login_may_hold_any_character() {
    let server = RedisServer::start().await;
    let client = server.client().await;
    let (name, password) = ("zoë\"'\\", "a b\"c'd\\e\r\nPING ö");
    let acl = fred::types::CustomCommand::new_static("ACL", None, false);
    let rule = format!(">{password}");
    let args = vec!["SETUSER", name, "on", &rule, "~*", "&*", "+@all"];
    let _: () = client.custom(acl, args).await.expect("a user");
    let connection = Connection::unix(server.socket())
        .username(name)
        .password(password);
    let link = connection.open().await.expect("open");
    assert_eq!(whoami(&link).await, name);
}

/// Row 33 of the list of repairs: asynq logs in as `default`, whoever the URI names.
#[tokio::test]
async fn the_user_name_of_the_uri_is_kept() {
    let server = RedisServer::builder()
        .password("secret")
        .user("alice", "wonder")
        .start()
        .await;
    let link = open(&server.uri_with("alice:wonder@")).await;
    works(&link).await;
    assert_eq!(whoami(&link).await, "alice");
}

#[tokio::test]
async fn a_user_without_a_password_is_logged_in() {
    let server = RedisServer::builder()
        .user_with_rules("bob", "on nopass ~* &* +@all")
        .start()
        .await;
    let link = open(&server.uri_with("bob@")).await;
    assert_eq!(whoami(&link).await, "bob");
}

#[tokio::test]
async fn a_user_who_may_not_ask_for_the_version_is_served() {
    let server = RedisServer::builder()
        .user_with_rules("carol", "on >secret ~* &* +@all -info -ping")
        .start()
        .await;
    works(&open(&server.uri_with("carol:secret@")).await).await;
}

#[cfg(feature = "tls")]
mod tls {
    use super::*;
    use crate::connection::TlsOptions;

    #[tokio::test]
    async fn a_server_is_reached_over_tls() {
        if !RedisServer::supports_tls() {
            eprintln!("skipped: this redis-server is built without TLS");
            return;
        }
        let server = RedisServer::builder().tls().start().await;
        let certificates = server.certificates();
        let options = TlsOptions::new().ca_pem(certificates.ca_pem());
        let by_name = Connection::from_uri(&server.uri())
            .expect("a good URI")
            .tls(options.clone());
        works(&by_name.open().await.expect("open")).await;

        let by_address = Connection::tcp("127.0.0.1", server.port());
        let named = by_address.tls(options.server_name("localhost"));
        works(&named.open().await.expect("open")).await;
    }

    #[tokio::test]
    async fn a_client_certificate_is_shown() {
        if !RedisServer::supports_tls() {
            eprintln!("skipped: this redis-server is built without TLS");
            return;
        }
        let server = RedisServer::builder()
            .tls()
            .config("tls-auth-clients", "yes")
            .start()
            .await;
        let certificates = server.certificates();
        let options = TlsOptions::new().ca_pem(certificates.ca_pem());
        let connection = Connection::from_uri(&server.uri()).expect("a good URI");
        let without = connection.clone().tls(options.clone()).open().await;
        assert_eq!(
            without.err().map(|error| error.kind()),
            Some(ErrorKind::Unavailable)
        );
        let with = connection.tls(options.client_certificate_pem(
            certificates.client_cert_pem(),
            certificates.client_key_pem(),
        ));
        works(&with.open().await.expect("open")).await;
    }

    #[tokio::test]
    async fn a_certificate_of_an_unknown_authority_is_refused() {
        if !RedisServer::supports_tls() {
            eprintln!("skipped: this redis-server is built without TLS");
            return;
        }
        let server = RedisServer::builder().tls().start().await;
        let other = RedisServer::builder().tls().start().await;
        let options = TlsOptions::new().ca_pem(other.certificates().ca_pem());
        let connection = Connection::from_uri(&server.uri())
            .expect("a good URI")
            .tls(options);
        let error = connection.open().await.err().expect("refused");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let text = error.to_string().to_lowercase();
        assert!(text.contains("certificate"), "{text}");
    }

    #[tokio::test]
    async fn a_certificate_for_another_name_is_refused() {
        if !RedisServer::supports_tls() {
            eprintln!("skipped: this redis-server is built without TLS");
            return;
        }
        let server = RedisServer::builder().tls().start().await;
        let options = TlsOptions::new()
            .ca_pem(server.certificates().ca_pem())
            .server_name("redis.example");
        let connection = Connection::from_uri(&server.uri())
            .expect("a good URI")
            .tls(options);
        let error = connection.open().await.err().expect("refused");
        let text = error.to_string().to_lowercase();
        assert!(text.contains("certificate"), "{text}");
    }

    #[tokio::test]
    async fn what_is_no_certificate_is_an_error_that_says_which() {
        let connection = Connection::tcp("localhost", 1);
        for (options, word) in [
            (TlsOptions::new().ca_pem("no PEM"), "authorities"),
            (
                TlsOptions::new().ca_pem("").client_certificate_pem("", ""),
                "authorities",
            ),
        ] {
            let error = connection.clone().tls(options).open().await;
            let error = error.err().expect("refused");
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}

#[tokio::test]
async fn the_master_behind_a_sentinel_is_reached() {
    let master = RedisServer::builder().tcp().start().await;
    let sentinel = RedisSentinel::start(&master).await;
    works(&open(&sentinel.uri()).await).await;
    let uri = sentinel.uri().replace("/?", "?").replace('?', "/2?");
    let link = open(&uri).await;
    let _: () = link
        .commands()
        .set("b", 1, None, None, false)
        .await
        .expect("set");
    let there = master.client_for_database(2).await;
    assert_eq!(there.get::<i64, _>("b").await.expect("get"), 1);
}

#[tokio::test]
async fn a_sentinel_that_is_down_is_passed_over() {
    let master = RedisServer::builder().tcp().start().await;
    let mut dead = RedisSentinel::start(&master).await;
    let alive = RedisSentinel::start(&master).await;
    dead.kill();
    let nodes = [("127.0.0.1", dead.port()), ("127.0.0.1", alive.port())];
    let link = Connection::sentinel(MASTER, nodes).open().await;
    works(&link.expect("open")).await;
}

/// Row 33 again: as in asynq the login is the sentinels', but the user name is kept.
#[tokio::test]
async fn the_user_name_of_a_sentinel_uri_is_kept_for_the_sentinels() {
    let master = RedisServer::builder()
        .tcp()
        .password("masters")
        .start()
        .await;
    let sentinel = RedisSentinel::start_with(
        &master,
        &[
            &format!("sentinel auth-pass {MASTER} masters"),
            "user default off",
            "user watch on >sentinels ~* &* +@all",
        ],
    )
    .await;
    let connection = Connection::from_uri(&sentinel.uri_with("watch:sentinels@"))
        .expect("a good URI")
        .password("masters");
    works(&connection.open().await.expect("open")).await;

    let wrong = Connection::from_uri(&sentinel.uri_with("watch:wrong@"))
        .expect("a good URI")
        .password("masters");
    let error = wrong.open().await.err().expect("refused");
    let text = error.to_string();
    assert!(text.contains("password"), "{text}");
}

#[tokio::test]
async fn a_master_that_no_sentinel_knows_is_named() {
    let master = RedisServer::builder().tcp().start().await;
    let sentinel = RedisSentinel::start(&master).await;
    let nodes = [("127.0.0.1", sentinel.port())];
    let error = Connection::sentinel("elsewhere", nodes)
        .open()
        .await
        .err()
        .expect("refused");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        error.to_string().contains("knows no master \"elsewhere\""),
        "{error}"
    );
}

#[tokio::test]
async fn a_cluster_is_reached_through_any_of_its_nodes() {
    let cluster = RedisCluster::start().await;
    let link = Connection::cluster(cluster.addresses())
        .open()
        .await
        .expect("open");
    assert!(link.is_cluster());
    works(&link).await;
    let mut nodes = vec![("127.0.0.1".to_owned(), 1)];
    nodes.extend(cluster.addresses().into_iter().skip(2));
    let link = Connection::cluster(nodes).open().await.expect("open");
    works(&link).await;
}

#[tokio::test]
async fn a_pool_has_that_many_connections_and_uses_all() {
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
