//! How Redis URIs are parsed.

use std::time::Duration;

use super::super::Connection;
use crate::error::ErrorKind;

fn parsed(uri: &str) -> Connection {
    match Connection::from_uri(uri) {
        Ok(connection) => connection,
        Err(error) => panic!("{uri}: {error}"),
    }
}

fn refused(uri: &str) -> String {
    let error = match Connection::from_uri(uri) {
        Ok(connection) => panic!("{uri} is parsed as {connection:?}"),
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::Invalid);
    error.to_string()
}

/// asynq: `ParseRedisURI`.
#[test]
fn every_form_of_uri_that_asynq_parses_is_parsed_alike() {
    for (uri, address, password) in [
        (
            "redis://queue.example:7301",
            "redis://queue.example:7301/0",
            None,
        ),
        (
            "redis://queue.example:7301/14",
            "redis://queue.example:7301/14",
            None,
        ),
        (
            "redis://:s3same@queue.example:7301",
            "redis://queue.example:7301/0",
            Some("s3same"),
        ),
        (
            "redis://:s3same@10.20.30.40:7301/2",
            "redis://10.20.30.40:7301/2",
            Some("s3same"),
        ),
        (
            "redis-socket:///srv/jobs/valkey.socket",
            "redis-socket:///srv/jobs/valkey.socket?db=0",
            None,
        ),
        (
            "redis-socket://:s3same@/srv/jobs/valkey.socket",
            "redis-socket:///srv/jobs/valkey.socket?db=0",
            Some("s3same"),
        ),
        (
            "redis-socket:///srv/jobs/valkey.socket?db=5",
            "redis-socket:///srv/jobs/valkey.socket?db=5",
            None,
        ),
        (
            "redis-socket://:s3same@/srv/jobs/valkey.socket?db=9",
            "redis-socket:///srv/jobs/valkey.socket?db=9",
            Some("s3same"),
        ),
        (
            "redis-sentinel://watch-a:26001,watch-b:26002?master=jobs",
            "redis-sentinel://watch-a:26001,watch-b:26002/0?master=jobs",
            None,
        ),
    ] {
        let connection = parsed(uri);
        assert_eq!(connection.to_string(), address);
        assert_eq!(connection.password.as_deref(), password, "{uri}");
        assert_eq!(connection.username, None, "{uri}");
    }
}

#[test]
fn the_login_of_a_sentinel_uri_is_the_sentinels() {
    let connection = parsed("redis-sentinel://:s3same@watch-a:26001,watch-b?master=jobs");
    assert_eq!(connection.sentinel_password.as_deref(), Some("s3same"));
    assert_eq!(connection.password, None);
    let connection = parsed("redis-sentinel://watch:p@localhost?master=m");
    assert_eq!(connection.sentinel_username.as_deref(), Some("watch"));
    assert_eq!(connection.username, None);
}

/// In asynq this is not released yet: it came after v0.26.0.
#[test]
fn a_sentinel_uri_may_name_a_database() {
    let connection = parsed("redis-sentinel://a:1,b:2/9?master=m");
    assert_eq!(
        connection.to_string(),
        "redis-sentinel://a:1,b:2/9?master=m"
    );
}

/// asynq accepts a host without a port, and then fails to connect to it.
#[test]
fn a_missing_port_is_the_default_port() {
    for (uri, address) in [
        ("redis://localhost", "redis://localhost:6379/0"),
        ("redis://", "redis://localhost:6379/0"),
        ("redis://:7000", "redis://localhost:7000/0"),
        ("redis://localhost:", "redis://localhost:6379/0"),
        ("redis://[::1]", "redis://[::1]:6379/0"),
        ("redis://[::1]:7000/2", "redis://[::1]:7000/2"),
        (
            "redis-sentinel://a,b:7000?master=m",
            "redis-sentinel://a:26379,b:7000/0?master=m",
        ),
    ] {
        assert_eq!(parsed(uri).to_string(), address, "{uri}");
    }
}

#[test]
fn the_database_is_the_first_segment_of_the_path() {
    for (uri, address) in [
        ("redis://h:1/", "redis://h:1/0"),
        ("redis://h:1/5/", "redis://h:1/5"),
        ("redis://h:1//5", "redis://h:1/5"),
        ("redis://h:1/5/more", "redis://h:1/5"),
        ("REDIS://h:1/5", "redis://h:1/5"),
        ("redis://h:1/5?x=y#z", "redis://h:1/5"),
    ] {
        assert_eq!(parsed(uri).to_string(), address, "{uri}");
    }
}

#[test]
fn logins_and_paths_are_percent_decoded() {
    let connection = parsed("redis://a%40b:c%3Ad%2F%25:e@h");
    assert_eq!(connection.username.as_deref(), Some("a@b"));
    assert_eq!(connection.password.as_deref(), Some("c:d/%:e"));
    for (uri, address) in [
        (
            "redis-socket:///tmp/a%20b.sock",
            "redis-socket:///tmp/a b.sock?db=0",
        ),
        (
            "redis-socket:///tmp/a@b.sock",
            "redis-socket:///tmp/a@b.sock?db=0",
        ),
    ] {
        assert_eq!(parsed(uri).to_string(), address);
    }
}

#[test]
fn parameters_are_form_decoded() {
    for (query, master) in [
        ("master=a+b%2Bc%20d", "a b+c d"),
        ("&&x&master=m&master=n", "m"),
        ("m%61ster=%zz=1", "%zz=1"),
        ("master=%ff", "\u{fffd}"),
    ] {
        let connection = parsed(&format!("redis-sentinel://h?{query}"));
        let address = format!("redis-sentinel://h:26379/0?master={master}");
        assert_eq!(connection.to_string(), address, "{query}");
    }
}

#[test]
fn an_empty_login_counts_as_no_login() {
    for uri in ["redis://@h", "redis://:@h"] {
        let connection = parsed(uri);
        assert_eq!((connection.username, connection.password), (None, None));
    }
}

#[test]
fn a_malformed_uri_is_refused_and_the_error_names_the_wrong_part() {
    for (uri, part) in [
        ("", "scheme"),
        ("queue.example:7301", "scheme"),
        ("://queue.example", "scheme"),
        ("amqp://queue.example:7301", "\"amqp\""),
        ("redis+unix:///x", "\"redis+unix\""),
        ("redis://queue.example:7301/4;5", "\"4;5\""),
        ("redis://queue.example:7301/zero", "\"zero\""),
        ("redis://queue.example:7301/-1", "\"-1\""),
        ("redis://queue.example:7301/256", "0 to 255"),
        ("redis://localhost:port", "\"port\""),
        ("redis://localhost:0", "\"0\""),
        ("redis://localhost:65536", "\"65536\""),
        ("redis://a:1,b:2", "\"1,b:2\""),
        ("redis://[::1", "]"),
        ("redis://[::1]x", "]"),
        ("redis://a b", "\"a b\""),
        ("redis://h\n:1", "control"),
        ("redis://u:%zz@h", "password"),
        ("redis://u%2:p@h", "user"),
        ("redis://u:%ff@h", "UTF-8"),
        ("redis-socket://?db=2", "path"),
        ("redis-socket:///srv/valkey.socket?db=two", "\"two\""),
        ("redis-sentinel://watch-a:26001", "master"),
        ("redis-sentinel://watch-a:26001?master=", "master"),
        ("redis-sentinel://?master=m", "host"),
        ("redis-sentinel://a,,b?master=m", "host"),
        ("redis-sentinel://a/x?master=m", "\"x\""),
    ] {
        let text = refused(uri);
        assert!(text.contains(part), "{uri}: {text}");
    }
}

#[test]
fn the_error_for_a_password_that_is_not_encoded_does_not_contain_it() {
    for uri in [
        "redis://u:hun/ter2@h:6379",
        "redis://u:hun?ter2@h:6379",
        "redis://u:hun#ter2@h:6379",
        "redis://u:hunter2%@h",
        "amqp://u:hunter2@h",
        "redis://u:hunter2@h:x",
        "redis://u:hunter2@h/x",
        "redis://hunter2",
    ] {
        if let Err(error) = Connection::from_uri(uri) {
            for text in [error.to_string(), format!("{error:?}")] {
                assert!(!text.contains("ter2"), "{text}");
            }
        }
    }
    assert!(refused("redis://u:hun/ter2@h").contains("percent-encoded"));
}

#[test]
fn display_and_debug_show_no_password() {
    let connection = parsed("redis-sentinel://u:hunter2@h?master=m")
        .password("hunter2")
        .connect_timeout(Duration::from_secs(1));
    for text in [connection.to_string(), format!("{connection:?}")] {
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[cfg(feature = "tls")]
#[test]
fn rediss_is_redis_with_tls() {
    let connection = parsed("rediss://:p@localhost:6380/2");
    assert!(connection.tls.is_some());
    assert_eq!(connection.to_string(), "rediss://localhost:6380/2");
}

#[cfg(not(feature = "tls"))]
#[test]
fn rediss_without_the_feature_tls_is_refused_and_the_error_names_the_feature() {
    assert!(refused("rediss://localhost").contains("feature `tls`"));
}
