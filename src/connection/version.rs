//! Checks that the version of Redis is supported.

use std::fmt;

use fred::types::Value;

use crate::error::{Error, ErrorKind, Result};

/// The oldest Redis that has every command and option that rasynq uses.
pub(super) const OLDEST: RedisVersion = RedisVersion { major: 6, minor: 2 };

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RedisVersion {
    major: u32,
    minor: u32,
}

impl fmt::Display for RedisVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Fails if Redis is too old. If Redis does not state its version, it is accepted, with a warning in the
/// log; if the version is not a number, without a warning.
pub(super) fn check(found: Option<&str>, has_resp3: bool, address: &str) -> Result<()> {
    if let Some(version) = found {
        check_version(version, address)?;
    }
    if !has_resp3 {
        tracing::warn!(
            address,
            "Redis has no HELLO 3: the connections use RESP2, and servers poll their queues"
        );
    }
    match found {
        Some(_) => Ok(()),
        None => {
            tracing::warn!(
                address,
                "cannot determine the version of Redis; {OLDEST} or newer is needed"
            );
            Ok(())
        }
    }
}

fn check_version(found: &str, address: &str) -> Result<()> {
    match parse(found) {
        Some(version) if version < OLDEST => Err(too_old(found, address)),
        _ => Ok(()),
    }
}

pub(super) fn too_old(found: &str, address: &str) -> Error {
    Error::new(
        ErrorKind::UnsupportedRedis,
        format!("the Redis at {address} is version {found}; {OLDEST} or newer is needed"),
    )
}

/// The version in the reply to `INFO`. For Valkey, this is the version of the Redis that it is
/// compatible with.
pub(super) fn version_in_info(info: &str) -> Option<String> {
    info.lines()
        .find_map(|line| line.strip_prefix("redis_version:"))
        .map(|version| version.trim().to_owned())
}

pub(super) fn version_in_hello(reply: &Value) -> Option<String> {
    let reply = reply.clone().into_map().ok()?;
    reply.get(&"version".into())?.as_string()
}

fn parse(text: &str) -> Option<RedisVersion> {
    let mut numbers = text.split('.').map(|part| part.parse().ok());
    let major = numbers.next()??;
    let minor = numbers.next().flatten().unwrap_or(0);
    Some(RedisVersion { major, minor })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        for (text, supported) in [
            ("5.0.14", false),
            ("6.0.16", false),
            ("6.2.0", true),
            ("6.10.1", true),
            ("7.0.15", true),
            ("10.0.0", true),
            ("255.255.255", true),
            ("unstable", true),
        ] {
            assert_eq!(check_version(text, "here").is_ok(), supported, "{text}");
        }
    }

    #[test]
    fn the_error_names_the_version_found_and_the_one_needed() {
        let error = check_version("6.0.16", "redis://localhost:6379/0").expect_err("too old");
        assert_eq!(error.kind(), ErrorKind::UnsupportedRedis);
        let text = error.to_string();
        assert!(
            text.contains("6.0.16") && text.contains("6.2 or newer"),
            "{text}"
        );
        assert!(text.contains("redis://localhost:6379/0"), "{text}");
    }

    #[test]
    fn valkey_is_judged_by_the_redis_it_is_compatible_with() {
        let info =
            "# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\n";
        assert_eq!(version_in_info(info).as_deref(), Some("7.2.4"));
    }
}
