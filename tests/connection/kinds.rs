//! Each kind of deployment, reached through the public API.

use fred::interfaces::ClientLike;
use fred::types::{ClusterHash, CustomCommand};
use rasynq::{Client, Connection, ErrorKind, Task};

use super::connect;
use super::support::{MASTER, RedisCluster, RedisSentinel, RedisServer};

/// The reply to `CLIENT LIST`: users and databases of the connections to `server`.
async fn connections(server: &RedisServer) -> String {
    let observer = server.client().await;
    let list = CustomCommand::new_static("CLIENT", ClusterHash::FirstKey, false);
    let connections = observer.custom(list, vec!["LIST"]).await;
    connections.expect("a list")
}

/// Runs a command, and scripts for three queues.
async fn works(client: &Client) {
    client.ping().await.expect("pong");
    for queue in ["one", "two", "three"] {
        let task = Task::new("connection:test", "{}");
        let info = client.enqueue(task).queue(queue).await;
        assert_eq!(info.expect("enqueued").queue, queue);
    }
}

#[tokio::test]
async fn a_server_is_reached_over_tcp() {
    let server = RedisServer::builder().tcp().start().await;
    works(&connect(&server.uri()).await).await;
    let connection = Connection::tcp("127.0.0.1", server.port());
    works(&Client::connect(&connection).await.expect("connected")).await;
}

#[tokio::test]
async fn a_server_is_reached_over_a_unix_socket() {
    let server = RedisServer::start().await;
    works(&connect(&server.uri()).await).await;
    let connection = Connection::unix(server.socket());
    works(&Client::connect(&connection).await.expect("connected")).await;
}

#[tokio::test]
async fn the_database_of_the_uri_is_used() {
    let server = RedisServer::start().await;
    let client = connect(&format!("{}?db=3", server.uri())).await;
    works(&client).await;
    let found = connections(&server).await;
    assert!(found.contains(" db=3 "), "{found}");
}

#[tokio::test]
async fn the_password_of_the_uri_is_used_decoded() {
    let server = RedisServer::builder().password("p@ss/w:rd").start().await;
    works(&connect(&server.uri_with(":p%40ss%2Fw%3Ard@")).await).await;
}

/// Row 33 of `docs/asynq-defects.md`: asynq ignores the user name and logs in as `default`.
#[tokio::test]
async fn the_user_name_of_the_uri_is_kept() {
    let server = RedisServer::builder()
        .password("secret")
        .user("alice", "wonder")
        .start()
        .await;
    let client = connect(&server.uri_with("alice:wonder@")).await;
    works(&client).await;
    let found = connections(&server).await;
    assert!(found.contains(" user=alice "), "{found}");
}

#[tokio::test]
async fn a_user_without_a_password_is_logged_in() {
    let server = RedisServer::builder()
        .user_with_rules("bob", "on nopass ~* &* +@all")
        .start()
        .await;
    let client = connect(&server.uri_with("bob@")).await;
    works(&client).await;
    let found = connections(&server).await;
    assert!(found.contains(" user=bob "), "{found}");
}

#[tokio::test]
async fn a_login_may_contain_any_character() {
    let server = RedisServer::start().await;
    let observer = server.client().await;
    let (name, password) = ("zoë\"'\\", "a b\"c'd\\e\r\nPING ö");
    let acl = CustomCommand::new_static("ACL", ClusterHash::FirstKey, false);
    let rule = format!(">{password}");
    let args = vec!["SETUSER", name, "on", &rule, "~*", "&*", "+@all"];
    let _: () = observer.custom(acl, args).await.expect("a user");
    let connection = Connection::unix(server.socket())
        .username(name)
        .password(password);
    let client = Client::connect(&connection).await.expect("connected");
    works(&client).await;
    let found = connections(&server).await;
    assert!(found.contains(&format!(" user={name} ")), "{found}");
}

#[tokio::test]
async fn a_user_without_permission_to_read_the_version_is_served() {
    let server = RedisServer::builder()
        .user_with_rules("carol", "on >secret ~* &* +@all -info")
        .start()
        .await;
    works(&connect(&server.uri_with("carol:secret@")).await).await;
}

#[cfg(feature = "tls")]
mod tls {
    use super::*;
    use rasynq::TlsOptions;

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
        works(&Client::connect(&by_name).await.expect("connected")).await;

        let by_address = Connection::tcp("127.0.0.1", server.port());
        let named = by_address.tls(options.server_name("localhost"));
        works(&Client::connect(&named).await.expect("connected")).await;
    }

    #[tokio::test]
    async fn a_client_certificate_is_presented() {
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
        let without = Client::connect(&connection.clone().tls(options.clone())).await;
        assert_eq!(
            without.err().map(|error| error.kind()),
            Some(ErrorKind::Unavailable)
        );
        let with = connection.tls(options.client_certificate_pem(
            certificates.client_cert_pem(),
            certificates.client_key_pem(),
        ));
        works(&Client::connect(&with).await.expect("connected")).await;
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
        let error = Client::connect(&connection).await.err().expect("refused");
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
        let error = Client::connect(&connection).await.err().expect("refused");
        let text = error.to_string().to_lowercase();
        assert!(text.contains("certificate"), "{text}");
    }

    #[tokio::test]
    async fn an_invalid_certificate_is_an_error_that_names_it() {
        let connection = Connection::tcp("localhost", 1);
        for (options, word) in [
            (TlsOptions::new().ca_pem("no PEM"), "authorities"),
            (
                TlsOptions::new().ca_pem("").client_certificate_pem("", ""),
                "authorities",
            ),
        ] {
            let error = Client::connect(&connection.clone().tls(options)).await;
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
    works(&connect(&sentinel.uri()).await).await;
    let client = connect(&sentinel.uri().replace('?', "/2?")).await;
    works(&client).await;
    let found = connections(&master).await;
    assert!(found.contains(" db=2 "), "{found}");
}

#[tokio::test]
async fn a_sentinel_that_is_down_is_skipped() {
    let master = RedisServer::builder().tcp().start().await;
    let mut dead = RedisSentinel::start(&master).await;
    let alive = RedisSentinel::start(&master).await;
    dead.kill();
    let nodes = [("127.0.0.1", dead.port()), ("127.0.0.1", alive.port())];
    let connection = Connection::sentinel(MASTER, nodes);
    works(&Client::connect(&connection).await.expect("connected")).await;
}

/// Row 33 of `docs/asynq-defects.md`. As in asynq, the URI has the login for the sentinels; unlike
/// asynq, we use its user name.
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
    let login = |userinfo: &str| {
        let connection = Connection::from_uri(&sentinel.uri_with(userinfo));
        connection.expect("a good URI").password("masters")
    };
    let client = Client::connect(&login("watch:sentinels@")).await;
    works(&client.expect("connected")).await;
    let error = Client::connect(&login("watch:wrong@")).await;
    let error = error.err().expect("refused");
    assert!(error.to_string().contains("password"), "{error}");
}

#[tokio::test]
async fn a_master_that_no_sentinel_knows_is_named() {
    let master = RedisServer::builder().tcp().start().await;
    let sentinel = RedisSentinel::start(&master).await;
    let nodes = [("127.0.0.1", sentinel.port())];
    let error = Client::connect(&Connection::sentinel("elsewhere", nodes)).await;
    let error = error.err().expect("refused");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let text = error.to_string();
    assert!(text.contains("knows no master \"elsewhere\""), "{text}");
}

#[tokio::test]
async fn a_cluster_is_reached_through_any_of_its_nodes() {
    let cluster = RedisCluster::start().await;
    let connection = Connection::cluster(cluster.addresses());
    works(&Client::connect(&connection).await.expect("connected")).await;
    let mut nodes = vec![("127.0.0.1".to_owned(), 1)];
    nodes.extend(cluster.addresses().into_iter().skip(2));
    let connection = Connection::cluster(nodes);
    works(&Client::connect(&connection).await.expect("connected")).await;
}

#[tokio::test]
async fn a_pool_has_as_many_connections_as_configured() {
    let server = RedisServer::start().await;
    let connection = Connection::unix(server.socket()).pool_size(3);
    let client = Client::connect(&connection).await.expect("connected");
    works(&client).await;
    // three for the pool, and one for this test
    let found = connections(&server).await;
    assert!(found.trim_end().lines().count() >= 4, "{found}");
}
