//! Connections that cannot be opened, and their errors.

use std::time::{Duration, Instant};

use fred::clients::Client as FredClient;
use fred::interfaces::ClientLike;
use fred::types::config::{Config, ConnectionConfig, ReconnectPolicy, ServerConfig};

use fred::types::{ClusterHash, CustomCommand};
use rasynq::{Client, Connection, Error, ErrorKind, Task};

use super::support::{DEADLINE, FakeRedis, RedisServer, bulk, eventually};

const PATIENCE: Duration = Duration::from_millis(400);

async fn refused(connection: Connection) -> Error {
    let started = Instant::now();
    let connection = connection.connect_timeout(PATIENCE);
    let error = Client::connect(&connection).await;
    let error = error.err().expect("refused");
    assert!(
        started.elapsed() < PATIENCE + Duration::from_secs(5),
        "{error}"
    );
    error
}

fn at(uri: &str) -> Connection {
    Connection::from_uri(uri).expect("a good URI")
}

#[tokio::test]
async fn a_server_that_is_down_is_unavailable_and_named() {
    let mut server = RedisServer::builder().tcp().start().await;
    server.stop().await;
    let error = refused(at(&server.uri())).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let place = format!("redis://127.0.0.1:{}/0", server.port());
    assert!(error.to_string().contains(&place), "{error}");
}

#[tokio::test]
async fn a_missing_unix_socket_is_unavailable_and_named() {
    let error = refused(Connection::unix("/nowhere/redis.sock")).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("/nowhere/redis.sock"), "{error}");
}

#[tokio::test]
async fn connecting_to_a_silent_server_fails_after_the_connect_timeout() {
    for server in [
        RedisServer::start().await,
        RedisServer::builder().tcp().start().await,
    ] {
        server.pause();
        let error = refused(at(&server.uri())).await;
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("does not answer"), "{error}");
    }
}

#[tokio::test]
async fn a_missing_password_and_a_wrong_password_have_different_errors() {
    let server = RedisServer::builder().password("secret").start().await;
    let missing = refused(at(&server.uri_with(""))).await;
    assert_eq!(missing.kind(), ErrorKind::Redis);
    assert!(
        missing.to_string().contains("asks for a password"),
        "{missing}"
    );
    let wrong = refused(at(&server.uri_with(":hunter2@"))).await;
    assert_eq!(wrong.kind(), ErrorKind::Redis);
    assert!(
        wrong.to_string().contains("refuses the password"),
        "{wrong}"
    );
    for error in [missing, wrong] {
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}

fn reply(command: &[String], version: &str, knows_hello: bool) -> String {
    match command[0].to_ascii_uppercase().as_str() {
        "HELLO" if knows_hello => "%1\r\n$5\r\nproto\r\n:3\r\n".to_owned(),
        "HELLO" => "-ERR unknown command `HELLO`, with args beginning with: `3`, \r\n".to_owned(),
        "INFO" => bulk(&format!("# Server\r\nredis_version:{version}\r\n")),
        "CLIENT" => ":7\r\n".to_owned(),
        "PING" => "+PONG\r\n".to_owned(),
        _ => "+OK\r\n".to_owned(),
    }
}

#[tokio::test]
async fn a_redis_older_than_6_2_is_refused_by_its_version() {
    for (version, knows_hello) in [("6.0.16", true), ("5.0.14", false)] {
        let fake = FakeRedis::start(move |command| reply(command, version, knows_hello)).await;
        let error = refused(Connection::tcp("127.0.0.1", fake.port())).await;
        assert_eq!(error.kind(), ErrorKind::UnsupportedRedis, "{error}");
        let text = error.to_string();
        assert!(text.contains(version) && text.contains("6.2"), "{text}");
    }
}

/// A Redis server without these commands.
async fn server_without(commands: &[&str]) -> RedisServer {
    let mut server = RedisServer::builder();
    for command in commands {
        server = server.without_command(command);
    }
    server.start().await
}

#[tokio::test]
async fn a_redis_without_info_or_hello_or_both_is_used() {
    for commands in [&["INFO"][..], &["HELLO"], &["INFO", "HELLO"]] {
        let server = server_without(commands).await;
        let client = super::connect(&server.uri()).await;
        client.ping().await.expect("pong");
        let task = Task::new("connection:test", "{}");
        client.enqueue(task).await.expect("enqueued");
    }
}

#[tokio::test]
async fn a_redis_without_hello_gets_the_login_with_auth() {
    let server = RedisServer::builder()
        .without_command("HELLO")
        .password("p a\"ss")
        .user("alice", "won\"der")
        .start()
        .await;
    for login in [":p%20a%22ss@", "alice:won%22der@"] {
        let client = super::connect(&server.uri_with(login)).await;
        client.ping().await.expect("pong");
    }
}

#[tokio::test]
async fn a_redis_that_is_loading_is_unavailable() {
    let fake = FakeRedis::start(|command| match command[0].as_str() {
        "PING" => "-LOADING Redis is loading the dataset in memory\r\n".to_owned(),
        _ => reply(command, "7.0.15", true),
    })
    .await;
    let error = refused(Connection::tcp("127.0.0.1", fake.port())).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("loading"), "{error}");
}

#[tokio::test]
async fn a_real_redis_that_is_loading_is_unavailable() {
    let mut server = RedisServer::builder()
        .tcp()
        .config("appendonly", "no")
        .start()
        .await;
    let client = server.client().await;
    let config = CustomCommand::new_static("CONFIG", ClusterHash::FirstKey, false);
    let interval: fred::types::Value = client
        .custom(config, vec!["GET", "loading-process-events-interval-bytes"])
        .await
        .expect("settings");
    if interval.into_map().expect("a map").is_empty() {
        eprintln!("skipped: this redis-server answers nothing while it loads so little");
        return;
    }
    let fill = "for i = 1, 20000 do redis.call('SET', 'key:' .. i, i) end";
    let eval = CustomCommand::new_static("EVAL", ClusterHash::FirstKey, false);
    let filled: Result<fred::types::Value, _> = client.custom(eval, vec![fill, "0"]).await;
    filled.expect("filled");
    let save = CustomCommand::new_static("SAVE", ClusterHash::FirstKey, false);
    let _: () = client
        .custom(save, Vec::<String>::new())
        .await
        .expect("saved");
    let slowly = [
        ("key-load-delay", "1000"),
        ("loading-process-events-interval-bytes", "1024"),
    ];
    server.restart_with(&slowly, false).await;
    let connection = at(&server.uri());
    eventually("the error says that Redis is loading", DEADLINE, || async {
        let error = Client::connect(&connection).await.err();
        error.is_some_and(|error| {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
            error.to_string().contains("loading")
        })
    })
    .await;
}

#[tokio::test]
async fn a_callers_own_client_is_used_and_not_closed() {
    let server = RedisServer::start().await;
    let theirs = server.client().await;
    let client = Client::connect(&Connection::from_fred(theirs.clone())).await;
    let client = client.expect("connected");
    client.ping().await.expect("pong");
    client.close().await;
    drop(client);
    theirs.ping::<()>(None).await.expect("still open");
}

#[tokio::test]
async fn a_callers_client_that_repeats_commands_is_refused() {
    let server = RedisServer::start().await;
    let config = Config {
        server: ServerConfig::new_unix_socket(server.socket()),
        ..Config::default()
    };
    let policy = ReconnectPolicy::default();
    let connection = ConnectionConfig::default();
    let client = FredClient::new(config, None, Some(connection), Some(policy));
    client.init().await.expect("connected");
    let error = refused(Connection::from_fred(client.clone())).await;
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        error.to_string().contains("max_command_attempts = 3"),
        "{error}"
    );
    client.ping::<()>(None).await.expect("still open");
}

#[tokio::test]
async fn invalid_settings_are_refused_by_name() {
    let tcp = || Connection::tcp("localhost", 6379);
    let none: [(&str, u16); 0] = [];
    for (connection, word) in [
        (tcp().command_timeout(Duration::ZERO), "command_timeout"),
        (tcp().pool_size(0), "pool_size"),
        (tcp().pool_size(usize::MAX), "pool_size"),
        (tcp().sentinel_password("s"), "sentinels"),
        (Connection::tcp("", 6379), "host"),
        (Connection::tcp("localhost", 0), "port"),
        (Connection::unix(""), "path"),
        (Connection::sentinel("", [("localhost", 1)]), "master"),
        (Connection::sentinel("m", none), "sentinel"),
        (Connection::cluster(none), "node"),
        (
            Connection::cluster([("localhost", 1)]).database(1),
            "database",
        ),
    ] {
        let error = Client::connect(&connection).await.err().expect("refused");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(word), "{word}: {error}");
    }
    let zero = Client::connect(&tcp().connect_timeout(Duration::ZERO)).await;
    assert_eq!(
        zero.err().map(|error| error.kind()),
        Some(ErrorKind::Invalid)
    );
}
