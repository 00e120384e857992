//! Connections that break, a Redis that stops answering, replies that are lost.

use std::time::{Duration, Instant};

use fred::error::ErrorKind as FredKind;
use fred::interfaces::{EventInterface, KeysInterface, ListInterface, PubsubInterface};
use fred::types::lists::LMoveDirection;

use super::super::{Command, Connection, map_redis_error};
use super::support::{DEADLINE, Proxy, RedisServer, eventually};
use super::{get, open, ping};
use crate::error::ErrorKind;

/// A command timeout for tests: short, but long enough for a machine under load to answer.
const PATIENCE: Duration = Duration::from_millis(500);

const COUNT: &str = "return redis.call('INCR', KEYS[1])";

#[tokio::test]
async fn a_link_works_again_after_a_restart() {
    for mut server in [
        RedisServer::start().await,
        RedisServer::builder()
            .tcp()
            .password("secret")
            .start()
            .await,
    ] {
        let link = open(&server.uri()).await;
        let set = Command::on_key("SET", ["a".into(), "1".into()]);
        link.send(set).await.expect("set");
        for graceful in [true, false] {
            if graceful {
                server.stop().await;
            } else {
                server.kill();
            }
            server.restart().await;
            eventually("commands work again", DEADLINE, || async {
                get(&link, "a").await.is_ok_and(|a| a.as_i64() == Some(1))
            })
            .await;
        }
    }
}

#[tokio::test]
async fn a_command_fails_in_bounded_time_while_redis_is_down() {
    let mut server = RedisServer::start().await;
    let link = Connection::from_uri(&server.uri())
        .expect("a good URI")
        .command_timeout(PATIENCE)
        .open()
        .await
        .expect("open");
    server.stop().await;
    for _ in 0..3 {
        let started = Instant::now();
        let error = get(&link, "a").await;
        let error = map_redis_error(error.expect_err("down"), "get");
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(started.elapsed() < PATIENCE * 4, "{:?}", started.elapsed());
    }
}

#[tokio::test]
async fn a_command_fails_in_bounded_time_while_redis_does_not_answer_and_works_again_later() {
    let server = RedisServer::start().await;
    let link = Connection::from_uri(&server.uri())
        .expect("a good URI")
        .command_timeout(PATIENCE)
        .open()
        .await
        .expect("open");
    server.pause();
    for _ in 0..3 {
        let started = Instant::now();
        let error = get(&link, "a").await;
        let error = map_redis_error(error.expect_err("no answer"), "get");
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(started.elapsed() < PATIENCE * 4, "{:?}", started.elapsed());
    }
    server.resume();
    eventually("commands work again", DEADLINE, || async {
        get(&link, "a").await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_script_whose_reply_is_lost_is_not_sent_again() {
    let server = RedisServer::builder().tcp().start().await;
    let proxy = Proxy::start(server.port()).await;
    let link = Connection::tcp("127.0.0.1", proxy.port())
        .open()
        .await
        .expect("open");
    let observer = server.client().await;
    for lost in 1..=5_i64 {
        proxy.lose_next_reply();
        let count = Command::script("EVAL", COUNT, vec!["count".into()], Vec::new());
        let result = link.send(count).await;
        let error = map_redis_error(result.expect_err("lost"), "count");
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        eventually("commands work again", DEADLINE, || async {
            ping(&link).await.is_ok()
        })
        .await;
        let count: i64 = observer.get("count").await.expect("get");
        assert_eq!(count, lost);
    }
}

#[tokio::test]
async fn a_connection_without_answers_is_replaced_although_commands_are_still_written() {
    let server = RedisServer::builder().tcp().start().await;
    let proxy = Proxy::start(server.port()).await;
    let link = Connection::tcp("127.0.0.1", proxy.port())
        .command_timeout(PATIENCE)
        .open()
        .await
        .expect("open");
    proxy.silence();
    let writer = link.clone();
    let writing = tokio::spawn(async move {
        loop {
            let writer = writer.clone();
            tokio::spawn(async move { get(&writer, "a").await });
            tokio::time::sleep(PATIENCE / 20).await;
        }
    });
    eventually("commands work again", DEADLINE, || async {
        ping(&link).await.is_ok()
    })
    .await;
    writing.abort();
}

#[tokio::test]
async fn a_subscriber_without_answers_is_replaced_and_subscribes_again() {
    let server = RedisServer::builder().tcp().start().await;
    let proxy = Proxy::start(server.port()).await;
    let link = Connection::tcp("127.0.0.1", proxy.port())
        .command_timeout(PATIENCE)
        .open()
        .await
        .expect("open");
    let subscriber = link.subscriber().await.expect("a subscriber");
    let mut messages = subscriber.message_rx();
    subscriber
        .subscribe("asynq:cancel")
        .await
        .expect("subscribed");
    let publisher = server.client().await;
    let published = async || {
        publisher
            .publish::<i64, _, _>("asynq:cancel", "id")
            .await
            .expect("published")
    };
    assert_eq!(published().await, 1);
    let message = messages.recv().await.expect("a message");
    assert_eq!(message.value.as_string().as_deref(), Some("id"));

    proxy.silence();
    eventually("a message arrives again", DEADLINE, || async {
        published().await;
        tokio::time::timeout(PATIENCE / 10, messages_of(&subscriber))
            .await
            .is_ok()
    })
    .await;
}

async fn messages_of(subscriber: &fred::clients::SubscriberClient) {
    let mut messages = subscriber.message_rx();
    while let Ok(message) = messages.recv().await {
        if &*message.channel == "asynq:cancel" {
            return;
        }
    }
}

#[tokio::test]
async fn a_subscriber_subscribes_again_after_a_restart() {
    let mut server = RedisServer::start().await;
    let link = open(&server.uri()).await;
    let subscriber = link.subscriber().await.expect("a subscriber");
    subscriber
        .subscribe("asynq:cancel")
        .await
        .expect("subscribed");
    server.stop().await;
    server.restart().await;
    let publisher = server.client().await;
    eventually("the subscriber is subscribed again", DEADLINE, || async {
        publisher
            .publish::<i64, _, _>("asynq:cancel", "id")
            .await
            .expect("published")
            == 1
    })
    .await;
}

#[tokio::test]
async fn a_blocking_command_shorter_than_the_timeout_does_not_count_as_no_answer() {
    let server = RedisServer::builder().tcp().start().await;
    let proxy = Proxy::start(server.port()).await;
    let link = Connection::tcp("127.0.0.1", proxy.port())
        .command_timeout(PATIENCE)
        .open()
        .await
        .expect("open");
    let own = link.dedicated("a").await.expect("a connection");
    let connections = proxy.accepted();
    for _ in 0..20 {
        let nothing = own
            .blmove::<Option<String>, _, _>(
                "empty",
                "empty",
                LMoveDirection::Right,
                LMoveDirection::Left,
                PATIENCE.as_secs_f64() / 5.0,
            )
            .await;
        // fred turns an empty reply into this error.
        assert_eq!(
            nothing.map_err(|error| error.kind().clone()),
            Err(FredKind::Timeout)
        );
    }
    assert_eq!(proxy.accepted(), connections);
}

#[tokio::test]
async fn closing_a_link_takes_bounded_time_while_redis_does_not_answer() {
    let server = RedisServer::start().await;
    let link = open(&server.uri()).await;
    server.pause();
    let started = Instant::now();
    link.close().await;
    assert!(started.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn a_link_to_a_server_that_is_away_connects_later() {
    for mut server in [
        RedisServer::start().await,
        RedisServer::builder().tcp().start().await,
    ] {
        let uri = server.uri();
        server.stop().await;
        let connection = Connection::from_uri(&uri)
            .expect("a good URI")
            .command_timeout(PATIENCE);
        let (link, error) = connection.open_or_later().await.expect("a link");
        assert_eq!(error.expect("away").kind(), ErrorKind::Unavailable);
        let started = Instant::now();
        let error = ping(&link).await.expect_err("away");
        assert_eq!(
            map_redis_error(error, "ping").kind(),
            ErrorKind::Unavailable
        );
        assert!(started.elapsed() < 2 * PATIENCE);
        eventually("it is known to be away", DEADLINE, || async {
            link.check_open().is_err()
        })
        .await;
        server.restart().await;
        eventually("it has connected", DEADLINE, || async {
            ping(&link).await.is_ok()
        })
        .await;
        link.close().await;
    }
}

#[tokio::test]
async fn a_link_that_may_connect_later_is_refused_what_every_link_is_refused() {
    let server = RedisServer::builder().password("secret").start().await;
    let refused = Connection::from_uri(&server.uri_with(":wrong@")).expect("a good URI");
    let away = Connection::sentinel("master", [("127.0.0.1", 1)]);
    let cluster = Connection::cluster([("127.0.0.1", 1)]);
    for (connection, kind) in [
        (refused, ErrorKind::Redis),
        (away, ErrorKind::Unavailable),
        (cluster, ErrorKind::Unavailable),
    ] {
        let connection = connection.connect_timeout(PATIENCE);
        let error = connection.open_or_later().await.err().expect("refused");
        assert_eq!(error.kind(), kind, "{connection}: {error}");
    }
    let there = Connection::from_uri(&server.uri()).expect("a good URI");
    let (link, error) = there.open_or_later().await.expect("a link");
    assert!(error.is_none());
    ping(&link).await.expect("a reply");
}
